'use strict';

/* Drives a launcher as the platform does: a child process with a socket on descriptor 3 and pipes for its output. */

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');

const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX';
const LAUNCHER = path.join(__dirname, '..', 'launcher.js');
/** Long enough for a loaded machine; a test that passes never waits for it. */
const DEADLINE = 30_000;

/** Settles as `promise` does, and fails when that takes longer than anything here may. */
function inTime(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), DEADLINE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Launcher {
  constructor(t, { env = {}, flags = [] } = {}) {
    this.folder = fs.mkdtempSync('/tmp/oxwhisk-test-');
    this.child = spawn(process.execPath, [...flags, LAUNCHER], {
      cwd: '/tmp',
      env: { PATH: process.env.PATH, HOME: '/tmp', TMPDIR: this.folder, __OW_API_HOST: 'http://api.example', ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    });
    this.exited = once(this.child, 'close');
    t.after(async () => {
      this.child.kill('SIGKILL');
      await this.exited;
      fs.rmSync(this.folder, { recursive: true, force: true });
    });
    this.channel = this.child.stdio[3];
    this.channel.on('error', () => {});
    this.lines = readline.createInterface({ input: this.channel })[Symbol.asyncIterator]();
    this.output = { stdout: '', stderr: '' };
    this.wake = () => {};
    for (const name of ['stdout', 'stderr']) {
      this.child[name].setEncoding('utf8').on('data', (text) => {
        this.output[name] += text;
        this.wake();
      });
    }
  }

  /** The next line the launcher writes to the channel, or undefined at its end. */
  async line() {
    const { value } = await inTime(this.lines.next(), 'a line');
    return value;
  }

  write(text) {
    this.channel.write(text);
  }

  send(message) {
    this.write(`${JSON.stringify(message)}\n`);
  }

  async init(code, { main = 'main', binary = false, env } = {}) {
    this.send({ init: { value: { name: 'hello', main, code, binary, env } } });
    return JSON.parse(await this.line());
  }

  async run(value = {}, members = {}) {
    this.send({ value, ...members });
    return JSON.parse(await this.line());
  }

  /** Waits until `count` activations have ended their logs, and returns what came before each end: [{stdout, stderr}, …]. */
  async logs(count = 1) {
    const parts = (name) => this.output[name].split(`${SENTINEL}\n`);
    while (parts('stdout').length <= count || parts('stderr').length <= count) {
      await inTime(new Promise((resolve) => (this.wake = resolve)), 'the end of logs');
    }
    return Array.from({ length: count }, (_, i) => ({ stdout: parts('stdout')[i], stderr: parts('stderr')[i] }));
  }

  /** Waits until the process sleeps and has done nothing for a while: its switches, counted by the kernel, stay the same. */
  async idle() {
    const switches = () => fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8').match(/^State:\s+S|ctxt_switches:\s+\d+/gm)?.join();
    let before;
    await inTime(
      (async () => {
        for (let same = 0; same < 10; same = switches() === before ? same + 1 : 0) {
          before = switches();
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      })(),
      'an idle process',
    );
  }

  /** Closes the channel and waits for the process; returns its exit code and all output, sentinels included. */
  async end() {
    this.channel.end();
    return this.exit();
  }

  async exit() {
    const [code, signal] = await inTime(this.exited, 'the exit');
    return { code, signal, ...this.output };
  }
}

/** Starts a launcher that ends with the test, and waits until it is ready. */
async function start(t, options) {
  const launcher = new Launcher(t, options);
  const line = await launcher.line();
  if (line !== '{"ready":true}') throw new Error(`not ready: ${line} ${launcher.output.stderr}`);
  return launcher;
}

/** Starts a launcher with an action that loads. */
async function started(t, code, options = {}) {
  const launcher = await start(t, options);
  const answer = await launcher.init(code, options);
  if (answer.status !== 200) throw new Error(`init failed: ${JSON.stringify(answer)}`);
  return launcher;
}

module.exports = { SENTINEL, inTime, start, started };

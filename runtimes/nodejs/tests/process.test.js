'use strict';

/* The process: its end, its channel, and what children get of it. */

const assert = require('node:assert');
const test = require('node:test');
const { SENTINEL, start, started } = require('./harness.js');

test('the launcher exits when the channel is closed', async (t) => {
  const launcher = await start(t);
  assert.strictEqual((await launcher.end()).code, 0);
});

test('the launcher exits when the channel is closed during a run', async (t) => {
  const launcher = await started(t, 'function main() { setInterval(() => {}, 1000); return new Promise(() => {}); }');
  launcher.send({ value: {} });
  assert.strictEqual((await launcher.end()).code, 0);
});

test('process.exit ends the process without an answer, output included (recording invoke/exits)', async (t) => {
  const launcher = await started(t, "function main() { console.log('last words'); process.exit(3); }");
  launcher.send({ value: {} });
  assert.strictEqual(await launcher.line(), undefined);
  const { code, stdout } = await launcher.exit();
  assert.deepStrictEqual({ code, stdout }, { code: 3, stdout: 'last words\n' });
});

test('process.exit at load ends the process without an answer (recording invoke/exits-at-load)', async (t) => {
  const launcher = await start(t);
  launcher.send({ init: { value: { main: 'main', code: 'process.exit(4); function main() {}' } } });
  assert.strictEqual(await launcher.line(), undefined);
  assert.strictEqual((await launcher.exit()).code, 4);
});

for (const [name, code] of [
  ['an exception nobody catches', "function main() { return new Promise(() => setImmediate(() => { throw new Error('late'); })); }"],
  ['a rejection nobody handles', "function main() { Promise.reject(new Error('late')); return new Promise(() => {}); }"],
]) {
  test(`${name} ends the process with the stack on stderr (recording invoke/throws-later)`, async (t) => {
    const launcher = await started(t, code);
    launcher.send({ value: {} });
    assert.strictEqual(await launcher.line(), undefined);
    const result = await launcher.exit();
    assert.strictEqual(result.code, 1);
    assert.match(result.stderr, /Error: late\n +at /);
    assert.ok(!result.stderr.includes('launcher.js'), result.stderr);
    assert.ok(!result.stderr.includes(SENTINEL));
  });
}

test('an action that listens for errors nobody catches gets them whole', async (t) => {
  const launcher = await started(
    t,
    `let caught;
     process.on('uncaughtException', (error) => caught({ whole: error.stack.includes('launcher.js') }));
     function main() { const error = new Error('late'); setImmediate(() => { throw error; }); return new Promise((resolve) => (caught = resolve)); }`,
  );
  assert.deepStrictEqual((await launcher.run()).body, { whole: true });
});

test('child processes do not get the channel', async (t) => {
  const launcher = await started(t, "function main() { return { open: require('child_process').spawnSync('sh', ['-c', 'ls /proc/self/fd'], { encoding: 'utf8' }).stdout.split('\\n').includes('3') && require('fs').readlinkSync('/proc/self/fd/3').startsWith('socket') && require('child_process').spawnSync('sh', ['-c', 'readlink /proc/$$/fd/3'], { encoding: 'utf8' }).stdout.startsWith('socket') }; }");
  assert.deepStrictEqual((await launcher.run()).body, { open: false });
});

test('timers go on between runs', async (t) => {
  const launcher = await started(t, 'let fired = false; function main(args) { if (args.start) setImmediate(() => { fired = true; }); return { fired }; }');
  await launcher.run({ start: true });
  assert.deepStrictEqual((await launcher.run()).body, { fired: true });
});

test('a warm launcher does not grow with each activation', async (t) => {
  const launcher = await started(t, "let n = 0; function main() { if (++n % 1500 === 0) gc(); return { rss: process.memoryUsage().rss }; }");
  const rss = async (runs) => {
    let last;
    for (let i = 0; i < runs; i += 1) last = await launcher.run({}, { activation_id: `${runs}-${i}`.padStart(4000, 'x'), deadline: `${i}`.padStart(4000, '0') });
    return last.body.rss;
  };
  const before = await rss(1500);
  const after = await rss(6000);
  // Kept by the C library, the variables of 6000 activations would be 48 MB.
  assert.ok(after - before < 20e6, `${after - before} bytes more after 6000 activations`);
});

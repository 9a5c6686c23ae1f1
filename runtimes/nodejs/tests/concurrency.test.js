'use strict';

/* Overlapping activations: runtime-protocol.md §9.1 and §10 (concurrency), with `log` messages of the framed protocol. */

const assert = require('node:assert');
const test = require('node:test');
const { SENTINEL, started } = require('./harness.js');

const ENV = { __OW_ALLOW_CONCURRENT: 'TRUE' };

/** Reads lines until `count` answers have come; returns the lines of each activation in order. */
async function collect(launcher, count) {
  const found = {};
  for (let answers = 0; answers < count; ) {
    const message = JSON.parse(await launcher.line());
    (found[message.activation_id] ??= []).push(message.log === undefined ? { status: message.status, body: message.body } : [message.log, message.text]);
    if (message.status !== undefined) answers += 1;
  }
  return found;
}

/** An action whose runs all wait for each other: they end in the order opposite to their start. */
const MEETING = `
  const waiting = [];
  async function main(args) {
    console.log('in ' + args.n);
    await new Promise((resolve) => {
      waiting.unshift(resolve);
      if (waiting.length === args.of) for (const go of waiting.splice(0)) go();
    });
    console.error('out ' + args.n);
    process.stdout.write('no end ' + args.n);
    await null;
    return { n: args.n, id: process.env.__OW_ACTIVATION_ID, host: process.env.__OW_API_HOST, names: Object.keys(process.env).filter((name) => name === '__OW_ACTIVATION_ID').length };
  }`;

test('runs overlap, with logs and variables of their own (§10 concurrency)', async (t) => {
  const launcher = await started(t, MEETING, { env: ENV });
  const of = 8;
  for (let n = 0; n < of; n += 1) launcher.send({ value: { n, of }, activation_id: `id${n}` });
  const found = await collect(launcher, of);
  for (let n = 0; n < of; n += 1) {
    assert.deepStrictEqual(found[`id${n}`], [
      ['stdout', `in ${n}`],
      ['stderr', `out ${n}`],
      ['stdout', `no end ${n}`],
      { status: 200, body: { n, id: `id${n}`, host: 'http://api.example', names: 1 } },
    ]);
  }
  const { stdout, stderr } = await launcher.end();
  assert.strictEqual(stdout, `${SENTINEL}\n`.repeat(of));
  assert.strictEqual(stderr, `${SENTINEL}\n`.repeat(of));
});

test('log messages have the form of the protocol and come before the answer', async (t) => {
  const launcher = await started(t, "function main() { console.log('a\\n☃'); return {}; }", { env: ENV });
  launcher.send({ value: {}, activation_id: 'x' });
  assert.strictEqual(await launcher.line(), '{"activation_id":"x","log":"stdout","text":"a"}');
  assert.strictEqual(await launcher.line(), '{"activation_id":"x","log":"stdout","text":"☃"}');
  assert.strictEqual(await launcher.line(), '{"activation_id":"x","status":200,"body":{}}');
});

test('what an action has begun goes on for two microtasks after its result before it is answered', async (t) => {
  const launcher = await started(t, 'async function later() { for (let i = 1; i < 9; i += 1) { await null; console.log(i); } } function main() { later(); return {}; }', { env: ENV });
  launcher.send({ value: {}, activation_id: 'x' });
  const { x } = await collect(launcher, 1);
  assert.deepStrictEqual(x, [['stdout', '1'], ['stdout', '2'], { status: 200, body: {} }]);
});

test('characters that are split between writes are put together', async (t) => {
  const launcher = await started(t, "function main() { const [a, b, c] = Buffer.from('☃'); process.stdout.write(Buffer.from([a])); process.stdout.write(Buffer.from([b, c, 10])); return {}; }", { env: ENV });
  launcher.send({ value: {}, activation_id: 'x' });
  assert.strictEqual(await launcher.line(), '{"activation_id":"x","log":"stdout","text":"☃"}');
});

test('what comes outside of activations goes to the streams', async (t) => {
  const launcher = await started(t, "console.log('loading'); function main(args) { if (args.late) setImmediate(() => console.log('too late')); return {}; }", { env: ENV });
  launcher.send({ value: { late: true }, activation_id: 'x' });
  assert.strictEqual(await launcher.line(), '{"activation_id":"x","status":200,"body":{}}');
  launcher.send({ value: {}, activation_id: 'y' });
  assert.strictEqual(await launcher.line(), '{"activation_id":"y","status":200,"body":{}}');
  await launcher.logs(2);
  assert.deepStrictEqual(launcher.output.stdout.replaceAll(`${SENTINEL}\n`, ''), 'loading\ntoo late\n');
});

test('results that are no dictionaries and rejections are those of their own activation', async (t) => {
  const launcher = await started(t, "async function main(args) { await null; if (args.n === 1) return 'text'; if (args.n === 2) throw 'boom'; return {}; }", { env: ENV });
  for (const n of [0, 1, 2]) launcher.send({ value: { n }, activation_id: `${n}` });
  assert.deepStrictEqual(await collect(launcher, 3), {
    0: [{ status: 200, body: {} }],
    1: [['stderr', 'Result must be of type object but has type "string": text'], { status: 502, body: { error: 'The action did not return a dictionary.' } }],
    2: [{ status: 200, body: { error: 'boom' } }],
  });
});

test('a line that never ends is cut', async (t) => {
  const launcher = await started(t, "function main() { for (let i = 0; i < 3; i++) process.stdout.write('x'.repeat(1 << 20)); return {}; }", { env: ENV });
  launcher.send({ value: {}, activation_id: 'x' });
  const { x } = await collect(launcher, 1);
  assert.strictEqual(x.slice(0, -1).map(([, text]) => text).join(''), 'x'.repeat(3 << 20));
});

test('variables that an activation sets itself are shared, as in one process they must be', async (t) => {
  const launcher = await started(t, "function main(args) { if (args.set) process.env.MINE = args.set; return { mine: process.env.MINE, inChild: require('child_process').execFileSync('sh', ['-c', 'echo $__OW_ACTIVATION_ID $MINE']).toString() }; }", { env: ENV });
  assert.deepStrictEqual((await launcher.run({ set: 'm' }, { activation_id: 'a' })).body, { mine: 'm', inChild: 'a m\n' });
  assert.deepStrictEqual((await launcher.run({}, { activation_id: 'b' })).body, { mine: 'm', inChild: 'b m\n' });
});

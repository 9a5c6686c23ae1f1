'use strict';

/* Output: runtime-protocol.md §5 and the recordings invoke/logs-*. */

const assert = require('node:assert');
const test = require('node:test');
const { SENTINEL, started } = require('./harness.js');

for (const [name, body, stdout, stderr] of [
  ['lines keep their blanks', "console.log('one'); console.log('  two');", 'one\n  two\n', ''],
  ['errors go to stderr', "console.error('bad'); console.warn('worse');", '', 'bad\nworse\n'],
  ['empty lines and objects', "console.log(''); console.log({ a: 1 }); console.log('é ☃');", '\n{ a: 1 }\né ☃\n', ''],
  ['several lines at once', "console.log('a\\nb\\n\\nc');", 'a\nb\n\nc\n', ''],
  ['formats', "console.log('%s is %d', 'a', 5); console.info('i'); console.debug('d');", 'a is 5\ni\nd\n', ''],
  ['bytes and encodings', "process.stdout.write(Buffer.from('é\\n')); process.stdout.write('w6kK', 'base64'); process.stderr.write('e9', 'hex');", 'é\né\n', '\ufffd'],
]) {
  test(`${name} arrive in order`, async (t) => {
    const launcher = await started(t, `function main() { ${body} return {}; }`);
    await launcher.run();
    assert.deepStrictEqual(await launcher.logs(), [{ stdout, stderr }]);
  });
}

test('text without a line end shares its line with the sentinel (recording invoke/logs-without-line-end)', async (t) => {
  const launcher = await started(t, "function main() { process.stdout.write('no end'); return {}; }");
  await launcher.run();
  const { stdout } = await launcher.end();
  assert.strictEqual(stdout, `no end${SENTINEL}\n`);
});

test('a megabyte of output comes before the sentinel', async (t) => {
  const launcher = await started(t, "function main() { for (let i = 0; i < 5000; i++) console.log('x'.repeat(200)); return {}; }");
  await launcher.run();
  assert.strictEqual((await launcher.logs())[0].stdout, `${'x'.repeat(200)}\n`.repeat(5000));
});

test('a stream can be piped to, and neither its end nor its destruction keeps later lines away', async (t) => {
  const launcher = await started(
    t,
    `const { PassThrough } = require('stream');
     async function main() {
       const source = new PassThrough();
       source.pipe(process.stdout);
       source.write('piped\\n');
       await new Promise((resolve) => setImmediate(resolve));
       process.stdout.destroy();
       console.log('after');
       return {};
     }`,
  );
  await launcher.run();
  assert.strictEqual((await launcher.logs())[0].stdout, 'piped\nafter\n');
});

test('writes call back and report no pressure', async (t) => {
  const launcher = await started(t, "function main() { return new Promise((resolve) => process.stdout.write('x\\n', () => resolve({ tty: process.stdout.isTTY ?? false, fd: process.stdout.fd }))); }");
  assert.deepStrictEqual((await launcher.run()).body, { tty: false, fd: 1 });
});

test('output of child processes is part of the logs', async (t) => {
  const launcher = await started(t, "function main() { require('child_process').execFileSync('sh', ['-c', 'echo out; echo err >&2'], { stdio: 'inherit' }); return {}; }");
  await launcher.run();
  assert.deepStrictEqual(await launcher.logs(), [{ stdout: 'out\n', stderr: 'err\n' }]);
});

test('errors that the action logs have the frames of its own code only, and keep their stack', async (t) => {
  const launcher = await started(
    t,
    `function main() {
  const error = new Error('boom');
  console.error(error);
  console.log([error], 5, { error });
  console.log(error, 5);
  return { whole: error.stack.includes('launcher.js') };
}`,
  );
  assert.deepStrictEqual((await launcher.run()).body, { whole: true });
  const frame = 'at Object.main (action.js:2:17)';
  const stdout = `[\n  Error: boom\n      ${frame}\n] 5 {\n  error: Error: boom\n      ${frame}\n}\nError: boom\n    ${frame} 5\n`;
  assert.deepStrictEqual(await launcher.logs(), [{ stdout, stderr: `Error: boom\n    ${frame}\n` }]);
});

for (const [name, body, frames] of [
  ['lead to a missing module are not shown', "require('no-such-package');", ['at Object.main (action.js:2:3) {']],
  ['are between those of the action are shown', "[1].map(() => { throw new Error('boom'); });", ['at eval (action.js:2:25)', 'at Array.map (<anonymous>)', 'at Object.main (action.js:2:7)']],
]) {
  test(`frames of Node that ${name}`, async (t) => {
    const launcher = await started(t, `function main() {\n  ${body}\n}`);
    await launcher.run();
    const { stderr } = (await launcher.logs())[0];
    assert.deepStrictEqual(stderr.match(/^ +at .*/gm).map((line) => line.trim()), frames);
  });
}

for (const [name, handler, printed] of [
  ['an answer', 'function main() { later(); return {}; }', '1\n2\n'],
  ['a thrown text', "function main() { later(); throw 'boom'; }", '1\n2\n'],
]) {
  test(`what an action has begun goes on for two microtasks after ${name} before its logs end, as in the stock image`, async (t) => {
    const launcher = await started(t, `async function later() { for (let i = 1; i < 9; i += 1) { await null; console.log(i); } }\n${handler}`);
    await launcher.run();
    assert.strictEqual((await launcher.logs())[0].stdout, printed);
  });
}

test('what was put off to the next tick is part of the log', async (t) => {
  const launcher = await started(t, "function main(args) { process.nextTick(() => console.log('tick', args.n)); return {}; }");
  for (let n = 0; n < 3; n += 1) launcher.send({ value: { n } });
  for (let n = 0; n < 3; n += 1) await launcher.line();
  const { stdout } = await launcher.end();
  // Requests that come together are served before any tick; each log ends before the next begins.
  assert.strictEqual(stdout.split(`${SENTINEL}\n`).length, 4);
  assert.deepStrictEqual(stdout.match(/tick \d/g), ['tick 0', 'tick 1', 'tick 2']);
});

test('closing a stream harms nobody but the logs', async (t) => {
  const launcher = await started(t, "function main(args) { if (args.close) require('fs').closeSync(1); return {}; }");
  assert.strictEqual((await launcher.run({ close: true })).status, 200);
  assert.strictEqual((await launcher.run()).status, 200);
});

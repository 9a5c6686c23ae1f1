'use strict';

/* Init: runtime-protocol.md §9.1 (Node.js) and §10 (canonical tests). The rows are cited by their first words. */

const assert = require('node:assert');
const test = require('node:test');
const { SENTINEL, start, started } = require('./harness.js');

const MISSING = 'Missing main/no code to execute.';
const TWICE = 'Cannot initialize the action more than once.';

test('a good init answers OK and writes nothing to the logs (§9.1 init ok, §5)', async (t) => {
  const launcher = await start(t);
  launcher.send({ init: { value: { name: 'a', main: 'main', code: 'function main() {}', binary: false } } });
  assert.strictEqual(await launcher.line(), '{"init":true,"status":200,"body":{"OK":true}}');
  const { code, stdout, stderr } = await launcher.end();
  assert.deepStrictEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
});

for (const [name, value] of Object.entries({
  'no value': undefined,
  'no code': { main: 'main' },
  'empty code': { main: 'main', code: '' },
  'code that is no string': { main: 'main', code: 5 },
  'no main': { code: 'function main() {}' },
  'empty main': { main: '', code: 'function main() {}' },
  'main that is no string': { main: {}, code: 'function main() {}' },
})) {
  test(`${name} is refused, and a good init can follow (§9.1 missing/empty, §10 empty code)`, async (t) => {
    const launcher = await start(t);
    launcher.send({ init: { value } });
    assert.deepStrictEqual(JSON.parse(await launcher.line()), { init: true, status: 403, body: { error: MISSING } });
    assert.strictEqual((await launcher.init('function main() {}')).status, 200);
  });
}

test('a second init is refused with a line on stderr and no sentinel (§9.1 second init, §10 init then init again)', async (t) => {
  const launcher = await started(t, 'function main() {}');
  assert.deepStrictEqual(await launcher.init('function main() {}'), { init: true, status: 403, body: { error: TWICE } });
  const { stdout, stderr } = await launcher.end();
  assert.strictEqual(stdout, '');
  assert.strictEqual(stderr, `Internal system error: ${TWICE}\n`);
});

test('after a failed init the launcher is stopped (§9.1 other state)', async (t) => {
  const launcher = await start(t);
  assert.strictEqual((await launcher.init('(')).status, 502);
  assert.deepStrictEqual((await launcher.init('function main() {}')).body, { error: 'System not ready, status is stopped.' });
  assert.deepStrictEqual((await launcher.run()).body, { error: 'System not initialized.' });
});

for (const [name, code, main, expected] of [
  ['a syntax error', 'function main( { return', 'main', /^Initialization has failed due to: SyntaxError: Unexpected end of input$/],
  ['a bracket that is not closed', 'function main() { return {};', 'main', /^Initialization has failed due to: SyntaxError: Unexpected end of input$/],
  ['an error at load', "throw new Error('at load'); function main() {}", 'main', /^Initialization has failed due to: Error: at load\n +at eval \(action\.js:1:\d+\)$/],
  ['a thrown text', "throw 'at load'", 'main', /^Initialization has failed due to: at load$/],
  ['nothing thrown', 'throw undefined', 'main', /^Initialization has failed due to: undefined$/],
  ['an object that is no text', 'throw Object.create(null)', 'main', /^Initialization has failed due to: \[object Object\]$/],
  ['no such function', 'function other() {}', 'main', /^Initialization has failed due to: Action entrypoint 'main' is not a function\.$/],
  ['a named function that is missing', 'function main() {}', 'nothere', /^Initialization has failed due to: .*nothere/],
  ['main that is no function', 'const main = 5;', 'main', /^Initialization has failed due to: Action entrypoint 'main' is not a function\.$/],
  ['main that is no name', 'function main() {}', 'main()', /^Initialization has failed due to: Name of main function is not valid\.$/],
  ['main that is code', 'function main() {}', 'a } b', /^Initialization has failed due to: Name of main function is not valid\.$/],
]) {
  test(`${name} fails the init with a sentinel on each stream (§9.1 user code fails to load, §5)`, async (t) => {
    const launcher = await start(t);
    const answer = await launcher.init(code, { main });
    assert.strictEqual(answer.status, 502);
    assert.match(answer.body.error, expected);
    const [logs] = await launcher.logs();
    // The log shows objects as `console.error` does.
    const reason = name === 'an object that is no text' ? '[Object: null prototype] {}' : answer.body.error.slice('Initialization has failed due to: '.length);
    // Broken syntax is shown first.
    const place = expected.source.includes('SyntaxError') ? `action.js:1\n${code}\n` : '';
    assert.deepStrictEqual(logs, { stdout: '', stderr: `${place}Error during initialization: ${reason}\n` });
  });
}

test('code that breaks the syntax is shown with its line, and a module is told what it needs', async (t) => {
  const place = async (code) => {
    const launcher = await start(t);
    await launcher.init(code);
    const [{ stderr }] = await launcher.logs();
    return stderr.split('Error during initialization')[0];
  };
  assert.strictEqual(await place('function main() {\n  const a = ;\n}'), 'action.js:2\n  const a = ;\n            ^\n');
  assert.match(await place('export const main = () => ({})'), /^action\.js:1\n.*\n\^{6}\nES modules need /);
});

for (const [name, code, main] of [
  ['a function', 'function main() { return { here: 1 }; }', 'main'],
  ['another name', 'function other() { return { here: 1 }; }', 'other'],
  ['a constant', 'const main = () => ({ here: 1 });', 'main'],
  ['a dotted path', 'const a = { b: { c: () => ({ here: 1 }) } };', 'a.b.c'],
  ['exports', 'exports.main = () => ({ here: 1 });', 'main'],
  ['module.exports', 'module.exports.main = () => ({ here: 1 });', 'main'],
  ['a replaced module.exports', 'module.exports = { main: () => ({ here: 1 }) };', 'main'],
  ['a path into exports', 'exports.a = { b: () => ({ here: 1 }) };', 'a.b'],
  ['exports by name', 'exports.main = () => ({ here: 1 });', 'exports.main'],
  ['exports.default', 'exports.default = () => ({ here: 1 });', 'default'],
  ['a name beyond ASCII', 'function größe() { return { here: 1 }; }', 'größe'],
  ['strict code', "'use strict'; function main() { return { here: (() => { return this; }).call() === globalThis ? 0 : 1 }; }", 'main'],
  ['code that ends in a comment', 'function main() { return { here: 1 }; } // done', 'main'],
]) {
  test(`main is found as ${name} (§9.1 source code, §10 entry point other than main)`, async (t) => {
    const launcher = await started(t, code, { main });
    assert.deepStrictEqual((await launcher.run()).body, { here: 1 });
  });
}

test('source code can require and import, and knows where it is', async (t) => {
  const launcher = await started(
    t,
    `const os = require('os');
     async function main() { const fs = await import('fs'); return { os: typeof os.cpus, fs: typeof fs.readFileSync, dir: __dirname, main: require.main === module, cached: require.resolve('os') + typeof require.cache }; }`,
  );
  assert.deepStrictEqual((await launcher.run()).body, { os: 'function', fs: 'function', dir: '/tmp', main: false, cached: 'osobject' });
});

test('source code may declare what it finds in scope, which has `fs` and `path` as in the stock image', async (t) => {
  const taken = await started(t, "const require = 1, module = 2, __dirname = 3, __filename = 4, fs = 5, path = 6; let exports = 7; function main() { return { sum: require + module + __dirname + __filename + fs + path + exports }; }");
  assert.deepStrictEqual((await taken.run()).body, { sum: 28 });
  const given = await started(t, "function main() { return { read: typeof fs.readFileSync, joined: path.join('a', 'b') }; }");
  assert.deepStrictEqual((await given.run()).body, { read: 'function', joined: 'a/b' });
});

test('line numbers in stacks are those of the source', async (t) => {
  const launcher = await started(t, "\n\nfunction main() {\n  return Promise.reject(new Error('boom'));\n}");
  assert.match((await launcher.run()).body.error.stack, /action\.js:4:/);
});

test('output at load belongs to the first activation (recording invoke/logs-at-load)', async (t) => {
  const launcher = await started(t, "console.log('loading'); function main() { console.log('running'); return {}; }");
  await launcher.run();
  assert.deepStrictEqual(await launcher.logs(), [{ stdout: 'loading\nrunning\n', stderr: '' }]);
});

test('gc is there as in the stock image, which runs node --expose-gc (§9.1)', async (t) => {
  const launcher = await started(t, 'function main() { gc(); return { gc: typeof global.gc }; }');
  assert.deepStrictEqual((await launcher.run()).body, { gc: 'function' });
});

test('an init that comes in pieces is put together', async (t) => {
  const launcher = await start(t);
  const line = JSON.stringify({ init: { value: { main: 'main', code: "function main() { return { s: '☃'.repeat(70000) }; }" } } });
  const bytes = Buffer.from(`${line}\n`);
  const snow = bytes.indexOf('☃') + 1;
  for (const piece of [bytes.subarray(0, 3), bytes.subarray(3, snow), bytes.subarray(snow)]) {
    await new Promise((resolve) => launcher.channel.write(piece, resolve));
  }
  assert.strictEqual(JSON.parse(await launcher.line()).status, 200);
  assert.strictEqual((await launcher.run()).body.s, '☃'.repeat(70000));
});

for (const env of [{}, { __OW_ALLOW_CONCURRENT: 'true' }]) {
  test(`a launcher that was left alone, ${JSON.stringify(env)}, serves like one that was not`, async (t) => {
    const launcher = await start(t, { env });
    await launcher.idle();
    assert.strictEqual((await launcher.run()).body.error, 'System not initialized.');
    assert.strictEqual((await launcher.init('function main(args) { return { args, rehearsed: Object.keys(require.cache).some((file) => file.endsWith("/stdio.js")), n: Object.keys(process.env).filter((k) => k.startsWith("__OW")) }; }')).status, 200);
    const n = ['__OW_API_HOST', ...Object.keys(env)];
    assert.deepStrictEqual((await launcher.run()).body, { args: {}, rehearsed: true, n });
    const { stdout, stderr } = await launcher.end();
    assert.strictEqual(stdout, `${SENTINEL}\n${SENTINEL}\n`);
    assert.strictEqual(stderr, `Internal system error: System not initialized.\n${SENTINEL}\n${SENTINEL}\n`);
  });
}

'use strict';

/* Runs: runtime-protocol.md §3, §5, §9.1 and §10; observed.md, invocation.md §3.3 row "Node". */

const assert = require('node:assert');
const test = require('node:test');
const { SENTINEL, start, started } = require('./harness.js');

test('the answer has its members in the order the platform relies on', async (t) => {
  const launcher = await started(t, 'function main(args) { return { hello: args.name }; }');
  launcher.send({ value: { name: 'x' }, activation_id: 'ab'.repeat(16) });
  assert.strictEqual(await launcher.line(), `{"activation_id":"${'ab'.repeat(16)}","status":200,"body":{"hello":"x"}}`);
  for (const activation_id of [undefined, '', null, 5]) {
    launcher.send({ value: { name: 'x' }, activation_id });
    assert.strictEqual(await launcher.line(), '{"activation_id":"","status":200,"body":{"hello":"x"}}');
  }
});

test('each run ends with one sentinel line on each stream (§5, §10 echo)', async (t) => {
  const launcher = await started(t, "function main(args) { console.log('out'); console.error('err'); return args; }");
  await launcher.run({ a: 1 });
  await launcher.run({ a: 2 });
  const { stdout, stderr } = await launcher.end();
  assert.strictEqual(stdout, `out\n${SENTINEL}\n`.repeat(2));
  assert.strictEqual(stderr, `err\n${SENTINEL}\n`.repeat(2));
});

for (const [name, body, status, answer] of [
  ['nothing (§9.1 undefined)', '', 200, '{}'],
  ['null (§9.1 null)', 'return null;', 200, 'null'],
  ['a promise of nothing (§9.1 undefined)', 'return Promise.resolve();', 200, '{}'],
  ['an array (§9.0)', "return [1, 'two', {}];", 200, '[1,"two",{}]'],
  ['an empty object', 'return {};', 200, '{}'],
  ['members JSON has no form for', 'return { a: undefined, b: null, c: NaN, d: new Date(0) };', 200, '{"b":null,"c":null,"d":"1970-01-01T00:00:00.000Z"}'],
  ['characters of all sizes', "return { s: '☃ é \\u{1F600}' };", 200, '{"s":"☃ é 😀"}'],
  ['number forms', 'return { a: 1.0, b: 1e21, c: 0.1, d: 1e-7, e: -0, f: 123456789012345680000 };', 200, '{"a":1,"b":1e+21,"c":0.1,"d":1e-7,"e":0,"f":123456789012345680000}'],
  ['an error', "return { error: 'bad', other: 1 };", 200, '{"error":"bad","other":1}'],
  ['a promise', 'return new Promise((resolve) => setImmediate(() => resolve({ a: 1 })));', 200, '{"a":1}'],
  ['a thenable', 'return { then: (resolve) => resolve({ a: 1 }) };', 200, '{"a":1}'],
  ['an object whose then is no function', 'return { then: 1 };', 200, '{"then":1}'],
  ['a text', "return 'text';", 502, '{"error":"The action did not return a dictionary."}'],
  ['a promise of a number', 'return Promise.resolve(5);', 502, '{"error":"The action did not return a dictionary."}'],
  ['a circular object (recording invoke/returns-circular)', 'const a = {}; a.a = a; return a;', 500, '{"error":"Internal error."}'],
  ['a big integer', 'return { a: 1n };', 500, '{"error":"Internal error."}'],
  ['what JSON drops', 'return { toJSON() {} };', 500, '{"error":"Internal error."}'],
]) {
  test(`returning ${name}`, async (t) => {
    const launcher = await started(t, `function main() { ${body} }`);
    launcher.send({ value: {} });
    assert.strictEqual(await launcher.line(), `{"activation_id":"","status":${status},"body":${answer}}`);
    await launcher.logs();
  });
}

test('an async handler works', async (t) => {
  const launcher = await started(t, 'async function main(args) { await null; return args; }');
  assert.deepStrictEqual((await launcher.run({ a: 1 })).body, { a: 1 });
});

for (const [value, line] of [
  ["'text'", 'Result must be of type object but has type "string": text\n'],
  ['5', 'Result must be of type object but has type "number": 5\n'],
  ['true', 'Result must be of type object but has type "boolean": true\n'],
  ['() => 1', 'Result must be of type object but has type "function": [Function (anonymous)]\n'],
  ["Symbol('s')", 'Result must be of type object but has type "symbol": Symbol(s)\n'],
]) {
  test(`returning ${value} is told on stderr and the launcher stays ready (§9.1 result not typeof object)`, async (t) => {
    const launcher = await started(t, `function main(args) { return args.good ? {} : ${value}; }`);
    assert.strictEqual((await launcher.run()).status, 502);
    assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr: line }]);
    assert.strictEqual((await launcher.run({ good: true })).status, 200);
  });
}

for (const [thrown, error] of [
  ["new Error('boom')", 'An error has occurred: Error: boom'],
  ["'boom'", 'An error has occurred: boom'],
  ['{ code: 5 }', 'An error has occurred: [object Object]'],
  ['undefined', 'An error has occurred: undefined'],
  ["Symbol('s')", 'An error has occurred: Symbol(s)'],
  ['Object.create(null)', 'An error has occurred: [object Object]'],
]) {
  test(`throwing ${thrown} stops the launcher (§9.1 handler throws synchronously)`, async (t) => {
    const launcher = await started(t, `function main() { throw ${thrown}; }`);
    assert.deepStrictEqual(await launcher.run(), { activation_id: '', status: 502, body: { error } });
    await launcher.logs();
    assert.deepStrictEqual((await launcher.run()).body, { error: 'System not ready, status is stopped.' });
  });
}

test('the stack of a thrown error is in the log, with its members and its cause', async (t) => {
  const launcher = await started(t, "function main() {\n  throw Object.assign(new TypeError('boom', { cause: new Error('why') }), { code: 'E1' });\n}");
  await launcher.run();
  const frame = (place) => `at Object.main (action.js:2:${place})`;
  const stderr = `TypeError: boom\n    ${frame(23)} {\n  code: 'E1',\n  [cause]: Error: why\n      ${frame(54)}\n}\n`;
  assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr }]);
});

test('a thrown object is in the log as console.error shows it', async (t) => {
  const launcher = await started(t, "function main() { throw { code: 5, why: 'x' }; }");
  await launcher.run();
  assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr: "{ code: 5, why: 'x' }\n" }]);
});

test('a thrown object that cannot be shown is named', async (t) => {
  const launcher = await started(t, "function main() { throw { [Symbol.for('nodejs.util.inspect.custom')]() { throw 5; } }; }");
  await launcher.run();
  assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr: '[object Object]\n' }]);
});

test('`this` is one object in all runs, as in the stock image', async (t) => {
  const launcher = await started(t, "'use strict'; function main() { this.n = (this.n ?? 0) + 1; return { n: this.n }; }");
  for (const n of [1, 2]) assert.deepStrictEqual((await launcher.run()).body, { n });
});

for (const [reason, error] of [
  ["'boom'", 'boom'],
  ['5', 5],
  ['', {}],
  ["''", {}],
  ['0', {}],
  ['{ code: 5, why: "x" }', { code: 5, why: 'x' }],
  ["{ error: 'inner' }", { error: 'inner' }],
  ['[1, { a: 2 }]', [1, { a: 2 }]],
  ['function named() {}', '[Function: named]'],
  ['{ f() {}, b: Buffer.from("x"), d: new Date(0), s: { pipe() {} } }', { b: '[object Buffer]', d: '1970-01-01T00:00:00.000Z', s: '[object Stream]' }],
  ['(() => { const a = { n: 1 }; a.self = a; a.again = [a]; return a; })()', { n: 1, self: '[Circular]', again: ['[Circular]'] }],
  ['(() => { const b = {}; return { first: b, second: b }; })()', { first: {}, second: {} }],
  ["{ get a() { throw new Error('inner'); } }", 'inner'],
]) {
  test(`rejecting with ${reason || 'nothing'} is an application error (§9.1 promise rejected)`, async (t) => {
    const launcher = await started(t, `function main(args) { return args.good ? {} : Promise.reject(${reason}); }`);
    assert.deepStrictEqual(await launcher.run(), { activation_id: '', status: 200, body: { error } });
    assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr: '' }]);
    assert.strictEqual((await launcher.run({ good: true })).status, 200);
  });
}

test('a rejection with an error shows its name, message, stack and own members (recording invoke/rejects-error)', async (t) => {
  const launcher = await started(
    t,
    "async function main(args) { const error = new RangeError('boom'); if (args.more) Object.assign(error, { code: 'E1', inner: new Error('in'), n: 1 }); throw error; }",
  );
  const { error } = (await launcher.run()).body;
  assert.deepStrictEqual(Object.keys(error).sort(), ['message', 'name', 'stack']);
  assert.strictEqual(error.name, 'RangeError');
  assert.strictEqual(error.message, 'boom');
  assert.match(error.stack, /^RangeError: boom\n +at Object\.main \(action\.js:1:\d+\)$/);
  const more = (await launcher.run({ more: true })).body.error;
  assert.deepStrictEqual({ code: more.code, n: more.n, inner: more.inner.message }, { code: 'E1', n: 1, inner: 'in' });
});

test('a getter named then that throws counts as a rejection', async (t) => {
  const launcher = await started(t, "function main() { return { get then() { throw 'boom'; } }; }");
  assert.deepStrictEqual(await launcher.run(), { activation_id: '', status: 200, body: { error: 'boom' } });
});

test('a run before init is refused (§9.1)', async (t) => {
  const launcher = await start(t);
  assert.deepStrictEqual(await launcher.run({}, { activation_id: 'a' }), { activation_id: 'a', status: 403, body: { error: 'System not initialized.' } });
});

test('a missing or null value is an empty dictionary (§9.1 value absent or null, §10 /run with {})', async (t) => {
  const launcher = await started(t, 'function main(args) { return { args }; }');
  for (const text of ['{}', '{"value":{}}', '{"value":null}']) {
    launcher.write(`${text}\n`);
    assert.strictEqual(await launcher.line(), '{"activation_id":"","status":200,"body":{"args":{}}}');
  }
});

test('an array is passed on (§9.0)', async (t) => {
  const launcher = await started(t, 'function main(args) { return args.concat(3); }');
  assert.deepStrictEqual((await launcher.run([1, 2])).body, [1, 2, 3]);
});

for (const [value, type] of [[5, 'number'], ['x', 'string'], [true, 'boolean'], [false, 'boolean']]) {
  test(`${JSON.stringify(value)} as value is refused (§9.1 value scalar)`, async (t) => {
    const launcher = await started(t, 'function main(args) { return args; }');
    const error = `Internal system error: the argument must be a dictionary but has type '${type}'.`;
    assert.deepStrictEqual(await launcher.run(value), { activation_id: '', status: 403, body: { error } });
    assert.strictEqual((await launcher.run({ a: 1 })).status, 200);
  });
}

for (const line of ['', '{', 'null', '5', '"x"']) {
  test(`the line ${JSON.stringify(line)} is a bad request (§9.1 bad JSON)`, async (t) => {
    const launcher = await started(t, 'function main(args) { return args; }');
    launcher.write(`${line}\n`);
    assert.strictEqual(await launcher.line(), '{"activation_id":"","status":500,"body":{"error":"Bad request."}}');
    assert.strictEqual((await launcher.run({ a: 1 })).status, 200);
  });
}

test('an overlapping run is refused without concurrency (§9.1)', async (t) => {
  const launcher = await started(t, 'let go; function main(args) { return new Promise((resolve) => (go = resolve)); } process.on("SIGUSR2", () => go({}));');
  launcher.send({ value: {}, activation_id: 'first' });
  const refused = await launcher.run({}, { activation_id: 'second' });
  assert.deepStrictEqual(refused, { activation_id: 'second', status: 403, body: { error: 'System not ready, status is running.' } });
  launcher.child.kill('SIGUSR2');
  assert.strictEqual(await launcher.line(), '{"activation_id":"first","status":200,"body":{}}');
  assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr: 'Internal system error: System not ready, status is running.\n' }]);
});

test('state is kept from run to run (recording invoke/repeated-invocations)', async (t) => {
  const launcher = await started(t, 'let n = 0; function main() { return { n: ++n }; }');
  for (const n of [1, 2, 3]) assert.deepStrictEqual((await launcher.run()).body, { n });
});

test('unicode survives in values and logs (§10 unicode)', async (t) => {
  const launcher = await started(t, "function main(args) { const winter = args.delimiter + ' ☃ ' + args.delimiter; console.log(winter); return { winter }; }");
  assert.deepStrictEqual((await launcher.run({ delimiter: '❄' })).body, { winter: '❄ ☃ ❄' });
  assert.strictEqual((await launcher.logs())[0].stdout, '❄ ☃ ❄\n');
});

test('a string of 1 048 561 characters survives the round trip (§10 large input)', async (t) => {
  const launcher = await started(t, 'function main(args) { return args; }');
  const big = 'x'.repeat(1_048_561);
  assert.strictEqual((await launcher.run({ big })).body.big, big);
  const wide = '☃'.repeat(400_000);
  assert.strictEqual((await launcher.run({ wide })).body.wide, wide);
});

test('an answer that a slow reader has not taken yet does not disturb the next', async (t) => {
  const launcher = await started(t, "function main(args) { return { n: args.n, s: 'x'.repeat(3_000_000) }; }");
  for (let n = 0; n < 4; n += 1) launcher.send({ value: { n } });
  for (let n = 0; n < 4; n += 1) {
    const { body } = JSON.parse(await launcher.line());
    assert.deepStrictEqual([body.n, body.s.length], [n, 3_000_000]);
  }
});

test('several requests in one write are served in order', async (t) => {
  const launcher = await started(t, 'function main(args) { return args; }');
  launcher.write('{"value":{"n":1}}\n{"value":{"n":2}}\n{"value":');
  launcher.write('{"n":3}}\n');
  for (const n of [1, 2, 3]) assert.strictEqual(await launcher.line(), `{"activation_id":"","status":200,"body":{"n":${n}}}`);
});

test('__proto__ stays an own member (recording invoke/body-proto-key)', async (t) => {
  const launcher = await started(t, "function main(p) { return { keys: Object.keys(p), own: Object.prototype.hasOwnProperty.call(p, '__proto__') }; }");
  launcher.write('{"value":{"__proto__":{"x":1},"a":2}}\n');
  assert.deepStrictEqual(JSON.parse(await launcher.line()).body, { keys: ['__proto__', 'a'], own: true });
});

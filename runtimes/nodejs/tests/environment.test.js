'use strict';

/* Variables: runtime-protocol.md §2, §3, §9.1 and §10 (activation context, env before init). */

const assert = require('node:assert');
const test = require('node:test');
const { start, started } = require('./harness.js');

const SHOW = "function main() { return Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('__OW_'))); }";

test('the start environment is there, and the variables of a run (§10 activation context)', async (t) => {
  const launcher = await started(t, SHOW, { env: { __OW_API_KEY: 'old' } });
  const members = { namespace: 'guest', action_name: '/guest/a', action_version: '0.0.1', activation_id: 'ab', transaction_id: 't', deadline: '17', api_key: 'u:k' };
  assert.deepStrictEqual((await launcher.run({ a: 1 }, members)).body, {
    __OW_API_HOST: 'http://api.example',
    __OW_API_KEY: 'u:k',
    __OW_NAMESPACE: 'guest',
    __OW_ACTION_NAME: '/guest/a',
    __OW_ACTION_VERSION: '0.0.1',
    __OW_ACTIVATION_ID: 'ab',
    __OW_TRANSACTION_ID: 't',
    __OW_DEADLINE: '17',
  });
});

test('only texts become variables (§9.1), and each run has its own', async (t) => {
  const launcher = await started(t, SHOW);
  const first = await launcher.run({}, { a: 'x', b: 5, c: null, d: { e: 1 }, f: true });
  assert.deepStrictEqual(first.body, { __OW_API_HOST: 'http://api.example', __OW_A: 'x' });
  assert.strictEqual((await launcher.run({}, { a: 'y' })).body.__OW_A, 'y');
});

test('init variables are set before the code is loaded (§10 env before init)', async (t) => {
  const code = 'const { NAME, NUMBER, OBJECT, LIST, NOTHING, NO, YES } = process.env; function main() { return { NAME, NUMBER, OBJECT, LIST, NOTHING, NO, YES }; }';
  const launcher = await start(t);
  await launcher.init(code, { env: { NAME: 'x', NUMBER: 5, OBJECT: { a: [1] }, LIST: [1], NOTHING: null, NO: false, YES: true } });
  assert.deepStrictEqual((await launcher.run()).body, { NAME: 'x', NUMBER: '5', OBJECT: '{"a":[1]}', LIST: '[1]', NOTHING: '', NO: '', YES: 'true' });
});

test('process.env keeps its habits', async (t) => {
  const launcher = await started(
    t,
    `function main() {
       const env = process.env;
       env.NUMBER = 5;
       env.GONE = 'x';
       const had = 'GONE' in env && Object.keys(env).includes('GONE');
       delete env.GONE;
       let refused = false;
       try { env.SYMBOL = Symbol(); } catch { refused = true; }
       return { number: env.NUMBER, had, gone: env.GONE === undefined && !('GONE' in env), refused, shown: require('util').inspect(env).includes("NUMBER: '5'"), copy: { ...env }.NUMBER };
     }`,
  );
  assert.deepStrictEqual((await launcher.run()).body, { number: '5', had: true, gone: true, refused: true, shown: true, copy: '5' });
});

test('a child process inherits the variables of the run', async (t) => {
  const launcher = await started(t, "function main() { process.env.MINE = 'm'; return { out: require('child_process').execFileSync('sh', ['-c', 'echo $MINE $__OW_ACTIVATION_ID']).toString() }; }");
  for (const activation_id of ['one', 'two']) {
    assert.deepStrictEqual((await launcher.run({}, { activation_id })).body, { out: `m ${activation_id}\n` });
  }
});

test('a time zone set by the action takes effect', async (t) => {
  const launcher = await started(t, "function main() { process.env.TZ = 'Asia/Kolkata'; return { offset: new Date(0).getTimezoneOffset() }; }");
  assert.deepStrictEqual((await launcher.run()).body, { offset: -330 });
});

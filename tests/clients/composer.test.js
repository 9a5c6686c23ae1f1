'use strict'
// Applications made with the npm package `openwhisk-composer`: each combinator deployed and run, and the programs `compose` and `deploy`.

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { promisify } = require('node:util')
const { test, describe, before, after } = require('node:test')
const composer = require('openwhisk-composer')
const connect = require('openwhisk-composer/client')
const { redis } = require('./redis.js')
const { target, settled } = require('./target.js')

const ACTIONS = {
  echo: 'function main(params) { return params }',
  double: 'function main({ n }) { return { n: n * 2 } }',
  increment: 'function main({ n }) { return { n: n + 1 } }',
  below10: 'function main({ n }) { return { value: n < 10 } }',
  // The second run of a conductor sees what a component that failed has answered.
  breaks: 'function main({ why }) { return { error: why || "broken" } }'
}

const ow = connect(target())
let count = 0

before(async () => {
  for (const [name, action] of Object.entries(ACTIONS)) await ow.actions.update({ name, action, kind: 'nodejs:default' })
})

/** Deploys a composition under a name of its own and gives the answer of a blocking invocation, success or not. */
async function run (composition, params = {}) {
  const name = `composition-${++count}`
  await ow.compositions.deploy({ name, ...composition.compile() })
  try {
    return await ow.actions.invoke({ name, params, blocking: true })
  } catch (error) {
    if (!error.error?.response) throw error
    return error.error
  }
}

/** Puts the action in place that conductors wait with; on a real installation it comes with OpenWhisk's catalog. */
async function provideEcho () {
  const system = connect({ ...target(), api_key: process.env.SYSTEM_AUTH })
  await system.packages.update({ name: 'utils', package: { publish: true } })
  await system.actions.update({ name: 'utils/echo', action: ACTIONS.echo, kind: 'nodejs:default' })
}

const SUCCESS = [
  // [what it shows, composition, parameters, result]
  ['sequence', composer.sequence('increment', 'double', 'increment'), { n: 1 }, { n: 5 }],
  ['seq is a sequence, nested as well', composer.seq(composer.seq('increment', 'double'), composer.seq()), { n: 1 }, { n: 4 }],
  ['action by its full name', composer.action('/guest/double'), { n: 4 }, { n: 8 }],
  ['function', composer.function(params => { params.seen = true }), { n: 1 }, { n: 1, seen: true }],
  ['function that gives a promise', composer.function(({ n }) => Promise.resolve([n])), { n: 1 }, { value: [1] }],
  ['literal', composer.literal({ fixed: [1, 'ä'] }), { n: 1 }, { fixed: [1, 'ä'] }],
  ['empty', composer.empty(), { n: 1 }, { n: 1 }],
  ['task takes names, functions and nothing', composer.task('increment'), { n: 1 }, { n: 2 }],
  ['if: then', composer.if('below10', 'increment', 'double'), { n: 9 }, { n: 10 }],
  ['if: else', composer.if('below10', 'increment', 'double'), { n: 10 }, { n: 20 }],
  ['if without an else', composer.if('below10', 'increment'), { n: 10 }, { n: 10 }],
  ['if_nosave passes what the test answered on', composer.if_nosave('below10', params => params), { n: 1 }, { value: true }],
  ['while', composer.while('below10', 'double'), { n: 3 }, { n: 12 }],
  ['while that never runs', composer.while('below10', 'double'), { n: 30 }, { n: 30 }],
  ['while_nosave', composer.while_nosave(({ n }) => ({ n, value: n < 3 }), ({ n }) => ({ n: n + 1 })), { n: 1 }, { n: 3, value: false }],
  ['dowhile', composer.dowhile('double', 'below10'), { n: 30 }, { n: 60 }],
  ['dowhile_nosave', composer.dowhile_nosave(({ n }) => ({ n: n + 1 }), ({ n }) => ({ n, value: n < 3 })), { n: 1 }, { n: 3, value: false }],
  ['repeat', composer.repeat(4, 'double'), { n: 1 }, { n: 16 }],
  ['try: handler sees the error of an action', composer.try('breaks', ({ error }) => ({ handled: error })), { why: { code: 7 } }, { handled: { code: 7 } }],
  ['try without an error', composer.try('increment', () => ({ handled: true })), { n: 1 }, { n: 2 }],
  ['finally after success', composer.finally('increment', params => ({ last: params })), { n: 1 }, { last: { n: 2 } }],
  ['finally after an error', composer.finally('breaks', params => ({ last: params })), {}, { last: { error: 'broken' } }],
  /* global x, y, left */
  ['let', composer.let({ x: 1, y: 2 }, () => ({ x, y })), {}, { x: 1, y: 2 }],
  ['let keeps values across actions', composer.let({ x: 1 }, params => { x = params.n }, 'double', ({ n }) => ({ n, x })), { n: 3 }, { n: 6, x: 3 }],
  ['let inside hides let outside', composer.let({ x: 1 }, composer.let({ x: 2 }, () => { x = 3 }), () => x), {}, { value: 1 }],
  ['mask shows the outer let', composer.let({ x: 1 }, composer.let({ x: 2 }, composer.mask(() => x))), {}, { value: 1 }],
  ['retain', composer.retain('double'), { n: 2 }, { params: { n: 2 }, result: { n: 4 } }],
  ['retain_catch keeps the error as a result', composer.retain_catch('breaks'), { n: 2 }, { params: { n: 2 }, result: { error: 'broken' } }],
  ['merge', composer.merge('double'), { n: 2, other: 1 }, { n: 4, other: 1 }],
  ['retry until it works', composer.let({ left: 2 }, composer.retry(2, () => left-- > 0 ? { error: 'again' } : { done: true })), {}, { done: true }],
  ['dynamic', composer.dynamic(), { type: 'action', name: '/_/double', params: { n: 5 } }, { n: 10 }],
  ['parse reads a composition of plain data', composer.parse(JSON.parse(JSON.stringify(composer.sequence('double', 'double')))), { n: 1 }, { n: 4 }]
]

const FAILURE = [
  ['error of an action ends it', composer.seq('breaks', 'echo'), { why: 'first' }, 'first'],
  ['error of a function ends it', composer.seq(() => ({ error: { why: 1 }, more: 2 }), 'echo'), {}, { why: 1 }],
  ['handler may fail itself', composer.try('breaks', () => ({ error: 'worse' })), {}, 'worse'],
  ['retry gives up', composer.let({ left: 2 }, composer.retry(1, () => left-- > 0 ? { error: 'again' } : {})), {}, 'again'],
  ['retain passes an error on', composer.retain('breaks'), {}, 'broken'],
  ['action that does not exist', composer.action('missing'), {}, /^Failed to resolve action with name 'guest\/missing' during composition\.$/],
  ['function that throws', composer.function(() => { throw new Error('thrown') }), {}, /^Function combinator threw an exception at AST node root/],
  ['parallel without Redis', composer.parallel('double', 'echo'), { n: 1 }, /^Parallel combinator requires a properly configured redis instance$/],
  ['dynamic without what it needs', composer.dynamic(), { type: 'action' }, /^Incorrect use of the dynamic combinator/]
]

describe('combinators', { concurrency: 4 }, () => {
  for (const [name, composition, params, expected] of SUCCESS) {
    test(name, async () => {
      const { response } = await run(composition, params)
      assert.equal(response.status, 'success', JSON.stringify(response))
      assert.deepEqual(response.result, expected)
    })
  }

  for (const [name, composition, params, expected] of FAILURE) {
    test(`failure: ${name}`, async () => {
      const { response } = await run(composition, params)
      assert.equal(response.status, 'application error', JSON.stringify(response))
      assert.deepEqual(Object.keys(response.result), ['error'])
      if (expected instanceof RegExp) assert.match(response.result.error, expected)
      else assert.deepEqual(response.result.error, expected)
    })
  }

  test('async starts the rest of a composition and does not wait for it', async () => {
    const { response } = await run(composer.async('double'), { n: 4 })
    assert.equal(response.result.method, 'async')
    const branch = await settled(() => ow.activations.get(response.result.activationId))
    assert.deepEqual(branch.response.result, { n: 8 })
  })

  test('composition uses a composition, and its record names every step in order', async () => {
    await ow.compositions.deploy({ name: 'inner', ...composer.seq('increment', 'double').compile() }, true)
    const activation = await run(composer.seq('increment', 'inner'), { n: 0 })
    assert.deepEqual(activation.response.result, { n: 4 })
    const names = []
    for (const id of activation.logs) names.push((await settled(() => ow.activations.get(id))).name)
    assert.deepEqual(names, [activation.name, 'increment', activation.name, 'inner', activation.name])
  })
})

describe('combinators that meet in Redis', () => {
  let server
  before(async () => { server = await redis() })
  after(() => server.stop())
  const $composer = () => ({ redis: { uri: server.uri } })

  test('parallel and par give the results in order', async () => {
    for (const combinator of [composer.parallel, composer.par]) {
      const { response } = await run(combinator('double', 'increment', composer.seq('below10', 'echo')), { n: 4, $composer: $composer() })
      assert.deepEqual(response.result, { value: [{ n: 8 }, { n: 5 }, { value: true }] })
    }
  })

  test('map runs once for each value', async () => {
    const value = Array.from({ length: 12 }, (_, n) => ({ n }))
    const { response } = await run(composer.map('double', 'increment'), { value, $composer: $composer() })
    assert.deepEqual(response.result, { value: value.map(({ n }) => ({ n: n * 2 + 1 })) })
    const empty = await run(composer.map('double'), { value: [], $composer: $composer() })
    assert.deepEqual(empty.response.result, { value: [] })
  })

  test('branch that fails is one of the results', async () => {
    const { response } = await run(composer.parallel('breaks', 'double'), { n: 1, $composer: $composer() })
    assert.deepEqual(response.result, { value: [{ error: 'broken' }, { n: 2 }] })
  })

  test('branches longer than one run of the conductor are waited for with the echo action', async () => {
    await ow.actions.update({
      name: 'slow',
      action: 'function main() { return new Promise(resolve => setTimeout(resolve, 3000, { slow: true })) }',
      kind: 'nodejs:default'
    })
    await provideEcho()
    // The conductor waits five seconds less than its time limit, and one second at least.
    const name = 'patient'
    await ow.compositions.deploy({ name, ...composer.parallel('slow', 'echo').compile() }, true, undefined, undefined, 6900)
    const activation = await ow.actions.invoke({ name, params: { $composer: $composer() }, blocking: true })
    assert.deepEqual(activation.response.result, { value: [{ slow: true }, {}] })
    const records = await Promise.all(activation.logs.map(id => settled(() => ow.activations.get(id))))
    const paths = records.map(({ annotations }) => annotations.find(({ key }) => key === 'path').value)
    assert.ok(paths.includes('whisk.system/utils/echo'), paths.join())
  })
})

describe('programs', () => {
  const programs = path.join(__dirname, 'node_modules/.bin')
  let folder
  before(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), 'composer-')) })
  after(() => fs.rmSync(folder, { recursive: true }))

  /** Runs a program as somebody with a `.wskprops` would; gives its exit code and what it wrote. */
  async function program (name, ...args) {
    const { apihost, api_key: key } = target()
    const props = path.join(folder, 'wskprops')
    fs.writeFileSync(props, `APIHOST=${apihost}\nAUTH=${key}\n`)
    const env = { PATH: process.env.PATH, WSK_CONFIG_FILE: props }
    try {
      return { code: 0, ...await promisify(execFile)(path.join(programs, name), args, { cwd: folder, env }) }
    } catch ({ code, stdout, stderr }) {
      return { code, stdout, stderr }
    }
  }

  test('compose and deploy put a composition and its actions in place', async () => {
    fs.writeFileSync(path.join(folder, 'demo.js'), `
      const composer = require('openwhisk-composer')
      module.exports = composer.if(
        composer.action('check', { action: function main ({ password }) { return { value: password === 'abc123' } } }),
        composer.action('welcome', { action: function main () { return { message: 'welcome' } } }),
        composer.action('refuse', { sequence: ['echo', 'breaks'] }))`)
    const composed = await program('compose', 'demo.js', '-o', 'demo.json')
    assert.equal(composed.code, 0, composed.stderr)
    const deployed = await program('deploy', 'demo', 'demo.json', '-t', '20000', '-m', '128', '-a', 'note=hello')
    assert.equal(deployed.stdout, 'ok: created actions /_/check,/_/welcome,/_/refuse,/_/demo\n', deployed.stderr)

    const { annotations, limits } = await ow.actions.get('demo')
    assert.equal(limits.timeout, 20000)
    assert.equal(limits.memory, 128)
    const annotated = Object.fromEntries(annotations.map(({ key, value }) => [key, value]))
    assert.equal(annotated.note, 'hello')
    assert.equal(annotated.conductor.type, 'if')
    assert.equal(annotated['provide-api-key'], true)
    const welcome = await ow.actions.invoke({ name: 'demo', params: { password: 'abc123' }, blocking: true, result: true })
    assert.deepEqual(welcome, { message: 'welcome' })
    await assert.rejects(ow.actions.invoke({ name: 'demo', params: { password: 'x' }, blocking: true }), ({ statusCode, error }) => {
      assert.equal(statusCode, 502)
      assert.deepEqual(error.response.result, { error: 'broken' })
      return true
    })
  })

  test('deploy refuses what exists, and overwrites it when told to', async () => {
    fs.writeFileSync(path.join(folder, 'twice.json'), JSON.stringify(composer.seq('double').compile()))
    assert.equal((await program('deploy', 'twice', 'twice.json')).stdout, 'ok: created action /_/twice\n')
    const refused = await program('deploy', 'twice', 'twice.json')
    assert.equal(refused.code, 409 - 256)
    assert.match(refused.stderr, /Returned HTTP 409 \(Conflict\)/)
    for (let n = 1; n <= 3; n++) assert.equal((await program('deploy', 'twice', 'twice.json', '-w')).code, 0)
    assert.equal((await ow.actions.get('twice')).version, '0.0.1')
    assert.deepEqual((await ow.actions.invoke({ name: 'twice', params: { n: 4 }, blocking: true, result: true })), { n: 8 })
  })

  test('deploy without rights and into a package that is missing says so', async () => {
    fs.writeFileSync(path.join(folder, 'denied.json'), JSON.stringify(composer.seq().compile()))
    const stranger = await program('deploy', 'denied', 'denied.json', '-u', 'nobody:nothing')
    assert.equal(stranger.code, 401 - 256 & 255)
    const lost = await program('deploy', 'missing/denied', 'denied.json')
    assert.equal(lost.code, 404 - 256)
  })
})

'use strict'
// The public npm package `openwhisk`, as applications use it.

const assert = require('node:assert/strict')
const { test, describe, before, after } = require('node:test')
const openwhisk = require('openwhisk')
const { target, zipped, settled } = require('./target.js')

const GREET = 'function main(params) { console.log("greeting", params.name); return { text: "Hello, " + params.name } }'
const FAILS = 'function main() { return { error: { why: "because" } } }'

const ow = openwhisk(target())

describe('actions', () => {
  const made = ['greet', 'fails', 'packed', 'limited', 'python']
  before(() => ow.actions.create({ name: 'greet', action: GREET, kind: 'nodejs:default' }))
  after(() => Promise.all(made.map(name => ow.actions.delete(name).catch(() => {}))))

  test('create answers with the stored action, and a second create is refused', async () => {
    const stored = await ow.actions.get('greet')
    assert.equal(stored.name, 'greet')
    assert.equal(stored.namespace, 'guest')
    assert.equal(stored.version, '0.0.1')
    assert.equal(stored.exec.code, GREET)
    await assert.rejects(ow.actions.create({ name: 'greet', action: GREET, kind: 'nodejs:default' }), error => {
      assert.equal(error.statusCode, 409)
      assert.match(error.message, /resource already exists/)
      return true
    })
  })

  test('invoke blocking gives the activation, with result only the result', async () => {
    const activation = await ow.actions.invoke({ name: 'greet', blocking: true, params: { name: 'World' } })
    assert.deepEqual(activation.response.result, { text: 'Hello, World' })
    assert.equal(activation.response.status, 'success')
    assert.match(activation.activationId, /^[0-9a-f]{32}$/)
    const result = await ow.actions.invoke({ name: '/guest/greet', blocking: true, result: true, params: { name: 'You' } })
    assert.deepEqual(result, { text: 'Hello, You' })
  })

  test('invoke without waiting gives an id whose record can be read', async () => {
    const { activationId, ...rest } = await ow.actions.invoke({ name: 'greet', params: { name: 'Later' } })
    assert.deepEqual(rest, {})
    const record = await settled(() => ow.activations.get(activationId))
    assert.deepEqual(record.response.result, { text: 'Hello, Later' })
  })

  test('update changes code, parameters, annotations and limits and counts the version up', async () => {
    const before = await ow.actions.get('greet')
    const updated = await ow.actions.update({
      name: 'greet',
      action: GREET,
      kind: 'nodejs:default',
      params: { name: 'default' },
      annotations: { note: 'well' },
      limits: { timeout: 5000, memory: 128 }
    })
    const [major, minor, patch] = before.version.split('.').map(Number)
    assert.equal(updated.version, `${major}.${minor}.${patch + 1}`)
    assert.deepEqual(updated.parameters, [{ key: 'name', value: 'default' }])
    assert.ok(updated.annotations.some(({ key, value }) => key === 'note' && value === 'well'))
    assert.equal(updated.limits.timeout, 5000)
    assert.equal(updated.limits.memory, 128)
    const result = await ow.actions.invoke({ name: 'greet', blocking: true, result: true })
    assert.deepEqual(result, { text: 'Hello, default' })
  })

  test('zip archives come as buffers', async () => {
    const archive = zipped({
      'package.json': '{"main": "lib/index.js"}',
      'lib/index.js': 'exports.main = params => ({ packed: params.name })'
    })
    await ow.actions.update({ name: 'packed', action: archive, kind: 'nodejs:default' })
    const result = await ow.actions.invoke({ name: 'packed', blocking: true, result: true, params: { name: 'x' } })
    assert.deepEqual(result, { packed: 'x' })
    const stored = await ow.actions.get('packed')
    assert.equal(stored.exec.binary, true)
    assert.deepEqual(Buffer.from(stored.exec.code, 'base64'), archive)
    const packed = zipped({ '__main__.py': 'def main(args): return {"python": args["name"]}' })
    await ow.actions.update({ name: 'python', action: packed, kind: 'python:default' })
    assert.deepEqual(await ow.actions.invoke({ name: 'python', blocking: true, result: true, params: { name: 'y' } }), { python: 'y' })
  })

  test('raw invocations take an object as it is', async () => {
    const name = 'raw'
    await ow.actions.update({ name, action: 'function main(params) { return params }', kind: 'nodejs:default' })
    const params = { list: [1, 2.5, null], deep: { text: 'ä€😀', empty: {} }, flag: false }
    assert.deepEqual(await ow.actions.invoke({ name, blocking: true, result: true, params }), params)
    await ow.actions.delete(name)
  })

  test('errors carry status and what the platform or the action said', async () => {
    await ow.actions.update({ name: 'fails', action: FAILS, kind: 'nodejs:default' })
    const status = (promise, statusCode, check) => assert.rejects(promise, error => {
      assert.equal(error.statusCode, statusCode, error.message)
      check?.(error)
      return true
    })
    await status(ow.actions.invoke({ name: 'fails', blocking: true }), 502, error => {
      assert.deepEqual(error.error.response.result, { error: { why: 'because' } })
      assert.equal(error.error.response.status, 'application error')
    })
    await status(ow.actions.invoke({ name: 'fails', blocking: true, result: true }), 502)
    await status(ow.actions.get('missing'), 404)
    await status(ow.actions.invoke('missing'), 404)
    await status(ow.actions.delete('missing'), 404)
    await status(ow.actions.update({ name: 'limited', action: GREET, kind: 'cobol:1' }), 400)
    await status(ow.actions.update({ name: 'limited', action: GREET, kind: 'nodejs:default', limits: { memory: 1 } }), 400)
    const stranger = openwhisk({ ...target(), api_key: '00000000-1111-2222-3333-444444444444:nobody' })
    await status(stranger.actions.list(), 401)
  })

  test('list pages and counts, delete removes', async () => {
    const names = ['l1', 'l2', 'l3']
    for (const name of names) await ow.actions.update({ name, action: GREET, kind: 'nodejs:default' })
    const listed = await ow.actions.list()
    assert.ok(names.every(name => listed.some(action => action.name === name)))
    assert.ok(listed.every(action => action.exec.code === undefined))
    assert.equal((await ow.actions.list({ limit: 1 })).length, 1)
    assert.deepEqual(await ow.actions.list({ limit: 1, skip: 1 }), [listed[1]])
    for (const name of names) assert.equal((await ow.actions.delete(name)).name, name)
    assert.ok(!(await ow.actions.list()).some(action => names.includes(action.name)))
  })
})

describe('activations', () => {
  const name = 'watched'
  let id
  before(async () => {
    await ow.actions.update({ name, action: GREET, kind: 'nodejs:default' })
    id = (await ow.actions.invoke({ name, blocking: true, params: { name: 'World' } })).activationId
  })
  after(() => ow.actions.delete(name))

  test('get, logs and result tell of one activation', async () => {
    const record = await settled(() => ow.activations.get(id))
    assert.equal(record.activationId, id)
    assert.equal(record.logs.length, 1)
    assert.match(record.logs[0], /^\d{4}-\d\d-\d\dT\S+Z +stdout: greeting World$/)
    assert.deepEqual(await ow.activations.logs(id), { logs: record.logs })
    const { result, success, status } = await ow.activations.result(id)
    assert.deepEqual({ result, success, status }, { result: { text: 'Hello, World' }, success: true, status: 'success' })
  })

  test('list filters by name, time and number', async () => {
    await settled(() => ow.activations.get(id))
    const listed = await ow.activations.list({ name })
    assert.deepEqual(listed.map(record => [record.activationId, record.name, record.statusCode]), [[id, name, 0]])
    assert.equal(listed[0].logs, undefined)
    assert.deepEqual(await ow.activations.list({ name, since: Date.now() + 60_000 }), [])
    assert.equal((await ow.activations.list({ limit: 1 })).length, 1)
    const { activations } = await ow.activations.list({ count: true })
    assert.ok(activations >= 1)
    const [whole] = await ow.activations.list({ name, docs: true })
    assert.deepEqual(whole.response.result, { text: 'Hello, World' })
  })

  test('id that does not exist is an error', async () => {
    await assert.rejects(ow.activations.get('0'.repeat(32)), { statusCode: 404 })
    await assert.rejects(ow.activations.get('nonsense'), { statusCode: 400 })
  })
})

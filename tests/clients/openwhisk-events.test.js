'use strict'
// Packages, triggers, rules and feeds with the public npm package `openwhisk`.

const assert = require('node:assert/strict')
const { test, describe, before, after } = require('node:test')
const openwhisk = require('openwhisk')
const { target, settled } = require('./target.js')

const ECHO = 'function main(params) { return params }'
const ow = openwhisk(target())

before(() => ow.actions.update({ name: 'echo', action: ECHO, kind: 'nodejs:default' }))
after(() => ow.actions.delete('echo'))

const names = listed => listed.map(({ name }) => name)

/** Gives the records of the actions that rules started for one firing, in the order of their rules. */
async function started (activationId) {
  const trigger = await settled(() => ow.activations.get(activationId))
  const outcomes = trigger.logs.map(line => JSON.parse(line.slice(line.indexOf('{'))))
  return Promise.all(outcomes.map(({ activationId }) => settled(() => ow.activations.get(activationId))))
}

describe('packages', () => {
  test('are created, read, listed, changed and removed', async () => {
    const created = await ow.packages.create({ name: 'tools', package: { publish: true, parameters: [{ key: 'unit', value: 'm' }] } })
    assert.equal(created.name, 'tools')
    await assert.rejects(ow.packages.create({ name: 'tools' }), { statusCode: 409 })
    const updated = await ow.packages.update({ name: 'tools', package: { publish: false, annotations: [{ key: 'note', value: 'x' }] } })
    assert.deepEqual([updated.version, updated.publish], ['0.0.2', false])
    assert.ok(names(await ow.packages.list()).includes('tools'))
    await ow.actions.create({ name: 'tools/measure', action: ECHO, kind: 'nodejs:default', params: { of: 'rope' } })
    await assert.rejects(ow.packages.delete('tools'), { statusCode: 409 })
    await ow.actions.delete('tools/measure')
    assert.equal((await ow.packages.delete({ name: 'tools' })).name, 'tools')
    await assert.rejects(ow.packages.get('tools'), { statusCode: 404 })
  })

  test('binding has parameters of its own', async () => {
    await ow.packages.update({ name: 'far', package: { parameters: [{ key: 'unit', value: 'km' }, { key: 'kept', value: 1 }] } })
    await ow.actions.update({ name: 'far/measure', action: ECHO, kind: 'nodejs:default' })
    await ow.packages.update({ name: 'near', package: { binding: { namespace: '_', name: 'far' }, parameters: [{ key: 'unit', value: 'mm' }] } })
    assert.deepEqual(await ow.actions.invoke({ name: 'near/measure', blocking: true, result: true }), { unit: 'mm', kept: 1 })
    await ow.packages.delete('near')
    await ow.actions.delete('far/measure')
    await ow.packages.delete('far')
  })
})

describe('triggers and rules', () => {
  test('trigger is created, read, listed, changed and removed', async () => {
    await ow.triggers.create({ name: 'bell', trigger: { parameters: [{ key: 'tone', value: 'c' }] } })
    await assert.rejects(ow.triggers.create({ name: 'bell' }), { statusCode: 409 })
    assert.deepEqual((await ow.triggers.get('bell')).parameters, [{ key: 'tone', value: 'c' }])
    assert.equal((await ow.triggers.update({ name: 'bell', trigger: { parameters: [] } })).version, '0.0.2')
    assert.ok(names(await ow.triggers.list({ limit: 200 })).includes('bell'))
    assert.equal((await ow.triggers.delete('bell')).name, 'bell')
    await assert.rejects(ow.triggers.invoke({ name: 'bell' }), { statusCode: 404 })
  })

  test('rule starts its action for each firing while it is enabled', async () => {
    await ow.triggers.create({ name: 'ring', trigger: { parameters: [{ key: 'tone', value: 'c' }] } })
    const rule = await ow.rules.create({ name: 'answer', trigger: 'ring', action: 'echo' })
    assert.deepEqual([rule.trigger, rule.action, rule.status], [{ path: 'guest', name: 'ring' }, { path: 'guest', name: 'echo' }, 'active'])

    const { activationId } = await ow.triggers.invoke({ name: 'ring', params: { times: 2 } })
    const [record] = await started(activationId)
    const { __ow_headers: headers, ...event } = record.response.result
    assert.deepEqual([record.name, event, headers['user-agent']], ['echo', { tone: 'c', times: 2 }, 'openwhisk-client-js'])

    await ow.rules.disable({ name: 'answer' })
    assert.equal((await ow.rules.get('answer')).status, 'inactive')
    assert.equal((await ow.triggers.invoke({ name: 'ring' })).activationId, undefined)
    await ow.rules.enable({ name: 'answer' })
    assert.equal((await ow.rules.get({ name: 'answer' })).status, 'active')

    await ow.actions.update({ name: 'louder', action: 'function main({ times }) { return { times: times * 10 } }', kind: 'nodejs:default' })
    await ow.rules.update({ name: 'answer', trigger: '/_/ring', action: '/_/louder' })
    const changed = await ow.triggers.invoke({ name: 'ring', params: { times: 2 } })
    assert.deepEqual((await started(changed.activationId)).map(({ response }) => response.result), [{ times: 20 }])

    assert.ok(names(await ow.rules.list()).includes('answer'))
    assert.equal((await ow.rules.delete('answer')).name, 'answer')
    await assert.rejects(ow.rules.enable({ name: 'answer' }), { statusCode: 404 })
    await assert.rejects(ow.rules.create({ name: 'lost', trigger: 'missing', action: 'echo' }), { statusCode: 400 })
    await ow.triggers.delete('ring')
    await ow.actions.delete('louder')
  })
})

describe('feeds', () => {
  const feed = { feedName: 'source', trigger: 'stream' }
  before(async () => {
    await ow.actions.update({ name: 'source', action: 'function main(params) { return { event: params } }', kind: 'nodejs:default', annotations: { feed: true } })
    await ow.triggers.create({ name: 'stream', trigger: { annotations: [{ key: 'feed', value: '/guest/source' }] } })
  })
  after(async () => {
    await ow.triggers.delete('stream')
    await ow.actions.delete('source')
  })

  for (const [method, event] of [['create', 'CREATE'], ['get', 'READ'], ['update', 'UPDATE'], ['delete', 'DELETE']]) {
    test(`${method} tells the feed action of it`, async () => {
      const { response } = await ow.feeds[method]({ ...feed, params: { every: 5 } })
      const { authKey, ...told } = response.result.event
      assert.equal(authKey, target().api_key)
      assert.deepEqual(told, { lifecycleEvent: event, triggerName: '/_/stream', every: 5 })
    })
  }

  test('feed that does not exist is an error', async () => {
    await assert.rejects(ow.feeds.create({ ...feed, feedName: '/guest/missing' }), { statusCode: 404 })
  })
})

test('namespaces are told', async () => {
  assert.deepEqual(await ow.namespaces.list(), ['guest'])
})

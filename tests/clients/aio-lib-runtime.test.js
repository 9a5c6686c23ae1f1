'use strict'
// `@adobe/aio-lib-runtime`: the library below the `aio runtime` commands. It was chosen beside `openwhisk` because it is maintained,
// needs no Docker (as `@openwhisk/wskdebug` does), and deploys whole packages from a manifest, as `wskdeploy` does.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { test, before, after } = require('node:test')
const runtime = require('@adobe/aio-lib-runtime')
const { target, settled } = require('./target.js')

const LOGS = /stdout: sum of 2/
let ow
let folder

before(async () => {
  ow = await runtime.init({ ...target(), apiversion: 'v1', namespace: '_' })
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'aio-lib-runtime-'))
  fs.writeFileSync(path.join(folder, 'sum.js'), `
    function main ({ numbers, scale }) {
      console.log('sum of', numbers.length)
      return { sum: numbers.reduce((a, b) => a + b) * scale }
    }`)
})
after(() => fs.rmSync(folder, { recursive: true }))

/** What a manifest says, as the library reads it. */
function entities () {
  const { utils } = runtime
  const packages = {
    numbers: {
      inputs: { scale: 10 },
      actions: {
        sum: {
          function: path.join(folder, 'sum.js'),
          // The library refuses kinds that the server does not list, `default` among them.
          runtime: `nodejs:${process.versions.node.split('.')[0]}`,
          limits: { timeout: 5000 },
          annotations: { final: true }
        }
      }
    }
  }
  return utils.processPackage(packages, {}, {}, {}, false, { ...target(), apiversion: 'v1', namespace: '_' })
}

test('packages of a manifest are deployed, run, read and removed', async () => {
  const { utils } = runtime
  const said = []
  const found = entities()
  await utils.deployPackage(found, ow, line => said.push(line))
  assert.ok(said.some(line => line.includes('numbers/sum')), said.join('\n'))
  const action = await ow.actions.get('numbers/sum')
  assert.equal(action.limits.timeout, 5000)
  const activation = await ow.actions.invoke({ name: 'numbers/sum', blocking: true, params: { numbers: [1, 2] } })
  assert.deepEqual(activation.response.result, { sum: 30 })
  const { logs } = await settled(() => ow.activations.logs({ activationId: activation.activationId }))
  assert.match(logs.join('\n'), LOGS)
  const printed = []
  await utils.printFilteredActionLogs(ow, line => printed.push(line), 1, ['numbers/sum'])
  assert.match(printed.join('\n'), /sum of 2/)
  await utils.undeployPackage(found, ow, () => {})
  assert.deepEqual((await ow.packages.list()).map(found => found.name), [])
})

test('library tells the status of what is refused', async () => {
  await assert.rejects(ow.actions.get('missing'), { statusCode: 404 })
  const stranger = await runtime.init({ ...target(), api_key: 'nobody:nothing', namespace: '_' })
  await assert.rejects(stranger.actions.list(), { statusCode: 401 })
})

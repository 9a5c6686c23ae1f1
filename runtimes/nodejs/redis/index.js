'use strict'
// What actions get from `require('redis')`: version 4, as in the stock image.
//
// A conductor made by openwhisk-composer calls `createClient(uri, options)` and expects the callbacks of version 3, which the stock
// image no longer has. Version 4 takes nothing but one object, so the arguments say which of the two is meant.

const { createClient: withPromises } = require('redis-promises')

function createClient (...args) {
  const [first, ...rest] = args
  const ofVersion3 = typeof first === 'string' || typeof first === 'number' || rest.length > 0
  return ofVersion3 ? require('redis-callbacks').createClient(...args) : withPromises(first)
}

module.exports = { ...require('redis-promises'), createClient }

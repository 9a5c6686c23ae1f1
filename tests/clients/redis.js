'use strict'
// A Redis server of the test's own, from the program `redis-server`.

const { spawn } = require('node:child_process')
const { once } = require('node:events')
const net = require('node:net')

const PATIENCE = 20_000

/** Starts a server on a free port of the loopback address, which keeps nothing on disk; `uri` says where, `stop` ends it. */
async function redis () {
  for (;;) {
    const port = await freePort()
    const child = spawn('redis-server', ['--bind', '127.0.0.1', '--port', port, '--save', '', '--appendonly', 'no'], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    if (await Promise.race([answers(port), ended.then(() => false)])) {
      return { uri: `redis://127.0.0.1:${port}`, stop: () => { child.kill(); return ended } }
    }
    // Somebody else took the port in the meantime.
  }
}

async function freePort () {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return String(port)
}

/** Resolves to true when a connection is taken. */
async function answers (port) {
  const end = Date.now() + PATIENCE
  while (Date.now() < end) {
    const socket = net.connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return true
    } catch {
      await new Promise(resolve => setTimeout(resolve, 10))
    } finally {
      socket.destroy()
    }
  }
  throw new Error(`redis-server does not answer on port ${port}`)
}

module.exports = { redis }

'use strict'
// Debian's `chromium` without a window, steered over two pipes with the DevTools protocol: messages of JSON, each ended by a zero byte.

const { spawn } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const PATIENCE = 30_000
// Root can have no sandbox of Chromium's own; the pages are the test's.
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe']

/** Starts a browser; `page` opens a page, `stop` ends the browser and removes its files. */
async function browser () {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-'))
  const child = spawn('chromium', [...FLAGS, `--user-data-dir=${folder}`], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] })
  const channel = new Channel(child)
  return {
    page: () => Page.open(channel),
    async stop () {
      await channel.send('Browser.close').catch(() => {})
      await channel.ended
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
    }
  }
}

/** Commands and their answers by number; events go to those who wait for them. */
class Channel {
  #pipe
  #waiting = new Map()
  #watchers = new Set()
  #last = 0

  constructor (child) {
    this.#pipe = child.stdio[3]
    this.#pipe.on('error', () => {})
    let rest = Buffer.alloc(0)
    child.stdio[4].on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1)) this.#take(JSON.parse(rest.subarray(0, end)))
    })
    this.ended = new Promise(resolve => {
      child.on('error', resolve)
      child.on('exit', resolve)
    }).then(why => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`chromium has ended: ${why}`))
      this.#waiting.clear()
    })
  }

  #take (message) {
    if (message.id === undefined) {
      for (const watcher of this.#watchers) watcher(message)
      return
    }
    const { resolve, reject } = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.error) reject(new Error(message.error.message))
    else resolve(message.result)
  }

  send (method, params = {}, sessionId) {
    const id = ++this.#last
    return timely(method, new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#pipe.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    }))
  }

  /** Resolves with the next event of that name. */
  event (method, sessionId) {
    return timely(method, new Promise(resolve => {
      const watcher = message => {
        if (message.method !== method || message.sessionId !== sessionId) return
        this.#watchers.delete(watcher)
        resolve(message.params)
      }
      this.#watchers.add(watcher)
    }))
  }
}

/** One tab. */
class Page {
  #channel
  #session

  static async open (channel) {
    const { targetId } = await channel.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await channel.send('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page()
    page.#channel = channel
    page.#session = sessionId
    await page.#send('Page.enable')
    return page
  }

  #send (method, params) {
    return this.#channel.send(method, params, this.#session)
  }

  /** Does something that leads to another page, and waits until that page has loaded with all that belongs to it. */
  async #loads (act) {
    const loaded = this.#channel.event('Page.loadEventFired', this.#session)
    await act()
    await loaded
  }

  goto (url) {
    return this.#loads(async () => {
      const { errorText } = await this.#send('Page.navigate', { url })
      if (errorText) throw new Error(`${url}: ${errorText}`)
    })
  }

  /** Clicks on what leads to another page. */
  follow (selector) {
    return this.#loads(() => this.run(selector => document.querySelector(selector).click(), selector))
  }

  /** Runs a function in the page, with arguments and a result that are JSON; promises are waited for. */
  async run (body, ...args) {
    const expression = `(${body})(...${JSON.stringify(args)})`
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true, userGesture: true })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }

  /** Chooses a file, as a user would in the dialogue of `<input type="file">`. */
  async choose (selector, file) {
    const { result } = await this.#send('Runtime.evaluate', { expression: `document.querySelector(${JSON.stringify(selector)})` })
    await this.#send('DOM.setFileInputFiles', { objectId: result.objectId, files: [file] })
  }
}

function timely (what, promise) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(reject, PATIENCE, new Error(`chromium: ${what} took too long`))
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

module.exports = { browser }

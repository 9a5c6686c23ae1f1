'use strict'
/* global document, fetch, location */
// Web actions in a real browser: pages, forms, binary files, and requests from pages of another origin.

const assert = require('node:assert/strict')
const { createHash } = require('node:crypto')
const { once } = require('node:events')
const fs = require('node:fs')
const http = require('node:http')
const os = require('node:os')
const path = require('node:path')
const zlib = require('node:zlib')
const { test, describe, before, after } = require('node:test')
const openwhisk = require('openwhisk')
const { browser } = require('./browser.js')
const { target } = require('./target.js')

const ow = openwhisk(target())
const web = `${target().apihost}/api/v1/web/guest`
const sha256 = bytes => createHash('sha256').update(bytes).digest('hex')

let chromium
let page
let folder

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'browser-test-'))
  await ow.packages.update({ name: 'site', package: {} })
  chromium = await browser()
  page = await chromium.page()
})
after(async () => {
  await chromium.stop()
  fs.rmSync(folder, { recursive: true })
})

/** Puts a web action in place; it is a function of this file, which sees nothing but its parameters. */
function serve (name, main, { annotations, ...rest } = {}) {
  return ow.actions.update({
    name,
    action: `const main = ${main}`,
    kind: 'nodejs:default',
    annotations: { 'web-export': true, ...annotations },
    ...rest
  })
}

/** Returns a picture of one colour per row, as PNG. */
function picture (width, height) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data])
    const length = Buffer.alloc(4)
    length.writeUInt32BE(data.length)
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32(body))
    return Buffer.concat([length, body, sum])
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2], 8)
  const rows = Buffer.concat(Array.from({ length: height }, (_, y) => Buffer.from([0, ...Array(width).fill([y, 255 - y, y * 7 % 256]).flat()])))
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function crc32 (bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

describe('pages', () => {
  test('page, style sheet and script come from web actions, and relative links lead to others', async () => {
    await serve('site/index', ({ name }) => ({
      body: `<!doctype html><title>Grüße</title><link rel="stylesheet" href="style.http"><script defer src="script.http"></script>
             <h1>Hello, ${name} ☃</h1><a href="more.html?from=index">more</a>`
    }))
    await serve('site/style', () => ({ headers: { 'Content-Type': 'text/css' }, body: 'h1 { color: rgb(1, 2, 3) }' }))
    await serve('site/script', () => ({
      headers: { 'content-type': 'application/javascript' },
      body: "document.querySelector('h1').dataset.script = 'ran ☃'"
    }))
    await serve('site/more', ({ from }) => ({ html: `<title>More</title><p>from ${from}</p>` }))
    await page.goto(`${web}/site/index?name=World`)
    assert.deepEqual(await page.run(() => {
      const heading = document.querySelector('h1')
      return [document.title, document.characterSet, heading.textContent, heading.dataset.script, window.getComputedStyle(heading).color]
    }), ['Grüße', 'UTF-8', 'Hello, World ☃', 'ran ☃', 'rgb(1, 2, 3)'])
    await page.follow('a')
    assert.deepEqual(await page.run(() => [location.pathname, document.title, document.querySelector('p').textContent]),
      ['/api/v1/web/guest/site/more.html', 'More', 'from index'])
  })

  test('redirect and cookie of a web action are followed and kept', async () => {
    await serve('site/login', () => ({
      statusCode: 302,
      headers: { location: 'account.html', 'Set-Cookie': ['session=a=b; Path=/', 'theme=dark; Path=/'] }
    }))
    await serve('site/account', ({ __ow_headers: headers }) => ({ body: `<p>${headers.cookie}</p>` }))
    await page.goto(`${web}/site/login`)
    assert.equal(await page.run(() => document.querySelector('p').textContent), 'session=a=b; theme=dark')
  })

  test('picture arrives byte for byte and is shown', async () => {
    const png = picture(40, 200)
    await serve('site/picture', ({ png }) => ({ headers: { 'content-type': 'image/png' }, body: png }), { params: { png: png.toString('base64') } })
    await serve('site/gallery', () => ({ body: '<img src="picture.http">' }))
    await page.goto(`${web}/site/gallery.html`)
    assert.deepEqual(await page.run(() => {
      const image = document.querySelector('img')
      return [image.complete, image.naturalWidth, image.naturalHeight]
    }), [true, 40, 200])
    const bytes = await page.run(async () => [...new Uint8Array(await (await fetch('picture.http')).arrayBuffer())])
    assert.equal(sha256(Buffer.from(bytes)), sha256(png))
  })
})

describe('host of the namespace', () => {
  const own = `http://guest.localhost:${new URL(target().apihost).port}`

  test('root is a page, and paths from the root lead to what belongs to it', async () => {
    await ow.packages.update({ name: 'public', package: {} })
    await serve('public/index', ({ name }) => ({
      html: `<!doctype html><title>Own</title><link rel="stylesheet" href="/site/own-style"><h1>Hello, ${name}</h1>
             <form method="post" action="/site/own-form.html/a/b?kept=yes"><input name="text" value="ä ☃"><button>Send</button></form>`
    }))
    await serve('site/own-style', () => ({ headers: { 'Content-Type': 'text/css' }, body: 'h1 { color: rgb(3, 2, 1) }' }))
    await serve('site/own-form', ({ text, kept, __ow_path: path, __ow_headers: headers }) => ({
      headers: { 'Set-Cookie': 'mine=1; Path=/' },
      html: `<title>Sent</title><p>${[text, kept, path, headers.host].join('|')}</p>`
    }))
    await page.goto(`${own}/?name=World`)
    assert.deepEqual(await page.run(() => {
      const heading = document.querySelector('h1')
      return [location.pathname, document.title, heading.textContent, window.getComputedStyle(heading).color]
    }), ['/', 'Own', 'Hello, World', 'rgb(3, 2, 1)'])
    await page.follow('button')
    assert.deepEqual(await page.run(() => [location.href, document.title, document.querySelector('p').textContent]),
      [`${own}/site/own-form.html/a/b?kept=yes`, 'Sent', `ä ☃|yes|/a/b|${new URL(own).host}`])
  })

  test('cookie of one namespace is not seen by pages of another', async () => {
    await serve('site/remembers', () => ({ headers: { 'Set-Cookie': 'mine=1; Path=/' }, body: '<p></p>' }))
    await page.goto(`${own}/site/remembers`)
    assert.equal(await page.run(() => document.cookie), 'mine=1')
    await page.goto(`${own.replace('guest', 'whisk-system')}/site/remembers`)
    assert.equal(await page.run(() => document.cookie), '')
  })

  test('page has the web actions of its namespace as its origin, and the API is not there', async () => {
    await serve('site/json', ({ n }) => ({ body: { n } }))
    await page.goto(`${own}/site/more.html`)
    assert.deepEqual(await page.run(async () => {
      const status = async path => (await fetch(path)).status
      return [await (await fetch('/site/json?n=1')).json(), await status('/api/v1/namespaces'), await status('/site/missing'), await status('/../../api/v1/namespaces')]
    }), [{ n: '1' }, 404, 404, 404])
  })
})

describe('forms', () => {
  const FIELDS = { text: 'a+b & c=d; ä ☃ 100%', lines: 'one\r\ntwo', empty: '' }

  test('form of fields reaches the action as parameters', async () => {
    await serve('site/form', () => ({
      body: `<form method="post" action="submit.html?kept=yes"><input name="text"><textarea name="lines"></textarea><input name="empty">
             <input type="checkbox" name="unchecked"><button>Send</button></form>`
    }))
    await serve('site/submit', ({ __ow_headers: headers, __ow_path, ...fields }) => ({
      body: `<p>${Buffer.from(JSON.stringify({ type: headers['content-type'], ...fields })).toString('base64')}</p>`
    }))
    await page.goto(`${web}/site/form.html`)
    await page.run(fields => {
      for (const [name, value] of Object.entries(fields)) document.querySelector(`[name=${name}]`).value = value
    }, FIELDS)
    await page.follow('button')
    const seen = JSON.parse(Buffer.from(await page.run(() => document.querySelector('p').textContent), 'base64'))
    assert.deepEqual(seen, { type: 'application/x-www-form-urlencoded', __ow_method: 'post', kept: 'yes', ...FIELDS })
  })

  test('file of a form reaches the action byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, n) => (n * n + n / 256) & 255))
    const file = path.join(folder, 'bytes ä.bin')
    fs.writeFileSync(file, bytes)
    await serve('site/upload-form', () => ({
      body: '<form method="post" enctype="multipart/form-data" action="upload.html"><input name="title"><input type="file" name="file"><button>Send</button></form>'
    }))
    await serve('site/upload', async ({ __ow_body: body, __ow_headers: headers }) => {
      const form = await new Response(Buffer.from(body, 'base64'), { headers: { 'content-type': headers['content-type'] } }).formData()
      const file = form.get('file')
      const hash = require('node:crypto').createHash('sha256').update(Buffer.from(await file.arrayBuffer())).digest('hex')
      return { body: `<p>${[form.get('title'), file.name, file.size, hash].join('|')}</p>` }
    })
    await page.goto(`${web}/site/upload-form.html`)
    await page.run(() => { document.querySelector('[name=title]').value = 'Bytes ☃' })
    await page.choose('[name=file]', file)
    await page.follow('button')
    assert.equal(await page.run(() => document.querySelector('p').textContent), ['Bytes ☃', 'bytes ä.bin', bytes.length, sha256(bytes)].join('|'))
  })

  test('form larger than the limit is refused with a page', async () => {
    await page.goto(`${web}/site/upload-form.html`)
    const file = path.join(folder, 'large.bin')
    fs.writeFileSync(file, Buffer.alloc(2 * 1024 * 1024))
    await page.choose('[name=file]', file)
    await page.follow('button')
    assert.match(await page.run(() => document.body.textContent), /Request larger than allowed: \d+ > \d+ bytes\./)
  })
})

describe('requests from another origin', () => {
  let elsewhere
  before(async () => {
    elsewhere = http.createServer((request, answer) => {
      answer.setHeader('content-type', 'text/html')
      answer.end('<title>Elsewhere</title>')
    }).listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    await serve('site/api', ({ __ow_method: method, __ow_headers: headers, n }) => ({ body: { method, origin: headers.origin, mine: headers['x-mine'], n } }))
    await page.goto(`http://127.0.0.1:${elsewhere.address().port}/`)
  })
  after(() => elsewhere.close())

  /** Asks from the page, which cannot read answers that the action's origin does not allow it to. */
  const ask = (url, options) => page.run(async (url, options) => {
    try {
      const answer = await fetch(url, options)
      return { status: answer.status, body: await answer.json() }
    } catch (error) {
      return { refused: error.message }
    }
  }, url, options)

  test('answers are allowed to all origins, with any method and header after a preflight', async () => {
    const origin = await page.run(() => location.origin)
    assert.deepEqual(await ask(`${web}/site/api?n=1`), { status: 200, body: { method: 'get', origin, n: '1' } })
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const options = { method, headers: { 'content-type': 'application/json', 'X-Mine': 'yes' }, body: '{"n":2}' }
      assert.deepEqual(await ask(`${web}/site/api`, options), { status: 200, body: { method: method.toLowerCase(), origin, mine: 'yes', n: 2 } })
    }
  })

  test('errors can be read as well', async () => {
    await serve('site/refuses', () => ({ error: { statusCode: 422, body: { why: 'because' } } }))
    assert.deepEqual(await ask(`${web}/site/refuses`, { method: 'POST' }), { status: 422, body: { why: 'because' } })
  })

  test('action with options of its own decides who may ask', async () => {
    await serve('site/guarded', ({ __ow_method: method, __ow_headers: headers, friend }) => {
      const allowed = headers.origin === friend ? { 'Access-Control-Allow-Origin': friend, 'Access-Control-Allow-Methods': 'PUT' } : {}
      return method === 'options' ? { statusCode: 204, headers: allowed } : { headers: allowed, body: { method } }
    }, { annotations: { 'web-custom-options': true }, params: { friend: await page.run(() => location.origin) } })
    assert.deepEqual(await ask(`${web}/site/guarded`, { method: 'PUT' }), { status: 200, body: { method: 'put' } })
    assert.deepEqual(await ask(`${web}/site/guarded`, { method: 'DELETE' }), { refused: 'Failed to fetch' })
    await page.goto(`http://localhost:${elsewhere.address().port}/`)
    assert.deepEqual(await ask(`${web}/site/guarded`, { method: 'PUT' }), { refused: 'Failed to fetch' })
  })
})

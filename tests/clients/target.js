'use strict'
// The server under test, and what the tests of both clients share.

const zlib = require('node:zlib')

/** Host and key come from whoever started the server; there is no default that could be somebody's real server. */
function target () {
  const { APIHOST: apihost, AUTH: api_key } = process.env
  if (!apihost || !api_key) throw new Error('set APIHOST and AUTH to the server under test')
  return { apihost, api_key }
}

/** Asks again until the answer is not 404, for at most 20 seconds. */
async function settled (ask) {
  const end = Date.now() + 20_000
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (error.statusCode !== 404 || Date.now() > end) throw error
    }
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

/** Returns a zip archive of files: name → text. */
function zipped (files) {
  const parts = []
  const directory = []
  let offset = 0
  for (const [name, text] of Object.entries(files)) {
    const content = Buffer.from(text)
    const packed = zlib.deflateRawSync(content)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(8, 4)
    common.writeUInt32LE(zlib.crc32 ? zlib.crc32(content) : crc32(content), 10)
    common.writeUInt32LE(packed.length, 14)
    common.writeUInt32LE(content.length, 18)
    common.writeUInt16LE(Buffer.byteLength(name), 22)
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, Buffer.from(name), packed])
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(offset, 10)
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, rest, Buffer.from(name)]))
    parts.push(local)
    offset += local.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(directory.length, 8)
  end.writeUInt16LE(directory.length, 10)
  end.writeUInt32LE(central.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...parts, central, end])
}

/** For Node.js versions whose zlib has none. */
function crc32 (bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}

module.exports = { target, settled, zipped }

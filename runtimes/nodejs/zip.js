'use strict';

/* Reads zip archives, with 64-bit sizes, stored or deflated. */

const zlib = require('zlib');
const { safeName } = require('./names.js');

const END_RECORD = 0x06054b50;
const END_RECORD_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL_ENTRY = 0x02014b50;
const LOCAL_ENTRY = 0x04034b50;
const ENCRYPTED = 1 << 0;
const UNIX = 3;
const FAT = 0;
const STORED = 0;
const DEFLATED = 8;
const FILE_TYPE = 0o170000;
const SYMLINK = 0o120000;

/** Unpacks all entries into `target`, a folder that is being filled. */
function read(bytes, target) {
  let { offset, count } = zipDirectory(bytes);
  const entries = [];
  for (let i = 0; i < count; i += 1) {
    if (bytes.readUInt32LE(offset) !== CENTRAL_ENTRY) throw new Error('the zip directory is damaged');
    const entry = zipEntry(bytes, offset);
    target.reserve(entry.size);
    entries.push(entry);
    offset = entry.next;
  }
  for (const entry of entries) unpackZipEntry(bytes, entry, target);
}

/** Where the central directory begins and how many entries it has. */
function zipDirectory(bytes) {
  const lowest = Math.max(0, bytes.length - 22 - 0xffff);
  for (let at = bytes.length - 22; at >= lowest; at -= 1) {
    if (bytes.readUInt32LE(at) !== END_RECORD) continue;
    const count = bytes.readUInt16LE(at + 10);
    const offset = bytes.readUInt32LE(at + 16);
    if (count !== 0xffff && offset !== 0xffffffff) return { offset, count };
    if (at < 20 || bytes.readUInt32LE(at - 20) !== LOCATOR_64) return { offset, count };
    const end = Number(bytes.readBigUInt64LE(at - 12));
    if (bytes.readUInt32LE(end) !== END_RECORD_64) throw new Error('the zip directory is damaged');
    return { offset: Number(bytes.readBigUInt64LE(end + 48)), count: Number(bytes.readBigUInt64LE(end + 32)) };
  }
  throw new Error('the zip directory is missing');
}

function zipEntry(bytes, at) {
  const nameLength = bytes.readUInt16LE(at + 28);
  const extraLength = bytes.readUInt16LE(at + 30);
  const extra = at + 46 + nameLength;
  const entry = {
    host: bytes[at + 5],
    flags: bytes.readUInt16LE(at + 8),
    method: bytes.readUInt16LE(at + 10),
    checksum: bytes.readUInt32LE(at + 16),
    packed: bytes.readUInt32LE(at + 20),
    size: bytes.readUInt32LE(at + 24),
    mode: bytes.readUInt32LE(at + 38) >>> 16,
    local: bytes.readUInt32LE(at + 42),
    name: bytes.toString('utf8', at + 46, extra),
    next: extra + extraLength + bytes.readUInt16LE(at + 32),
  };
  widen(entry, bytes.subarray(extra, extra + extraLength));
  return entry;
}

/** Replaces sizes that do not fit into 32 bits by those of the zip64 extra field. */
function widen(entry, extra) {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let field = at + 4;
    for (const key of ['size', 'packed', 'local']) {
      if (entry[key] !== 0xffffffff) continue;
      entry[key] = Number(extra.readBigUInt64LE(field));
      field += 8;
    }
  }
}

function unpackZipEntry(bytes, entry, target) {
  // Old Windows tools write backslashes; elsewhere they are part of a name.
  const name = safeName(entry.host === FAT ? entry.name.replaceAll('\\', '/') : entry.name);
  if (entry.name.endsWith('/') || name === '') return target.folder(name);
  if ((entry.flags & ENCRYPTED) !== 0) throw new Error(`the entry ${JSON.stringify(name)} is encrypted`);
  const content = zipContent(bytes, entry);
  const type = entry.host === UNIX ? entry.mode & FILE_TYPE : 0;
  if (type === SYMLINK) return target.symlink(name, content.toString());
  target.file(name, content, entry.host === UNIX && entry.mode !== 0 ? entry.mode : 0o644);
}

function zipContent(bytes, entry) {
  if (bytes.readUInt32LE(entry.local) !== LOCAL_ENTRY) throw new Error('the zip archive is damaged');
  const start = entry.local + 30 + bytes.readUInt16LE(entry.local + 26) + bytes.readUInt16LE(entry.local + 28);
  if (start + entry.packed > bytes.length) throw new Error('the zip archive is cut short');
  const packed = bytes.subarray(start, start + entry.packed);
  let content;
  if (entry.method === STORED) content = packed;
  else if (entry.method === DEFLATED) content = entry.size === 0 ? Buffer.alloc(0) : zlib.inflateRawSync(packed, { maxOutputLength: entry.size });
  else throw new Error(`the entry ${JSON.stringify(entry.name)} is packed with the unsupported method ${entry.method}`);
  if (content.length !== entry.size || checksum(content) !== entry.checksum) throw new Error(`the entry ${JSON.stringify(entry.name)} is damaged`);
  return content;
}

let table;

/** CRC-32; Node has its own from 22.2 on. */
function checksum(bytes) {
  if (zlib.crc32 !== undefined) return zlib.crc32(bytes);
  table ??= Int32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
  let sum = -1;
  for (let i = 0; i < bytes.length; i += 1) sum = table[(sum ^ bytes[i]) & 0xff] ^ (sum >>> 8);
  return (sum ^ -1) >>> 0;
}

module.exports = { read };

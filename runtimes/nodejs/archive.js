'use strict';

/*
 * Unpacks zip and tar.gz archives into a fresh folder. Names and links that would lead out of the folder, encrypted entries, wrong checksums and sizes
 * beyond the free space fail the archive as a whole: an action that is only partly there would fail later and less clearly.
 */

const fs = require('fs');
const path = require('path');
const zlib = require('zlib');

const READ_ERROR = 'There was an error reading the action archive.';
const UNSUPPORTED = 'There was an error uncompressing the action archive. The file type is unsupported';
const ZIP_ERROR = 'There was an error uncompressing the action Zip archive.';
const TAR_ERROR = 'There was an error uncompressing the action Tar GZ archive.';

/** Unpacks `bytes` and returns the new folder. Throws the text callers get; the reason goes to stderr. */
function unpack(bytes) {
  const magic = bytes.subarray(0, 4).toString('hex');
  if (magic === '504b0304') return unpackWith(readZip, bytes, ZIP_ERROR);
  if (magic === '1f8b0808' || magic === '1f8b0800') return unpackWith(readTarGz, bytes, TAR_ERROR);
  throw UNSUPPORTED;
}

function unpackWith(read, bytes, text) {
  let folder;
  try {
    folder = fs.realpathSync(fs.mkdtempSync(path.join(process.env.TMPDIR || '/tmp', 'action-')));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    throw READ_ERROR;
  }
  try {
    const target = new Folder(folder);
    read(bytes, target);
    target.link();
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    fs.rmSync(folder, { recursive: true, force: true });
    throw text;
  }
  return folder;
}

/** A folder that is being filled. Symbolic links are made last, so that nothing is ever written through one. */
class Folder {
  constructor(root) {
    this.root = root;
    this.made = new Set(['']);
    this.links = [];
    this.free = freeBytes(root);
  }

  /** Takes `size` bytes off the free space, before they are unpacked into memory. */
  reserve(size) {
    this.free -= size;
    if (this.free < 0) throw new Error('the archive does not fit into the free space of the action\'s folder');
  }

  folder(name) {
    if (this.made.has(name)) return;
    fs.mkdirSync(path.join(this.root, name), { recursive: true });
    this.made.add(name);
  }

  file(name, bytes, mode) {
    const parent = path.posix.dirname(name);
    this.folder(parent === '.' ? '' : parent);
    // The owner can always read and replace what was unpacked; other bits are the archive's.
    fs.writeFileSync(path.join(this.root, name), bytes, { mode: (mode & 0o777) | 0o600 });
  }

  symlink(name, target) {
    if (!staysInside(name, target)) throw new Error(`the link ${JSON.stringify(name)} leads out of the archive`);
    this.links.push({ name, target });
  }

  hardlink(name, target) {
    const parent = path.posix.dirname(name);
    this.folder(parent === '.' ? '' : parent);
    fs.linkSync(path.join(this.root, target), path.join(this.root, name));
  }

  link() {
    for (const { name, target } of this.links) {
      const parent = path.posix.dirname(name);
      this.folder(parent === '.' ? '' : parent);
    }
    for (const { name, target } of this.links) fs.symlinkSync(target, path.join(this.root, name));
  }
}

function freeBytes(folder) {
  const { bavail, bsize } = fs.statfsSync?.(folder) ?? {};
  return bavail === undefined ? Infinity : bavail * bsize;
}

/** Returns the entry's name without `.`, empty and leading parts that mean nothing; throws when it would leave the folder. */
function safeName(name) {
  if (name.startsWith('/') || name.includes('\0')) throw new Error(`the archive holds the unsafe name ${JSON.stringify(name)}`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`the archive holds the unsafe name ${JSON.stringify(name)}`);
  return parts.join('/');
}

/**
 * Whether a link at `name` ends inside the folder whatever other links there are: it may go up only at its start, from a true folder, and not above the root.
 */
function staysInside(name, target) {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  let depth = name.split('/').length - 1;
  let down = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') down = true;
    else if (down || (depth -= 1) < 0) return false;
  }
  return true;
}

// ---- zip

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

function readZip(bytes, target) {
  let { offset, count } = zipDirectory(bytes);
  for (let i = 0; i < count; i += 1) {
    if (bytes.readUInt32LE(offset) !== CENTRAL_ENTRY) throw new Error('the zip directory is damaged');
    const entry = zipEntry(bytes, offset);
    offset = entry.next;
    unpackZipEntry(bytes, entry, target);
  }
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
  const content = zipContent(bytes, entry, target);
  const type = entry.host === UNIX ? entry.mode & FILE_TYPE : 0;
  if (type === SYMLINK) return target.symlink(name, content.toString());
  target.file(name, content, entry.host === UNIX && entry.mode !== 0 ? entry.mode : 0o644);
}

function zipContent(bytes, entry, target) {
  if (bytes.readUInt32LE(entry.local) !== LOCAL_ENTRY) throw new Error('the zip archive is damaged');
  const start = entry.local + 30 + bytes.readUInt16LE(entry.local + 26) + bytes.readUInt16LE(entry.local + 28);
  if (start + entry.packed > bytes.length) throw new Error('the zip archive is cut short');
  target.reserve(entry.size);
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

// ---- tar

const BLOCK = 512;

function readTarGz(bytes, target) {
  // One header for each entry besides its content, and two empty blocks at the end.
  const most = Math.min(target.free * 2 + (1 << 20), require('buffer').constants.MAX_LENGTH);
  const tar = zlib.gunzipSync(bytes, { maxOutputLength: most });
  let offset = 0;
  let names = {};
  while (offset + BLOCK <= tar.length && tar[offset] !== 0) {
    const entry = tarEntry(tar.subarray(offset, offset + BLOCK));
    const size = names.size ?? entry.size;
    const start = offset + BLOCK;
    if (start + size > tar.length) throw new Error('the tar archive is cut short');
    const content = tar.subarray(start, start + size);
    offset = start + Math.ceil(size / BLOCK) * BLOCK;
    if (entry.type === 'x') names = { ...names, ...paxNames(content) };
    else if (entry.type === 'L') names.path = text(content);
    else if (entry.type === 'K') names.linkpath = text(content);
    else if (entry.type !== 'g') {
      unpackTarEntry({ ...entry, name: names.path ?? entry.name, target: names.linkpath ?? entry.target }, content, target);
      names = {};
    }
  }
}

function tarEntry(header) {
  let sum = 8 * 32;
  for (let i = 0; i < BLOCK; i += 1) if (i < 148 || i >= 156) sum += header[i];
  if (octal(header, 148, 8) !== sum) throw new Error('the tar archive is damaged');
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? text(header.subarray(345, 500)) : '';
  const name = text(header.subarray(0, 100));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: octal(header, 100, 8),
    size: octal(header, 124, 12),
    type: header[156] === 0 ? '0' : String.fromCharCode(header[156]),
    target: text(header.subarray(157, 257)),
  };
}

function octal(header, start, length) {
  const digits = text(header.subarray(start, start + length)).trim();
  if (!/^[0-7]*$/.test(digits)) throw new Error('the tar archive is damaged');
  return digits === '' ? 0 : parseInt(digits, 8);
}

function text(bytes) {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end === -1 ? bytes.length : end);
}

/** The members of an extended header that matter here; each record is `<length> <key>=<value>\n`. */
function paxNames(content) {
  const names = {};
  for (let at = 0; at < content.length; ) {
    const blank = content.indexOf(32, at);
    const length = parseInt(content.toString('latin1', at, blank), 10);
    if (blank === -1 || !(length > 0)) throw new Error('the tar archive is damaged');
    const record = content.toString('utf8', blank + 1, at + length - 1);
    const equals = record.indexOf('=');
    const key = record.slice(0, equals);
    const value = record.slice(equals + 1);
    if (key === 'path' || key === 'linkpath') names[key] = value;
    if (key === 'size') names.size = Number(value);
    at += length;
  }
  return names;
}

function unpackTarEntry(entry, content, target) {
  const name = safeName(entry.name);
  if (entry.type === '5' || (entry.name.endsWith('/') && entry.type === '0') || name === '') return target.folder(name);
  if (entry.type === '2') return target.symlink(name, entry.target);
  if (entry.type === '1') return target.hardlink(name, safeName(entry.target));
  // Devices and pipes have no business in an action.
  if (entry.type !== '0' && entry.type !== '7') return undefined;
  target.reserve(content.length);
  target.file(name, content, entry.mode);
}

module.exports = { unpack };

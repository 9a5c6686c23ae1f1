'use strict';

/* Reads tar.gz archives: ustar, GNU long names, and the path, link and size of pax headers. */

const zlib = require('zlib');
const { safeName } = require('./names.js');

const BLOCK = 512;

/** Unpacks all entries into `target`, a folder that is being filled. */
function read(bytes, target) {
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

module.exports = { read };

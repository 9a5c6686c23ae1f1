'use strict';

/*
 * Turns what a promise was rejected with into something JSON can show, with the members callers of Apache OpenWhisk get from serialize-error:
 * own enumerable members, and name, message, stack and code of errors.
 */

const { withoutOwnFrames } = require('./frames.js');

const ERROR_MEMBERS = ['name', 'message', 'stack', 'code'];

function serialize(value) {
  if (typeof value === 'function') return `[Function: ${value.name || 'anonymous'}]`;
  if (value === null || typeof value !== 'object') return value;
  try {
    return copy(value, new Set());
  } catch (error) {
    return error?.message; // of a getter or a toJSON
  }
}

function copy(from, parents) {
  if (typeof from.toJSON === 'function') return from.toJSON();
  const to = Array.isArray(from) ? [] : {};
  parents.add(from);
  for (const [key, value] of Object.entries(from)) {
    if (typeof value === 'function') continue;
    const shown = member(value, parents);
    Object.defineProperty(to, key, { value: shown, enumerable: true, configurable: true, writable: true });
  }
  for (const key of ERROR_MEMBERS) {
    if (typeof from[key] === 'string') to[key] = key === 'stack' ? withoutOwnFrames(from[key]) : from[key];
  }
  parents.delete(from);
  return to;
}

function member(value, parents) {
  if (value === null || typeof value !== 'object') return value;
  if (Buffer.isBuffer(value)) return '[object Buffer]';
  if (typeof value.pipe === 'function') return '[object Stream]';
  if (parents.has(value)) return '[Circular]';
  return copy(value, parents);
}

module.exports = { serialize };

'use strict';

/* The streams behind process.stdout and process.stderr. Every write is done when it returns, also when the process exits right after it. */

const fs = require('fs');
const { Writable } = require('stream');

const FOLDER = `${__dirname}/`;

let pause;

/** Writes all of `bytes`, waiting while the reader is slow; gives up when the pipe is broken. */
function writeAll(fd, bytes) {
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(fs.writeSync(fd, bytes));
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
      // A child process that shares the pipe has made it non-blocking.
      pause ??= new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

/** Returns a stream that hands its bytes to `output`, together with `fd`. */
function create(fd, output) {
  const stream = new Writable({
    decodeStrings: false,
    emitClose: false,
    write(chunk, encoding, done) {
      output(fd, typeof chunk === 'string' ? bytesOf(chunk, encoding) : chunk);
      done();
    },
  });
  // The activations to come write to it, so like Node's own it cannot be destroyed.
  stream.destroy = stream._destroy = () => stream;
  stream.fd = fd;
  stream._type = 'pipe';
  return stream;
}

function bytesOf(text, encoding) {
  // Errors that the action logs are cut as well; their own `stack` stays whole.
  return Buffer.from(text.includes(FOLDER) ? require('./frames.js').withoutOwnFrames(text) : text, encoding);
}

module.exports = { create, writeAll };

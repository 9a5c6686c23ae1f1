'use strict';

/*
 * process.stdout and process.stderr for actions. Every write is done when it returns, so that an activation's output is out before the mark that ends it,
 * also when the process exits at once. Node's own streams for pipes would load `net` and `tty` at the first line of output.
 */

const fs = require('fs');

let pause;

/** Writes all of `bytes`, waiting while the reader is slow; gives up when the pipe is broken. */
function writeAll(fd, bytes) {
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(fs.writeSync(fd, bytes));
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
      // A child process may have made the shared pipe non-blocking.
      pause ??= new Int32Array(new SharedArrayBuffer(4));
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

function create(fd, sink) {
  const { Writable } = require('stream');
  const stream = new Writable({
    decodeStrings: false,
    emitClose: false,
    write(chunk, encoding, done) {
      sink(fd, typeof chunk === 'string' && encoding !== 'utf8' ? Buffer.from(chunk, encoding) : chunk);
      done();
    },
    // Like Node's own: neither can be closed, since the activations to come write to it.
    destroy(error, done) {
      done(error);
      this._writableState.destroyed = false;
    },
  });
  stream.fd = fd;
  stream._type = 'pipe';
  return stream;
}

/** Puts the two streams in place; they are made when first used. */
function install(concurrent) {
  const sink = (fd, chunk) => {
    if (!concurrent?.write(fd, chunk)) writeAll(fd, typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  };
  for (const [name, fd] of [['stdout', 1], ['stderr', 2]]) {
    let stream;
    Object.defineProperty(process, name, {
      configurable: true,
      enumerable: true,
      get: () => (stream ??= create(fd, sink)),
      set: (value) => {
        stream = value;
      },
    });
  }
}

module.exports = { install, writeAll };

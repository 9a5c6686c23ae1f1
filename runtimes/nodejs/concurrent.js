'use strict';

/*
 * Several activations at once in one process. Each runs in an async context of its own; what is written to stdout and stderr there becomes `log` messages
 * that carry the activation's id, and `process.env.__OW_*` gives the activation's values.
 */

const { AsyncLocalStorage } = require('async_hooks');
const { StringDecoder } = require('string_decoder');
const { separateEnvironments, setRunEnvironment } = require('./action.js');

/** A line without an end is cut here, in UTF-16 units, so that it cannot fill the memory. */
const LINE_UNITS = 1 << 20;
const STREAMS = { 1: 'stdout', 2: 'stderr' };

const storage = new AsyncLocalStorage();

/** The lines one activation writes to one stream. */
class Lines {
  constructor(prefix, send) {
    this.prefix = prefix;
    this.send = send;
    this.rest = '';
    this.decoder = new StringDecoder('utf8');
  }

  write(bytes) {
    const lines = (this.rest + this.decoder.write(bytes)).split('\n');
    this.rest = lines.pop();
    for (const line of lines) this.emit(line);
    while (this.rest.length > LINE_UNITS) {
      this.emit(this.rest.slice(0, LINE_UNITS));
      this.rest = this.rest.slice(LINE_UNITS);
    }
  }

  end() {
    const rest = this.rest + this.decoder.end();
    this.rest = '';
    if (rest !== '') this.emit(rest);
  }

  emit(line) {
    this.send(`${this.prefix}${JSON.stringify(line)}}\n`);
  }
}

/** Calls `start` in a context of its own; `id` is the activation id as JSON. */
function within(id, message, send, start) {
  const lines = (fd) => new Lines(`{"activation_id":${id},"log":"${STREAMS[fd]}","text":`, send);
  storage.run({ env: setRunEnvironment(message, Object.create(null)), 1: lines(1), 2: lines(2), answered: false }, start);
}

/** Writes to the log of the current activation; false when there is none that still waits for its answer. */
function write(fd, bytes) {
  const activation = storage.getStore();
  if (activation === undefined || activation.answered) return false;
  activation[fd].write(bytes);
  return true;
}

/** Ends the logs of the current activation, before its answer. */
function close() {
  const activation = storage.getStore();
  activation[1].end();
  activation[2].end();
  activation.answered = true;
}

separateEnvironments(() => storage.getStore()?.env);

module.exports = { close, within, write };

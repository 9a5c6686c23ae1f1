'use strict';

/*
 * Runs one JavaScript action and speaks the framed runtime protocol on file descriptor 3: one JSON object a line, `{"init":…}` once and then runs.
 * What an action sees and answers follows Apache OpenWhisk's Node.js runtime; README.md beside this file lists what differs.
 *
 * This file holds what every start needs. Whatever can wait is in a neighbour file and loaded later: `load.js` (from code to handler), `archive.js`
 * (zip and tar), `stdio.js` (stdout and stderr), `concurrent.js` (several activations at once), `rejection.js` (errors as JSON).
 */

const fs = require('fs');

const CHANNEL = 3;
const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';
const LINE_FEED = 10;
const READ_BYTES = 65536;

const concurrent = (process.env.__OW_ALLOW_CONCURRENT || '').toLowerCase() === 'true' ? require('./concurrent.js') : undefined;

/** 'ready' | 'starting' | 'running' | 'stopped', as named in the texts callers get. */
let status = 'ready';
/** The action's entry point, once it is loaded. */
let handler;

// ---- writing

let send = (text) => {
  fs.writeSync(CHANNEL, text);
};

/** Writes all of `text` to a log stream; a closed or broken pipe is nobody's error. */
function log(fd, text) {
  try {
    const sent = fs.writeSync(fd, text);
    if (sent < text.length) require('./stdio.js').writeAll(fd, Buffer.from(text).subarray(sent));
  } catch (error) {
    if (error.code === 'EAGAIN') require('./stdio.js').writeAll(fd, Buffer.from(text));
  }
}

/** Ends an activation's output. Output is written synchronously, so nothing is left to flush. */
function endLogs() {
  log(1, SENTINEL);
  log(2, SENTINEL);
}

function answer(id, code, body) {
  send(`{"activation_id":${id},"status":${code},"body":${body}}\n`);
}

function failure(text) {
  return JSON.stringify({ error: text });
}

// ---- init

function init(value) {
  if (handler !== undefined) return refuseInit('Cannot initialize the action more than once.');
  if (status !== 'ready') return refuseInit(`System not ready, status is ${status}.`);
  const { main, code } = value ?? {};
  if (typeof main !== 'string' || typeof code !== 'string' || main === '' || code === '') {
    return answerInit(403, failure('Missing main/no code to execute.'));
  }
  status = 'starting';
  let loaded;
  try {
    environment.atInit(value.env);
    loaded = load(value);
  } catch (error) {
    return failInit(error);
  }
  if (typeof loaded === 'function') return finishInit(loaded);
  loaded.then(finishInit, failInit);
}

function finishInit(loaded) {
  handler = loaded;
  status = 'ready';
  answerInit(200, '{"OK":true}');
}

function failInit(error) {
  status = 'stopped';
  const text = error?.stack ? error.stack : String(error);
  answerInit(502, failure(`Initialization has failed due to: ${text}`));
  log(2, `Error during initialization: ${text}\n`);
  endLogs();
}

function refuseInit(text) {
  log(2, `Internal system error: ${text}\n`);
  answerInit(403, failure(text));
}

function answerInit(code, body) {
  send(`{"init":true,"status":${code},"body":${body}}\n`);
}

// ---- run

function run(message) {
  const id = typeof message.activation_id === 'string' ? JSON.stringify(message.activation_id) : '""';
  const refusal = refusalOf(message);
  if (refusal !== undefined) {
    log(2, `${refusal}\n`);
    return answer(id, 403, failure(refusal));
  }
  if (concurrent !== undefined) return concurrent.within(id, message, send, () => call(id, message.value ?? {}));
  status = 'running';
  environment.atRun(message);
  call(id, message.value ?? {});
}

/** The reason why this run cannot be served now, if there is one. */
function refusalOf(message) {
  if (handler === undefined) return status === 'stopped' || status === 'ready' ? 'System not initialized.' : `System not ready, status is ${status}.`;
  if (status !== 'ready') return `System not ready, status is ${status}.`;
  if (message.value !== undefined && typeof message.value !== 'object') {
    return `Internal system error: the argument must be a dictionary but has type '${typeof message.value}'.`;
  }
  return undefined;
}

function call(id, value) {
  let result;
  let then;
  try {
    result = handler(value);
    then = result === null || result === undefined ? undefined : result.then;
  } catch (error) {
    return thrown(id, error);
  }
  if (typeof then !== 'function') return finish(id, result);
  Promise.resolve(result).then(
    (settled) => finish(id, settled),
    (reason) => finish(id, { error: reason ? require('./rejection.js').serialize(reason) : {} }),
  );
}

function finish(id, result) {
  if (status === 'running') status = 'ready';
  if (result === undefined) return complete(id, 200, '{}');
  if (typeof result !== 'object') {
    log(2, `Result must be of type object but has type "${typeof result}": ${String(result)}\n`);
    return complete(id, 502, failure('The action did not return a dictionary.'));
  }
  let body;
  try {
    body = JSON.stringify(result);
  } catch (error) {
    log(2, `The result cannot be written as JSON: ${error?.message}\n`);
  }
  if (body === undefined) return complete(id, 500, failure('Internal error.'));
  complete(id, 200, body);
}

function thrown(id, error) {
  status = 'stopped';
  log(2, `${error?.stack ? error.stack : String(error)}\n`);
  complete(id, 502, failure(`An error has occurred: ${error}`));
}

/** Answers first, so that the caller need not wait for the end of the logs. */
function complete(id, code, body) {
  concurrent?.close();
  answer(id, code, body);
  endLogs();
}

// ---- reading

/** Parts of a line whose end has not come yet. */
let pending = [];

/** Takes a chunk that is overwritten after the return. */
function receive(chunk) {
  let start = 0;
  for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
    let line = chunk.utf8Slice(start, end);
    if (pending.length > 0) {
      pending.push(Buffer.from(chunk.subarray(start, end)));
      line = Buffer.concat(pending).utf8Slice();
      pending = [];
    }
    start = end + 1;
    dispatch(line);
  }
  if (start < chunk.length) pending.push(Buffer.from(chunk.subarray(start)));
}

function dispatch(line) {
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    message = undefined;
  }
  if (message === null || typeof message !== 'object') return answer('""', 500, failure('Bad request.'));
  if (message.init !== undefined) return init(message.init?.value);
  run(message);
}

/**
 * Opens the channel on Node's own pipe handle, which `net.Socket` wraps: loading `net` would take an eighth of the start.
 * Returns false where this Node does not offer the handle.
 */
function openHandle() {
  let Pipe, constants, WriteWrap, state, nread, wasAsync;
  try {
    ({ Pipe, constants } = process.binding('pipe_wrap'));
    ({ WriteWrap, streamBaseState: state, kReadBytesOrError: nread, kLastWriteWasAsync: wasAsync } = process.binding('stream_wrap'));
  } catch {
    return false;
  }
  if (typeof Pipe?.prototype.useUserBuffer !== 'function' || typeof WriteWrap !== 'function' || state === undefined || nread === undefined) return false;
  const handle = new Pipe(constants.SOCKET);
  handle.open(CHANNEL);
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  handle.useUserBuffer(buffer);
  handle.onread = () => {
    const bytes = state[nread];
    if (bytes < 0) process.exit(0);
    if (bytes > 0) receive(buffer.subarray(0, bytes));
  };
  queueWrites((rest, done) => {
    const request = new WriteWrap();
    request.oncomplete = done;
    request.buffer = rest; // kept alive until it is written
    if (handle.writeBuffer(request, rest) !== 0) process.exit(0);
    if (!state[wasAsync]) done();
  });
  handle.readStart();
  return true;
}

function openSocket() {
  const { Socket } = require('net');
  const socket = new Socket({ fd: CHANNEL, readable: true, writable: true });
  socket.on('data', receive);
  socket.on('end', () => process.exit(0));
  socket.on('error', () => process.exit(0));
  queueWrites((rest, done) => socket.write(rest, done));
}

/** Makes `send` write at once while the socket takes it, and hand the rest to `later` in order when it does not. */
function queueWrites(later) {
  let queued = 0;
  const done = () => {
    queued -= 1;
  };
  send = (text) => {
    let sent = 0;
    if (queued === 0) {
      try {
        sent = fs.writeSync(CHANNEL, text);
      } catch (error) {
        if (error.code !== 'EAGAIN') process.exit(0);
      }
      if (sent === Buffer.byteLength(text)) return;
    }
    queued += 1;
    later(Buffer.from(text).subarray(sent), done);
  };
}

send('{"ready":true}\n');
const environment = require('./environment.js');
const { load } = require('./load.js');
require('./stdio.js').install(concurrent);
if (!openHandle()) openSocket();

'use strict';

/*
 * Runs one JavaScript action and speaks the framed runtime protocol on file descriptor 3: one JSON object a line, `{"init":…}` once and then runs.
 * What an action sees and answers follows Apache OpenWhisk's Node.js runtime; README.md beside this file lists what differs.
 *
 * This file holds the states and the channel. The rest is loaded when it is due: `action.js` (environment, code to handler) right after the launcher
 * has said that it is ready, and the others by those actions that need them.
 */

const fs = require('fs');

const CHANNEL = 3;
const SENTINEL = Buffer.from('XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n');
const LINE_FEED = 10;
const READ_BYTES = 65536;
/** How long, in milliseconds, a launcher must have been left alone to be taken for a stem cell. */
const STEM_CELL_AFTER = 20;
/** What a stem cell tries meanwhile: an init, and a run that writes a line. */
const REHEARSAL = [
  { init: { value: { main: 'main', code: 'function main(args) { console.log({ args: [args, 1] }); return args; }', env: {} } } },
  { value: {}, activation_id: null },
];

const overlapping = (process.env.__OW_ALLOW_CONCURRENT || '').toLowerCase() === 'true';

/** 'ready' | 'starting' | 'running' | 'stopped', as named in the texts callers get. */
let status = 'ready';
/** The action's entry point, once it is loaded. */
let handler;
let action;
let concurrent;

// ---- answers and logs

/** Writes text or bytes to a descriptor and returns how many bytes it took. */
let write = fs.writeSync;

/** Writes to the channel; see `queueWrites`. */
let send;

function log(fd, bytes) {
  let sent = 0;
  try {
    sent = write(fd, bytes);
  } catch (error) {
    if (error.code !== 'EAGAIN') return; // nobody reads this stream any more
  }
  if (sent < bytes.length) require('./stdio.js').writeAll(fd, bytes.subarray(sent));
}

/** Takes what is written to stdout or stderr. */
function output(fd, bytes) {
  if (!overlapping || !concurrent.write(fd, bytes)) log(fd, bytes);
}

/** Adds a line of the launcher's own to stderr. */
function note(line) {
  output(2, Buffer.from(`${line}\n`));
}

/** Ends an activation's output. Output is written synchronously, so nothing is left to flush. */
function endLogs() {
  ending = false;
  log(1, SENTINEL);
  log(2, SENTINEL);
}

/** Whether an activation has been answered and the end of its logs is due. */
let ending = false;
const settled = Promise.resolve();

/** Calls back two microtasks later: what an action has begun and not waited for runs that much further in the stock image before its logs end. */
function shortly(then) {
  settled.then(nothing).then(then);
}

function nothing() {}

function endLogsIfDue() {
  if (ending) endLogs();
}

function failure(text) {
  return JSON.stringify({ error: text });
}

/** What a thrown or returned value is called in texts; some objects cannot be made strings. */
function textOf(value) {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** What the log shows of a thrown or returned value: as `console.error` would, without the launcher's frames. */
function shown(value) {
  try {
    return withoutOwnFrames(typeof value === 'string' ? value : require('util').inspect(value));
  } catch {
    return textOf(value); // it has a method of its own for this, which fails
  }
}

function withoutOwnFrames(text) {
  return require('./frames.js').withoutOwnFrames(text);
}

// ---- init

function init(value) {
  if (handler !== undefined) return refuseInit('Cannot initialize the action more than once.');
  if (status !== 'ready') return refuseInit(`System not ready, status is ${status}.`);
  const { main, code } = value ?? {};
  if (typeof main !== 'string' || typeof code !== 'string' || main === '' || code === '') {
    answerInit(403, failure('Missing main/no code to execute.'));
    return endLogs();
  }
  status = 'starting';
  let loaded;
  try {
    action.setInitEnvironment(value.env);
    loaded = action.load(value);
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
  answerInit(502, failure(`Initialization has failed due to: ${withoutOwnFrames(textOf(error?.stack ? error.stack : error))}`));
  note(`Error during initialization: ${shown(error)}`);
  endLogs();
}

function refuseInit(text) {
  answerInit(403, failure(text));
  note(`Internal system error: ${text}`);
}

function answerInit(code, body) {
  send(`{"init":true,"status":${code},"body":${body}}\n`);
}

// ---- run

function run(message) {
  const id = typeof message.activation_id === 'string' ? JSON.stringify(message.activation_id) : '""';
  const value = message.value ?? {};
  if (handler === undefined) return refuseRun(id, 'System not initialized.');
  if (status !== 'ready') return refuseRun(id, `System not ready, status is ${status}.`);
  if (typeof value !== 'object') return refuseRun(id, `Internal system error: the argument must be a dictionary but has type '${typeof value}'.`);
  if (overlapping) return concurrent.within(id, message, send, () => call(id, value));
  status = 'running';
  action.setRunEnvironment(message);
  call(id, value);
}

function refuseRun(id, text) {
  answer(id, 403, failure(text));
  note(`Internal system error: ${text}`);
  // The marks of an activation that still runs are its own to write.
  if (status !== 'running') endLogs();
}

/** What `this` is in the action's entry point, the same in all runs, as in the stock image. */
const self = {};

function call(id, value) {
  let result;
  try {
    result = handler.call(self, value);
  } catch (error) {
    return finishThrown(id, error);
  }
  let then;
  try {
    then = result?.then;
  } catch (error) {
    return finishRejected(id, error);
  }
  if (typeof then !== 'function') return finish(id, result);
  Promise.resolve(result).then(
    (settled) => finish(id, settled),
    (reason) => finishRejected(id, reason),
  );
}

function finish(id, result) {
  if (status === 'running') status = 'ready';
  if (result === undefined) return complete(id, 200, '{}');
  if (typeof result !== 'object') {
    note(`Result must be of type object but has type "${typeof result}": ${shown(result)}`);
    return complete(id, 502, failure('The action did not return a dictionary.'));
  }
  let body;
  try {
    body = JSON.stringify(result);
  } catch (error) {
    note(`The result cannot be written as JSON: ${textOf(error?.message)}`);
  }
  if (body === undefined) return complete(id, 500, failure('Internal error.'));
  complete(id, 200, body);
}

function finishRejected(id, reason) {
  finish(id, { error: reason ? require('./rejection.js').serialize(reason) : {} });
}

function finishThrown(id, error) {
  status = 'stopped';
  note(shown(error));
  complete(id, 502, failure(`An error has occurred: ${textOf(error)}`));
}

/** Answers first, so that the caller need not wait for the end of the logs; the logs of overlapping activations are part of the channel, before the answer. */
function complete(id, code, body) {
  if (overlapping) return shortly(() => completeOverlapping(id, code, body));
  answer(id, code, body);
  ending = true;
  shortly(endLogsIfDue);
}

function completeOverlapping(id, code, body) {
  concurrent.close();
  answer(id, code, body);
  endLogs();
}

/** The order of the members and the place of the body are part of the protocol: the platform cuts the body out unparsed. */
function answer(id, code, body) {
  send(`{"activation_id":${id},"status":${code},"body":${body}}\n`);
}

// ---- requests

/** Parts of a line whose end has not come yet. */
let pending = [];

/** Takes the first `length` bytes of `buffer`, which is used again after the return. */
function receive(buffer, length) {
  if (pending.length > 0 || buffer[length - 1] !== LINE_FEED) return receivePart(buffer.subarray(0, length));
  const text = buffer.utf8Slice(0, length - 1);
  if (!text.includes('\n')) return dispatch(text);
  for (const line of text.split('\n')) dispatch(line);
}

function receivePart(bytes) {
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    pending.push(bytes.subarray(start, end));
    const line = Buffer.concat(pending).utf8Slice();
    pending = [];
    start = end + 1;
    dispatch(line);
  }
  if (start < bytes.length) pending.push(Buffer.from(bytes.subarray(start)));
}

function dispatch(line) {
  endLogsIfDue();
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

// ---- channel

/**
 * Opens the channel on the handle that `net.Socket` wraps, since loading `net` would take an eighth of the start.
 * Returns false where this Node does not offer the handle.
 */
function openHandle() {
  const { noDeprecation } = process;
  let pipes, streams;
  try {
    process.noDeprecation = true; // the hint would be part of the first activation's log
    pipes = process.binding('pipe_wrap');
    streams = process.binding('stream_wrap');
  } catch {
    return false;
  } finally {
    process.noDeprecation = noDeprecation;
  }
  const { WriteWrap, streamBaseState: state, kReadBytesOrError, kLastWriteWasAsync } = streams;
  if (typeof pipes.Pipe?.prototype.useUserBuffer !== 'function' || typeof WriteWrap !== 'function' || state === undefined) return false;
  const handle = new pipes.Pipe(pipes.constants.SOCKET);
  if (handle.open(CHANNEL)) return false;
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  handle.useUserBuffer(buffer);
  handle.onread = () => {
    const read = state[kReadBytesOrError];
    if (read < 0) process.exit(0);
    if (read > 0) receive(buffer, read);
  };
  queueWrites((rest, done) => {
    const request = new WriteWrap();
    request.oncomplete = done;
    request.buffer = rest; // not to be collected before it is written
    if (handle.writeBuffer(request, rest) !== 0) process.exit(0);
    if (!state[kLastWriteWasAsync]) done();
  });
  handle.readStart();
  return true;
}

function openSocket() {
  const { Socket } = require('net');
  const socket = new Socket({ fd: CHANNEL, readable: true, writable: true });
  socket.on('data', (bytes) => receive(bytes, bytes.length));
  socket.on('end', () => process.exit(0));
  socket.on('error', () => process.exit(0));
  queueWrites((rest, done) => socket.write(rest, done));
}

/** Makes `send` write at once as long as the channel takes it, and hand over to `later`, in order, what it does not. */
function queueWrites(later) {
  let queued = 0;
  const done = () => {
    queued -= 1;
  };
  send = (text) => {
    let sent = 0;
    if (queued === 0) {
      try {
        sent = write(CHANNEL, text);
      } catch (error) {
        if (error.code !== 'EAGAIN') process.exit(0);
      }
      if (sent === Buffer.byteLength(text)) return;
    }
    queued += 1;
    later(Buffer.from(text).subarray(sent), done);
  };
}

function isFresh() {
  return status === 'ready' && handler === undefined && pending.length === 0;
}

/** Goes through an init and a run that nobody sees, so that the first true ones of a stem cell find everything loaded and compiled. */
function rehearse() {
  if (!isFresh()) return;
  write = (fd, data) => Buffer.byteLength(data);
  for (const message of REHEARSAL) {
    const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
    receive(bytes, bytes.length);
  }
  // Microtasks run before anything can come through the channel.
  shortly(() => {
    handler = undefined;
    write = fs.writeSync;
  });
}

write(CHANNEL, '{"ready":true}\n');
action = require('./action.js');
if (overlapping) concurrent = require('./concurrent.js');
action.replaceOutput(output);
if (!openHandle()) openSocket();
setImmediate(() => {
  process.on('uncaughtExceptionMonitor', action.cutUncaught);
  // An init that was sent at once has been served by now; timers would have cost it a third of a millisecond.
  if (isFresh()) setTimeout(rehearse, STEM_CELL_AFTER).unref();
});

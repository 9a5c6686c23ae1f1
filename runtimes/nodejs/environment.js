'use strict';

/*
 * process.env for actions. The variables of an activation live in a plain object and never reach the C environment: glibc keeps every value ever given to
 * setenv, so three new values an activation would cost a warm process 300 bytes each time, besides 4 µs. Child processes get them all the same, since
 * Node hands them `process.env`; only native code that calls getenv, and workers made without an `env`, see what was set at init.
 */

const real = process.env;
const variables = { ...real };

/** `/run` members by name, as variable names. */
const names = new Map();

function nameOf(member) {
  let name = names.get(member);
  if (name === undefined) {
    name = `__OW_${member.toUpperCase()}`;
    names.set(member, name);
  }
  return name;
}

/** Copies the activation's string members, all but its value, to `target` as `__OW_*`. */
function assignRun(target, message) {
  for (const member in message) {
    const text = message[member];
    if (typeof text === 'string' && member !== 'value') target[nameOf(member)] = text;
  }
  return target;
}

/** Sets init parameters and platform variables for good. */
function atInit(env) {
  if (env === null || typeof env !== 'object') return;
  for (const name of Object.keys(env)) {
    const value = env[name];
    if (!value) process.env[name] = '';
    else process.env[name] = typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}

function atRun(message) {
  assignRun(variables, message);
}

const traps = {
  set(target, name, value) {
    const text = `${value}`;
    real[name] = text;
    target[name] = text;
    return true;
  },
  deleteProperty(target, name) {
    delete real[name];
    return delete target[name];
  },
  defineProperty(target, name, descriptor) {
    Object.defineProperty(real, name, descriptor);
    return Reflect.defineProperty(target, name, descriptor);
  },
};

/** Lets every activation see its own variables: `own` returns those of the current one, if there is one. */
function separate(own) {
  Object.assign(traps, {
    get(target, name) {
      return own()?.[name] ?? target[name];
    },
    has(target, name) {
      return name in (own() ?? {}) || name in target;
    },
    ownKeys(target) {
      return [...new Set([...Reflect.ownKeys(target), ...Object.keys(own() ?? {})])];
    },
    getOwnPropertyDescriptor(target, name) {
      const value = own()?.[name];
      if (value === undefined) return Reflect.getOwnPropertyDescriptor(target, name);
      return { value, writable: true, enumerable: true, configurable: true };
    },
  });
}

process.env = new Proxy(variables, traps);

module.exports = { assignRun, atInit, atRun, separate };

'use strict';

/*
 * The action's surroundings: its variables, its output streams, and the way from the code that `/init` brings to the function that serves runs.
 *
 * process.env becomes a plain object behind a proxy, and the variables of an activation never reach the C environment: glibc keeps every text it was ever
 * given by setenv, so three new values for each activation would cost a warm process 300 bytes and 4 µs every time. Child processes get the variables all
 * the same, since Node hands them `process.env`; native code that calls getenv, and workers made without `env`, see what was set at init.
 */

/** The class; `require('module')` would compile a few functions more. */
const Module = module.constructor;

const NOT_INSTALLED = "'openwhisk' is not installed for the Node.js runtime; an archive can bring its own in node_modules.\n";

const real = process.env;
const variables = { ...real };
/** Members of `/run` messages to names of variables. */
const names = new Map();

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

process.env = new Proxy(variables, traps);

/** Sets init parameters and platform variables for good. */
function setInitEnvironment(env) {
  if (env === null || typeof env !== 'object') return;
  for (const [name, value] of Object.entries(env)) {
    if (!value) process.env[name] = '';
    else process.env[name] = typeof value === 'object' ? JSON.stringify(value) : value;
  }
}

/** Copies the string members of a `/run` message, all but its value, to `target` as `__OW_*`. */
function setRunEnvironment(message, target = variables) {
  for (const member in message) {
    const text = message[member];
    if (typeof text !== 'string' || member === 'value') continue;
    let name = names.get(member);
    if (name === undefined) {
      name = `__OW_${member.toUpperCase()}`;
      names.set(member, name);
    }
    target[name] = text;
  }
  return target;
}

/** Lets activations that overlap each see its own variables: `own` returns those of the current one, or undefined. */
function separateEnvironments(own) {
  traps.get = (target, name) => own()?.[name] ?? target[name];
  traps.has = (target, name) => own()?.[name] !== undefined || name in target;
  traps.ownKeys = (target) => [...new Set([...Reflect.ownKeys(target), ...Object.keys(own() ?? {})])];
  traps.getOwnPropertyDescriptor = (target, name) => {
    const value = own()?.[name];
    if (value === undefined) return Reflect.getOwnPropertyDescriptor(target, name);
    return { value, writable: true, enumerable: true, configurable: true };
  };
}

/**
 * Replaces process.stdout and process.stderr by streams that have written everything when `write` returns, and are made at their first use.
 * Node's own would load `net` and `tty`, and could still hold output when the end of the logs is marked.
 */
function replaceOutput(output) {
  for (const [name, fd] of [['stdout', 1], ['stderr', 2]]) {
    replace(process, name, () => require('./stdio.js').create(fd, output));
  }
  // The stock image runs `node --expose-gc`. As a flag it would make Node 18 start slower.
  replace(globalThis, 'gc', () => {
    require('v8').setFlagsFromString('--expose-gc');
    return require('vm').runInNewContext('gc');
  });
}

/** Takes the launcher's frames off an error that nobody catches and Node is about to write, unless the action deals with such errors itself. */
function cutUncaught(error) {
  if (process.listenerCount('uncaughtException') > 0) return;
  try {
    error.stack = require('./frames.js').withoutOwnFrames(error.stack);
  } catch {
    // No error, or one that cannot be changed: it is shown as it is.
  }
}

/** Defines a member whose value is made when it is first read. */
function replace(object, name, make) {
  Object.defineProperty(object, name, {
    configurable: true,
    enumerable: object !== globalThis,
    get() {
      const value = make();
      this[name] = value;
      return value;
    },
    set(value) {
      Object.defineProperty(object, name, { configurable: true, enumerable: object !== globalThis, writable: true, value });
    },
  });
}

/** Returns the action's entry point, or a promise of it. Throws an error, or a text that callers know. */
function load({ main, code, binary }) {
  return binary ? loadArchive(main, code) : entryPoint(evaluate(main, code), main);
}

/** Evaluates source code inside a function and returns what `main` names there, in scope or among the exports. */
function evaluate(main, code) {
  if (!isDotted(main)) throw 'Name of main function is not valid.';
  const folder = process.cwd();
  const module = new Module(`${folder}/action.js`, null);
  module.filename = module.id;
  module.paths = Module._nodeModulePaths(folder);
  // No scope can hold the name `default`, which exports may.
  const inScope = /^default\b/.test(main) ? 'undefined' : main;
  // On one line with the code, so that the line numbers in stacks are the author's, and short, since what comes first moves the columns of that line.
  // The code has a function of its own, in which it may declare any of the names again; `fs` and `path` are there because the stock image's scope has them.
  let evaluated;
  try {
    evaluated = (0, eval)(`(exports,require,module,__filename,__dirname,fs,path)=>(function(){${code}
try { return ${inScope}; } catch (error) { if (error.name !== 'ReferenceError') throw error; }
})\n//# sourceURL=action.js`);
  } catch (error) {
    throw located(code) ?? error;
  }
  const scoped = evaluated(module.exports, requireOf(module), module, module.filename, folder, require('fs'), require('path'));
  const found = scoped.call(globalThis);
  return found === undefined ? memberOf(module.exports, main) : found;
}

/**
 * Writes where code breaks the syntax: line and column, which the error of `eval` does not tell, and what may help. Returns the error
 * of the code by itself: that of `eval` is about what stands behind the code where a bracket is not closed.
 */
function located(code) {
  try {
    require('vm').compileFunction(code, [], { filename: 'action.js' });
  } catch (error) {
    const [place] = String(error.stack).split('\n\n');
    process.stderr.write(`${place.trimEnd()}\n`);
    if (/\bexport\b|\bimport\b/.test(error.message)) {
      process.stderr.write('ES modules need an archive or folder whose package.json says "type": "module".\n');
    }
    // Its own stack begins with the place.
    return new error.constructor(error.message);
  }
}

/** Returns a `require` like `Module.createRequire`'s, whose members are made when one of them is first read. */
function requireOf(module) {
  const require = (id) => module.require(id);
  for (const name of ['resolve', 'main', 'extensions', 'cache']) {
    replace(require, name, () => Module.createRequire(module.filename)[name]);
  }
  return require;
}

/** Unpacks an archive, makes its folder the current one and loads the module that holds `main`. */
function loadArchive(main, code) {
  const dot = main.indexOf('.');
  const name = dot === -1 ? main : main.slice(dot + 1);
  if (dot === 0 || !isDotted(name)) throw 'Name of main function is not valid.';
  const folder = require('./archive.js').unpack(Buffer.from(code, 'base64'));
  process.chdir(folder);
  const { existsSync } = require('fs');
  if (dot === -1 && !existsSync('package.json') && !existsSync('index.js')) throw 'Zipped actions must contain either package.json or index.js at the root.';
  const path = dot === -1 ? folder : `${folder}/${main.slice(0, dot)}`;
  const load = Module.createRequire(`${folder}/action.js`);
  try {
    return exported(load(path), name, main);
  } catch (error) {
    if (error?.code !== 'ERR_REQUIRE_ESM' && error?.code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error;
    return import(require('url').pathToFileURL(load.resolve(path)).href).then((exports) => exported(exports, name, main));
  }
}

/** Returns the function called `name` among a module's exports; ES modules may have it in their default export. */
function exported(exports, name, main) {
  return entryPoint(memberOf(exports, name) ?? memberOf(exports?.default, name), main);
}

function isDotted(name) {
  if (/^[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*$/.test(name)) return true;
  // Compiled only for names that need it: these classes take a millisecond.
  return new RegExp('^[\\p{ID_Start}$_][\\p{ID_Continue}$]*(?:\\.[\\p{ID_Start}$_][\\p{ID_Continue}$]*)*$', 'u').test(name);
}

function memberOf(object, path) {
  return path.split('.').reduce((holder, name) => holder?.[name], object);
}

function entryPoint(found, main) {
  if (typeof found !== 'function') throw `Action entrypoint '${main}' is not a function.`;
  return found;
}

const resolve = Module._resolveFilename;

/** Looks beside this file, where README.md has the stock image's packages installed, for what an action does not bring along. */
Module._resolveFilename = function (request, parent, isMain, options) {
  try {
    return resolve.call(this, request, parent, isMain, options);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND' || options?.paths !== undefined || /^[./]/.test(request)) throw error;
    try {
      return resolve.call(this, request, parent, isMain, { paths: [__dirname] });
    } catch {
      if (request === 'openwhisk') process.stderr.write(NOT_INSTALLED);
      throw error;
    }
  }
};

module.exports = { cutUncaught, load, replaceOutput, separateEnvironments, setInitEnvironment, setRunEnvironment };

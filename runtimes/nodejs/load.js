'use strict';

/* From the code that `/init` brings to the function that serves runs. */

const Module = require('module');

const IDENTIFIER = '[\\p{ID_Start}$_][\\p{ID_Continue}$\\u200c\\u200d]*';
const DOTTED = new RegExp(`^${IDENTIFIER}(?:\\.${IDENTIFIER})*$`, 'u');
/** Packages every action can load, beside this file: see README.md. */
const PREINSTALLED = `${__dirname}/node_modules`;

/** Returns the action's entry point, or a promise of it. Throws an error, or a text that callers know. */
function load({ main, code, binary }) {
  offerPreinstalled();
  return binary ? loadArchive(main, code) : entryPoint(evaluate(main, code), main);
}

/** Evaluates source code inside a function and returns what `main` names there, in scope or exported. */
function evaluate(main, code) {
  if (!DOTTED.test(main)) throw 'Name of main function is not valid.';
  const module = new Module(`${process.cwd()}/action.js`, null);
  module.filename = module.id;
  module.paths = Module._nodeModulePaths(process.cwd());
  const require = Module.createRequire(module.filename);
  // On one line with the code, so that line numbers in stacks are the author's. `default` is the one exported name that no scope can hold.
  const inScope = main.split('.')[0] === 'default' ? 'undefined' : main;
  const wrapper = (0, eval)(`(function (exports, require, module, __filename, __dirname) { ${code}
try { return ${inScope}; } catch (error) { if (error.name !== 'ReferenceError') throw error; }
})\n//# sourceURL=action.js`);
  const found = wrapper.call(globalThis, module.exports, require, module, module.filename, process.cwd());
  return found === undefined ? member(module.exports, main) : found;
}

function member(object, path) {
  return path.split('.').reduce((holder, name) => holder?.[name], object);
}

function entryPoint(found, main) {
  if (typeof found !== 'function') throw `Action entrypoint '${main}' is not a function.`;
  return found;
}

/** Unpacks an archive, makes its folder the current one and loads the module that holds `main`. */
function loadArchive(main, code) {
  const { unpack } = require('./archive.js');
  const dot = main.indexOf('.');
  const name = dot === -1 ? main : main.slice(dot + 1);
  if (!DOTTED.test(name) || dot === 0) throw 'Name of main function is not valid.';
  const folder = unpack(Buffer.from(code, 'base64'));
  process.chdir(folder);
  const fs = require('fs');
  if (dot === -1 && !fs.existsSync('package.json') && !fs.existsSync('index.js')) {
    throw 'Zipped actions must contain either package.json or index.js at the root.';
  }
  const path = dot === -1 ? folder : `${folder}/${main.slice(0, dot)}`;
  const require_ = Module.createRequire(`${folder}/`);
  try {
    return entryPoint(member(require_(path), name), main);
  } catch (error) {
    if (error?.code !== 'ERR_REQUIRE_ESM') throw error;
    const { pathToFileURL } = require('url');
    return import(pathToFileURL(require_.resolve(path))).then((exported) => entryPoint(member(exported, name) ?? member(exported.default, name), main));
  }
}

/** Makes `require` look beside this file for what is found nowhere else. */
function offerPreinstalled() {
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, isMain, options) {
    try {
      return resolve.call(this, request, parent, isMain, options);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND' || options?.paths !== undefined || /^[./]/.test(request)) throw error;
      try {
        return resolve.call(this, request, parent, isMain, { paths: [PREINSTALLED] });
      } catch {
        if (request === 'openwhisk') process.stderr.write(`The package '${request}' is not installed beside the Node.js launcher (npm ci in its folder).\n`);
        throw error;
      }
    }
  };
}

module.exports = { load };

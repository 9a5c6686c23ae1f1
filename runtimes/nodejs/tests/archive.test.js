'use strict';

/* Archives: runtime-protocol.md §9.1 (archives, node_modules), and hostile ones. */

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { tarGz, zip } = require('./archives.js');
const { SENTINEL, start, started } = require('./harness.js');

const INDEX = "exports.main = () => ({ from: 'index' });";

/** Entries that hold an index.js besides `extra`. */
function withIndex(...extra) {
  return [{ name: 'index.js', content: INDEX }, ...extra];
}

for (const [kind, pack] of [['zip', zip], ['tar.gz', tarGz]]) {
  for (const [name, files, main, expected] of [
    ['index.js', { 'index.js': INDEX }, 'main', { from: 'index' }],
    ['package.json with main', { 'package.json': '{"main":"lib.js"}', 'lib.js': "exports.main = () => ({ from: require('./other').x });", 'other.js': "exports.x = 'other';" }, 'main', { from: 'other' }],
    ['package.json without main', { 'package.json': '{}', 'index.js': INDEX }, 'main', { from: 'index' }],
    ['a named function', { 'index.js': "exports.run = () => ({ from: 'run' });" }, 'run', { from: 'run' }],
    ['module.function', { 'mod.js': "exports.run = () => ({ from: 'mod' });" }, 'mod.run', { from: 'mod' }],
    ['a path after the first dot', { 'mod.js': "exports.a = { run: () => ({ from: 'a' }) };" }, 'mod.a.run', { from: 'a' }],
    ['node_modules of its own', { 'index.js': "exports.main = () => ({ from: require('openwhisk').mine });", 'node_modules/openwhisk/index.js': "exports.mine = 'own';" }, 'main', { from: 'own' }],
    ['folders and data', [...withIndex({ name: 'index.js', content: "exports.main = () => ({ from: require('fs').readFileSync('a/b/data', 'utf8') });" }), { name: 'a/b/data', content: 'd' }], 'main', { from: 'd' }],
    ['names with ./', [{ name: './index.js', content: INDEX }], 'main', { from: 'index' }],
  ]) {
    test(`${kind}: ${name} (§9.1)`, async (t) => {
      const launcher = await started(t, pack(files), { binary: true, main });
      assert.deepStrictEqual((await launcher.run()).body, expected);
    });
  }

  test(`${kind}: the archive's folder is the current one, and fresh (§9.1)`, async (t) => {
    const launcher = await started(t, pack({ 'index.js': 'exports.main = () => ({ cwd: process.cwd(), dir: __dirname });' }), { binary: true });
    const { cwd, dir } = (await launcher.run()).body;
    assert.strictEqual(cwd, dir);
    assert.match(cwd, /\/action-/);
  });

  test(`${kind}: init variables are set before the code is loaded (§10)`, async (t) => {
    const launcher = await started(t, pack({ 'index.js': 'const { NAME } = process.env; exports.main = () => ({ NAME });' }), { binary: true, env: { NAME: 'x' } });
    assert.deepStrictEqual((await launcher.run()).body, { NAME: 'x' });
  });
}

for (const [name, code, main, error] of [
  ['neither package.json nor index.js', zip({ 'readme.txt': 'x' }), 'main', 'Zipped actions must contain either package.json or index.js at the root.'],
  ['an unknown file type', Buffer.from('ELF').toString('base64'), 'main', 'There was an error uncompressing the action archive. The file type is unsupported'],
  ['text that looks like base64 (recording invoke/code-not-a-zip)', 'main', 'main', 'There was an error uncompressing the action archive. The file type is unsupported'],
  ['a main that is no function', zip({ 'index.js': 'exports.main = 5;' }), 'main', "Action entrypoint 'main' is not a function."],
  ['a main that is missing', zip({ 'mod.js': '' }), 'mod.run', "Action entrypoint 'mod.run' is not a function."],
  ['a main that is no name', zip({ 'index.js': INDEX }), '.main', 'Name of main function is not valid.'],
  ['a main that is code', zip({ 'index.js': INDEX }), 'index.main()', 'Name of main function is not valid.'],
]) {
  test(`${name} fails the init (§9.1)`, async (t) => {
    const launcher = await start(t);
    assert.deepStrictEqual(await launcher.init(code, { binary: true, main }), {
      init: true,
      status: 502,
      body: { error: `Initialization has failed due to: ${error}` },
    });
    assert.deepStrictEqual(await launcher.logs(), [{ stdout: '', stderr: `Error during initialization: ${error}\n` }]);
  });
}

test('an error at load has its stack in the answer (§9.1)', async (t) => {
  const launcher = await start(t);
  const { status, body } = await launcher.init(zip({ 'index.js': "throw new Error('at load');" }), { binary: true });
  assert.strictEqual(status, 502);
  assert.match(body.error, /^Initialization has failed due to: Error: at load\n +at .*index\.js:1:/);
});

const ZIP_ERROR = 'Initialization has failed due to: There was an error uncompressing the action Zip archive.';
const TAR_ERROR = 'Initialization has failed due to: There was an error uncompressing the action Tar GZ archive.';
const GOOD = Buffer.from(zip(withIndex()), 'base64');
const GOOD_TAR = Buffer.from(tarGz(withIndex()), 'base64');
const huge = 2 ** 31;

for (const [name, code, error, reason] of [
  ['a name that goes up', zip(withIndex({ name: '../x', content: 'x' })), ZIP_ERROR, /unsafe name "\.\.\/x"/],
  ['a name that goes up in the middle', zip(withIndex({ name: 'a/../../x', content: 'x' })), ZIP_ERROR, /unsafe name/],
  ['an absolute name', zip(withIndex({ name: '/tmp/x', content: 'x' })), ZIP_ERROR, /unsafe name/],
  ['a name that goes up the Windows way', zip(withIndex({ name: '..\\x', content: 'x', host: 0 })), ZIP_ERROR, /unsafe name/],
  ['a name with a null', zip(withIndex({ name: 'a\0b', content: 'x' })), ZIP_ERROR, /unsafe name/],
  ['a link without a target', zip(withIndex({ name: 'x', content: '', mode: 0o120777 })), ZIP_ERROR, /leads nowhere/],
  ['a file below a link', zip(withIndex({ name: 'd', content: '.', mode: 0o120777 }, { name: 'd/x', content: 'x' })), ZIP_ERROR, /EEXIST/],
  ['an encrypted entry', zip(withIndex({ name: 'x', content: 'x', flags: 1 })), ZIP_ERROR, /"x" is encrypted/],
  ['an unknown method', zip(withIndex({ name: 'x', content: 'x', method: 14 })), ZIP_ERROR, /unsupported method 14/],
  ['a wrong checksum', zip(withIndex({ name: 'x', content: 'x', checksum: 1 })), ZIP_ERROR, /"x" is damaged/],
  ['a size that is too small', zip(withIndex({ name: 'x', content: 'x'.repeat(1000), size: 5 })), ZIP_ERROR, /more than it says/],
  ['a size that is too large', zip(withIndex({ name: 'x', content: 'x', size: 5 })), ZIP_ERROR, /"x" is damaged/],
  ['sizes beyond all space', zip(Array.from({ length: 40_000 }, (_, i) => ({ name: `${i}`, content: '', size: huge }))), ZIP_ERROR, /does not fit/],
  ['no directory', GOOD.subarray(0, -22).toString('base64'), ZIP_ERROR, /directory is missing/],
  ['a damaged directory', Buffer.concat([GOOD.subarray(0, -6), Buffer.from([1, 0, 0, 0]), GOOD.subarray(-2)]).toString('base64'), ZIP_ERROR, /directory is damaged/],
  ['only its first bytes', Buffer.from('504b0304', 'hex').toString('base64'), ZIP_ERROR, /./],
  ['a tar name that goes up', tarGz(withIndex({ name: 'a/../../x' })), TAR_ERROR, /unsafe name/],
  ['an absolute tar name', tarGz(withIndex({ name: '/tmp/x' })), TAR_ERROR, /unsafe name/],
  ['a tar hard link that goes up', tarGz(withIndex({ name: 'x', type: '1', target: '../../../etc/passwd' })), TAR_ERROR, /unsafe name/],
  ['a long tar name that goes up', tarGz(withIndex({ name: 'L', type: 'L', content: '../x\0' }, { name: 'short' })), TAR_ERROR, /unsafe name/],
  ['a pax name that goes up', tarGz(withIndex({ name: 'x', type: 'x', content: '13 path=../x\n' }, { name: 'short' })), TAR_ERROR, /unsafe name/],
  ['a tar that is cut short', require('node:zlib').gzipSync(require('node:zlib').gunzipSync(GOOD_TAR).subarray(0, 520)).toString('base64'), TAR_ERROR, /cut short/],
  ['a tar whose header is damaged', require('node:zlib').gzipSync(Buffer.alloc(1024, 'x')).toString('base64'), TAR_ERROR, /damaged/],
  ['a gzip that is cut short', GOOD_TAR.subarray(0, 40).toString('base64'), TAR_ERROR, /./],
]) {
  test(`${name} fails the init and leaves nothing behind`, async (t) => {
    const launcher = await start(t);
    assert.deepStrictEqual((await launcher.init(code, { binary: true })).body, { error });
    const { stderr } = await launcher.end();
    assert.match(stderr.split('\n')[0], reason);
    assert.ok(stderr.endsWith(`${SENTINEL}\n`));
    assert.deepStrictEqual(fs.readdirSync(launcher.folder), []);
  });
}

for (const [name, code] of [
  ['entries stored as they are', zip(withIndex({ name: 'x', content: 'x', method: 0 }))],
  ['an empty entry and a folder', zip(withIndex({ name: 'empty' }, { name: 'dir/', method: 0 }))],
  ['a comment at its end', zip(withIndex(), { comment: 'c'.repeat(70) })],
  ['64-bit sizes', zip([{ name: 'index.js', content: INDEX, zip64: true }])],
  ['names with backslashes from Windows', zip([{ name: 'index.js', content: 'module.exports = require("./a/b.js");' }, { name: 'a\\b.js', content: INDEX, host: 0 }])],
  ['a link in its folder', zip([{ name: 'real/a.js', content: INDEX }, { name: 'links/deep/index', content: '../../real', mode: 0o120777 }, { name: 'index.js', content: "module.exports = require('./links/deep/index/a.js');" }])],
  ['links that lead out of it', zip(withIndex({ name: 'x', content: '/usr/local/bin/node', mode: 0o120777 }, { name: 'a/y', content: '../../z', mode: 0o120777 }))],
  ['a tar link that leads out of it', tarGz(withIndex({ name: 'a/x', type: '2', target: '../../y' }))],
  ['a tar link and a tar hard link', tarGz([{ name: 'a.js', content: INDEX }, { name: 'b.js', type: '1', target: 'a.js' }, { name: 'c.js', type: '2', target: 'b.js' }, { name: 'index.js', content: "module.exports = require('./c.js');" }])],
  ['long tar names of both kinds', tarGz([{ name: 'L', type: 'L', content: `${'d'.repeat(120)}/a.js\0` }, { name: 'short', content: INDEX }, { name: 'x', type: 'x', content: '17 path=index.js\n' }, { name: 'short', content: `module.exports = require('./${'d'.repeat(120)}/a.js');` }])],
  ['tar folders, devices and global headers', tarGz([{ name: 'g', type: 'g', content: '17 comment=hello\n' }, { name: 'dir/', type: '5' }, { name: 'null', type: '3' }, ...withIndex()])],
]) {
  test(`an archive with ${name} loads`, async (t) => {
    const launcher = await started(t, code, { binary: true });
    assert.deepStrictEqual((await launcher.run()).body, { from: 'index' });
  });
}

test('executable files stay executable', async (t) => {
  const files = [
    { name: 'index.js', content: "exports.main = () => ({ out: require('child_process').execFileSync('./tool').toString() });" },
    { name: 'tool', content: '#!/bin/sh\necho ran\n', mode: 0o100755 },
  ];
  for (const code of [zip(files), tarGz(files.map((file) => ({ ...file, mode: file.mode & 0o777 })))]) {
    const launcher = await started(t, code, { binary: true });
    assert.deepStrictEqual((await launcher.run()).body, { out: 'ran\n' });
  }
});

test('an ES module loads, with its function exported by name or in the default export', async (t) => {
  for (const source of ['export const main = () => ({ from: "esm" });', 'export default { main: () => ({ from: "esm" }) };', 'await null; export function main() { return { from: "esm" }; }']) {
    const launcher = await started(t, zip({ 'package.json': '{"type":"module"}', 'index.js': source }), { binary: true });
    assert.deepStrictEqual((await launcher.run()).body, { from: 'esm' });
  }
});

const installed = fs.existsSync(path.join(__dirname, '..', 'node_modules', 'openwhisk'));
const unless = installed ? {} : { skip: 'needs `npm ci` in the launcher\'s folder' };
const STOCK = "const openwhisk = require('openwhisk'); const main = () => ({ v: require('openwhisk/package.json').version.split('.')[0], k: Object.keys(openwhisk({ apihost: 'http://127.0.0.1:1', api_key: 'a:b' })).includes('actions') });";

test("source code finds the stock image's openwhisk package (§9.1 preinstalled)", unless, async (t) => {
  const launcher = await started(t, STOCK);
  assert.deepStrictEqual((await launcher.run()).body, { v: '3', k: true });
});

test("archives find the stock image's packages as well (§9.1 preinstalled)", unless, async (t) => {
  const launcher = await started(t, zip({ 'index.js': `${STOCK} exports.main = main; for (const name of ['express', 'redis', 'uuid']) require(name);` }), { binary: true });
  assert.deepStrictEqual((await launcher.run()).body, { v: '3', k: true });
});

test("ES modules find the stock image's packages as well, and their own before these (§9.1 preinstalled)", unless, async (t) => {
  const files = { 'package.json': '{"type":"module"}', 'index.js': "import openwhisk from 'openwhisk'; import uuid from 'uuid'; export const main = () => ({ openwhisk: typeof openwhisk, uuid: uuid.mine });" };
  const launcher = await started(t, zip({ ...files, 'node_modules/uuid/index.js': 'exports.mine = true;' }), { binary: true });
  assert.deepStrictEqual((await launcher.run()).body, { openwhisk: 'function', uuid: true });
});

test("`redis` is version 4, and version 3 for the arguments of that version's conductors", unless, async (t) => {
  const launcher = await started(t, `
    const { createClient, commandOptions } = require('redis');
    const main = () => {
      const old = [['redis://127.0.0.1:1', {}], [1, '127.0.0.1']].map((args) => createClient(...args));
      old.forEach((client) => client.on('error', () => {}));
      const found = { now: typeof createClient({ url: 'redis://127.0.0.1:1' }).connect, options: typeof commandOptions, old: old.map((client) => typeof client.lpushx) };
      old.forEach((client) => client.end(true));
      return { ...found, commands: require('redis-commands').list.includes('lpushx') };
    };`);
  assert.deepStrictEqual((await launcher.run()).body, { now: 'function', options: 'function', old: ['function', 'function'], commands: true });
});

test('a module that is nowhere gives the ordinary error', async (t) => {
  const launcher = await start(t);
  const { body } = await launcher.init("require('no-such-package'); function main() {}");
  assert.match(body.error, /^Initialization has failed due to: Error: Cannot find module 'no-such-package'\nRequire stack:\n- \/tmp\/action\.js/);
});

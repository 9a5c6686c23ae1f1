'use strict';

/*
 * Unpacks zip and tar.gz archives into a fresh folder. Names that would lead out of the folder, encrypted entries, wrong checksums and sizes beyond the
 * free space fail the archive as a whole: an action that is only partly there would fail later and less clearly.
 */

const fs = require('fs');

/** Where README.md has the stock image's packages installed. */
const PACKAGES = `${__dirname}/node_modules`;
const READ_ERROR = 'There was an error reading the action archive.';
const UNSUPPORTED = 'There was an error uncompressing the action archive. The file type is unsupported';
const ZIP_ERROR = 'There was an error uncompressing the action Zip archive.';
const TAR_ERROR = 'There was an error uncompressing the action Tar GZ archive.';

/** Unpacks `bytes` and returns the new folder. Throws the text callers get; the reason goes to stderr. */
function unpack(bytes) {
  const magic = bytes.subarray(0, 4).toString('hex');
  if (magic === '504b0304') return unpackWith('./zip.js', bytes, ZIP_ERROR);
  if (magic === '1f8b0808' || magic === '1f8b0800') return unpackWith('./tar.js', bytes, TAR_ERROR);
  throw UNSUPPORTED;
}

function unpackWith(reader, bytes, text) {
  let outer;
  try {
    outer = fs.realpathSync(fs.mkdtempSync(`${process.env.TMPDIR || '/tmp'}/action-`));
    offerPackages(outer);
    fs.mkdirSync(`${outer}/code`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    throw READ_ERROR;
  }
  try {
    const target = new Folder(`${outer}/code`);
    require(reader).read(bytes, target);
    target.link();
  } catch (error) {
    process.stderr.write(`${error.code === 'ERR_BUFFER_TOO_LARGE' ? 'the archive holds more than it says, or more than fits' : error.message}\n`);
    fs.rmSync(outer, { recursive: true, force: true });
    throw text;
  }
  return `${outer}/code`;
}

/** Lets ES modules find the packages beside this file: they are looked for in the folders above, whereas `require` has a way of its own. */
function offerPackages(outer) {
  if (fs.existsSync(PACKAGES)) fs.symlinkSync(PACKAGES, `${outer}/node_modules`);
}

/** A folder that is being filled. Symbolic links are made last, so that nothing is ever written through one, and may lead anywhere. */
class Folder {
  constructor(root) {
    this.root = root;
    this.made = new Set(['']);
    this.links = [];
    this.free = freeBytes(root);
  }

  /** Takes `size` bytes off the free space, before anything of that size is unpacked. */
  reserve(size) {
    this.free -= size;
    if (this.free < 0) throw new Error('the archive does not fit into the free space of the action\'s folder');
  }

  folder(name) {
    if (this.made.has(name)) return;
    fs.mkdirSync(this.inside(name), { recursive: true });
    this.made.add(name);
  }

  inside(name) {
    return `${this.root}/${name}`;
  }

  file(name, bytes, mode) {
    this.folder(parentOf(name));
    // The owner can always read and replace what was unpacked; other bits are the archive's.
    fs.writeFileSync(this.inside(name), bytes, { mode: (mode & 0o777) | 0o600 });
  }

  symlink(name, target) {
    if (target === '' || target.includes('\0')) throw new Error(`the link ${JSON.stringify(name)} leads nowhere`);
    this.links.push({ name, target });
  }

  hardlink(name, target) {
    this.folder(parentOf(name));
    fs.linkSync(this.inside(target), this.inside(name));
  }

  link() {
    for (const { name } of this.links) this.folder(parentOf(name));
    for (const { name, target } of this.links) fs.symlinkSync(target, this.inside(name));
  }
}

function parentOf(name) {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')));
}

function freeBytes(folder) {
  const { bavail, bsize } = fs.statfsSync?.(folder) ?? {};
  return bavail === undefined ? Infinity : bavail * bsize;
}

module.exports = { unpack };

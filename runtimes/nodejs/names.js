'use strict';

/* Where names and links of archive entries may lead. */

/** Returns the entry's name without `.`, empty and leading parts that mean nothing; throws when it would leave the folder. */
function safeName(name) {
  if (name.startsWith('/') || name.includes('\0')) throw new Error(`the archive holds the unsafe name ${JSON.stringify(name)}`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`the archive holds the unsafe name ${JSON.stringify(name)}`);
  return parts.join('/');
}

/**
 * Whether a link at `name` ends inside the folder whatever other links there are: it may go up only at its start, from a true folder, and not above the root.
 */
function staysInside(name, target) {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  let depth = name.split('/').length - 1;
  let down = false;
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') down = true;
    else if (down || (depth -= 1) < 0) return false;
  }
  return true;
}

module.exports = { safeName, staysInside };

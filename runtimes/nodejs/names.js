'use strict';

/* Where names of archive entries may lead. */

/** Returns the entry's name without `.`, empty and leading parts that mean nothing; throws when it would leave the folder. */
function safeName(name) {
  if (name.startsWith('/') || name.includes('\0')) throw new Error(`the archive holds the unsafe name ${JSON.stringify(name)}`);
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new Error(`the archive holds the unsafe name ${JSON.stringify(name)}`);
  return parts.join('/');
}

module.exports = { safeName };

'use strict';

/* Stacks as their readers want them: without the frames of the launcher, and without those of Node that only the launcher brought in. */

const FOLDER = `${__dirname}/`;
/** A frame in one of the launcher's files, and what follows it on its line; the packages in the folder are not the launcher. */
const OWN = new RegExp(`^ +at (?:.* \\()?${FOLDER.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}[^/()]*:\\d+:\\d+\\)?(.*)$`);
const ENGINE = /^ +at (?:.* \()?(?:node:[^()]*:\d+:\d+|<anonymous>)\)?(.*)$/;
/** What `util.inspect` writes in place of frames that the error's cause has as well. */
const REPEATED = /^ +\.\.\. \d+ lines matching cause stack trace \.\.\.(.*)$/;

/** Returns `text` without those frames. Lines that are no frames stay as they are. */
function withoutOwnFrames(text) {
  if (!text.includes(FOLDER)) return text;
  const kept = [];
  let below = false;
  for (const line of text.split('\n')) {
    const own = OWN.exec(line);
    if (own !== null) while (ENGINE.test(kept.at(-1))) kept.pop();
    const cut = own ?? (below ? (ENGINE.exec(line) ?? REPEATED.exec(line)) : null);
    below = cut !== null;
    if (!below) kept.push(line);
    else if (cut[1] !== '' && kept.length > 0) kept.push(kept.pop() + cut[1]);
  }
  return kept.join('\n');
}

module.exports = { withoutOwnFrames };

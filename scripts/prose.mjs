// Part of npm run check: the words of the pages that people read. Code, links and quotations are left out. CONTRIBUTING.md says why each
// word is banned; `node scripts/prose.mjs [FILE…]` looks at other files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder, root } from './steps.mjs';

/** What is banned, and what to write. */
const banned = [
  [/\bwhoever\b/gi, 'name the person or program'],
  [/\b(?:goes|going|go) on\b/gi, 'continues'],
  [/\btells?\b/gi, 'says, reports, prints'],
  [/\bhomes?\b(?! director)/gi, 'place, directory, device'],
  [/\b(?:was|were) [\d.,]+ (?:\S+ )?before\b/gi, 'no diary: the result alone; history is for CHANGELOG.md'],
  [/\b\w*(?:behavi|col|fav|flav|neighb|lab|hon|hum)our\w*/gi, '-or, as in behavior'],
  [
    /\b\w*(?:optim|token|normal|initial|recogn|summar|serial|organ|general|material|minim|maxim|util|real|character|emphas|synchron|vector|parallel|regular|special|capital|visual|custom)is(?:e[sdr]?|ing|ation\w*)\b/gi,
    '-ize, as in tokenize',
  ],
  [/\b(?:analys|paralys|catalys)(?:e[sdr]?|ing)\b/gi, '-yze'],
  [/\b(?:centre|metre|litre|fibre|theatre)s?\b/gi, '-er'],
  [/\b(?:label|model|cancel|travel|signal)l(?:ed|ing)\b/gi, 'one l'],
  [
    /\b(?:grey|artefacts?|licence|defence|offence|catalogue|programme|whilst|amongst)\b/gi,
    'American spelling',
  ],
];

/** Code blocks, code spans and addresses as blanks, so that lines keep their numbers. */
const withoutCode = (text) =>
  text
    .replace(/^```.*?^```/gms, (block) => block.replace(/[^\n]/g, ' '))
    .replace(/^(?: {4}|\t).*$/gm, '')
    .replace(/`[^`\n]*`/g, ' ')
    .replace(/\]\([^)]*\)/g, ']')
    .replace(/https?:\S+/g, ' ');

/** One line for each banned word: file, line, word, what to write. */
export function proseFaults(path, text) {
  return withoutCode(text)
    .split('\n')
    .flatMap((line, i) =>
      banned.flatMap(([pattern, instead]) =>
        [...line.matchAll(pattern)].map(([word]) => `${path}:${i + 1}: '${word}': ${instead}`),
      ),
    );
}

export const pages = () =>
  filesUnder(['README.md', 'CONTRIBUTING.md', 'docs'], (path) =>
    /^(?:docs\/(?:configuration\/)?)?[^/]+\.md$/.test(path),
  );

/** Reports the faults of the pages on standard error; the exit status. */
export function checkProse(paths = pages()) {
  const faults = paths.flatMap((path) => proseFaults(path, readFileSync(join(root, path), 'utf8')));
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  return faults.length === 0 ? 0 : 1;
}

if (process.argv[1] === join(root, 'scripts', 'prose.mjs')) {
  const named = process.argv.slice(2);
  process.exitCode = checkProse(named.length > 0 ? named : pages());
}

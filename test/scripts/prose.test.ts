import { expect, test } from 'vitest';

const { proseFaults } = (await import(new URL('../../scripts/prose.mjs', import.meta.url).href)) as {
  proseFaults(path: string, text: string): string[];
};

test('a banned word is named with its line and what to write', () => {
  expect(proseFaults('a.md', 'Result first.\n\nWhoever resumes it goes on.')).toEqual([
    "a.md:3: 'Whoever': name the person or program",
    "a.md:3: 'goes on': continues",
  ]);
});

test.each([
  'behaviour',
  'optimiser',
  'tokenised',
  'normalisation',
  'centre',
  'labelled',
  'analysed',
  'licence',
  'was 2.75 before',
])('%s is banned', (word) => {
  expect(proseFaults('a.md', `The ${word}.`)).toHaveLength(1);
});

test('American spelling, words that merely look alike, code and addresses pass', () => {
  const text = [
    'The optimizer, its behavior, four hours, a raised limit, an exercise, precise, otherwise, your home directory.',
    'It goes onto the stack. `whoever tells` is code, and so is',
    '',
    '    an indented normalise()',
    '```',
    'tokenise();',
    '```',
    '[a page](https://example.org/behaviour) and https://example.org/colour',
  ].join('\n');
  expect(proseFaults('a.md', text)).toEqual([]);
});

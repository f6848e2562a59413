// Parallel text of any size, to prepare: node benchmarks/synthetic_pairs.mjs DIRECTORY [--pairs 4500000] [--words 1000000] [--seed 1]
//
// Writes train.{de,en} and, of a thousand pairs each, valid and test. Sentences have 5 to 45 words and a full stop, every tenth
// word a comma. A word's frequency falls with its rank as 1/rank, over so many words for each language, of 2 to 5
// syllables; nothing else is like language. 4.5 million pairs and 2 × 10^6 words are about the size of WMT'14 English-German.
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '4500000' },
    words: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
  },
});
const [directory] = positionals;
if (directory === undefined) throw new Error('expected a directory to write to');

let state = Number(values.seed) >>> 0;
/** xorshift: a number from 0 to 2^32 - 1. */
function next() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}
for (let i = 0; i < 20; i++) next();

const consonants = [...'bcdfghjklmnprstvwz'];
const vowels = {
  de: ['a', 'e', 'i', 'o', 'u', 'ä', 'ö', 'ü', 'ei'],
  en: ['a', 'e', 'i', 'o', 'u', 'y', 'ea', 'oo', 'ou'],
};
const syllables = Object.fromEntries(
  Object.entries(vowels).map(([language, list]) => [
    language,
    consonants.flatMap((first) =>
      list.flatMap((vowel) => ['', 'n', 'r', 's', 't'].map((last) => first + vowel + last)),
    ),
  ]),
);

/** Words of a language, the frequent ones short. */
function wordsOf(language, count) {
  const list = syllables[language];
  const seen = new Set();
  while (seen.size < count) {
    let length = seen.size < 500 ? 1 : 2 + (next() % 4);
    let word = '';
    for (; length > 0; length--) word += list[next() % list.length];
    seen.add(word);
  }
  return [...seen];
}

const languages = ['de', 'en'];
const words = Object.fromEntries(
  languages.map((language) => [language, wordsOf(language, Number(values.words))]),
);

function sentence(language, length) {
  const list = words[language];
  const range = Math.log(list.length);
  let line = '';
  for (let i = 0; i < length; i++) {
    // The logarithm of the rank is uniform.
    const word = list[Math.floor(Math.exp((next() / 2 ** 32) * range)) - 1];
    line += i === 0 ? word[0].toUpperCase() + word.slice(1) : (next() % 10 === 0 ? ', ' : ' ') + word;
  }
  return `${line}.\n`;
}

mkdirSync(directory, { recursive: true });
for (const [split, pairs] of [
  ['train', Number(values.pairs)],
  ['valid', 1000],
  ['test', 1000],
]) {
  const files = languages.map((language) => openSync(join(directory, `${split}.${language}`), 'w'));
  for (let done = 0; done < pairs; ) {
    const texts = ['', ''];
    for (const end = Math.min(pairs, done + 1000); done < end; done++) {
      const length = 5 + (next() % 41);
      languages.forEach((language, side) => {
        texts[side] += sentence(language, length);
      });
    }
    for (const [side, text] of texts.entries()) writeSync(files[side], text);
  }
  files.forEach(closeSync);
}

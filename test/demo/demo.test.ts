import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DemoCorpus, demoCorpus, writeDemoCorpus } from '../../lib/demo/corpus.js';
import { english } from '../../lib/demo/english.js';
import { german } from '../../lib/demo/german.js';
import { adjectives } from '../../lib/demo/lexicon.js';
import type { Agreement, Clause, NounPhrase, Phrase } from '../../lib/demo/meaning.js';
import { nouns } from '../../lib/demo/nouns.js';
import { verbs } from '../../lib/demo/verbs.js';

const corpus = demoCorpus();
const all = (each: DemoCorpus): [german: string, english: string][] =>
  [each.train, each.valid, each.test].flatMap((split) =>
    split.german.map((line, at): [string, string] => [line, split.english[at] as string]),
  );
const pairs = all(corpus);
const hash = (lines: [string, string][]): string =>
  createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16);
const types = (lines: string[]): Set<string> =>
  new Set(lines.flatMap((line) => line.toLowerCase().match(/\p{L}+/gu) ?? []));

const of = <T>(found: T | undefined): T => {
  if (found === undefined) throw new Error('not in the tables');
  return found;
};
const verb = (infinitive: string, particle = '') =>
  of(verbs.find((each) => each.infinitive === infinitive && each.particle === particle));
const noun = (singular: string, gender?: string) =>
  of(nouns.find((each) => each.singular === singular && (!gender || each.gender === gender)));
const phrase = (singular: string, rest: Partial<NounPhrase> = {}): NounPhrase => ({
  kind: 'noun',
  noun: noun(singular),
  modifier: null,
  plural: false,
  determiner: 'definite',
  possessor: null,
  adjective: null,
  owner: null,
  relative: null,
  ...rest,
});
const pronoun = (person: 1 | 2 | 3, plural: boolean, gender: 'm' | 'f' | 'n' = 'm'): Phrase => ({
  kind: 'pronoun',
  agreement: { person, plural, natural: gender, grammatical: gender },
});
const clause = (rest: Partial<Clause> & Pick<Clause, 'verb' | 'subject'>): Clause => ({
  object: null,
  recipient: null,
  place: null,
  time: null,
  frequency: null,
  tense: 'present',
  modal: null,
  negated: false,
  ...rest,
});
const both = (sentence: Parameters<typeof german>[0]) => [german(sentence), english(sentence)];
const statement = (each: Clause, front: 'subject' | 'time' | 'object' = 'subject') =>
  both({ kind: 'statement', clause: each, front });
const old = of(adjectives.find((each) => each.predicate === 'alt'));

describe('the corpus of the demo', () => {
  it('is the same on every machine, and another for another seed', () => {
    expect(hash(pairs)).toBe('66469e21cb92ef5c');
    expect(hash(all(demoCorpus()))).toBe(hash(pairs));
    expect(hash(all(demoCorpus({ seed: 2 })))).not.toBe(hash(pairs));
  });

  it('holds no sentence twice, on either side, within or across the splits', () => {
    expect(new Set(pairs.map(([line]) => line)).size).toBe(pairs.length);
    expect(new Set(pairs.map(([, line]) => line)).size).toBe(pairs.length);
  });

  it('keeps valid and test when only the number of training pairs changes', () => {
    const small = demoCorpus({ train: 10 });
    expect(small.test).toEqual(corpus.test);
    expect(small.valid).toEqual(corpus.valid);
    expect(corpus.train.german.slice(0, 10)).toEqual(small.train.german);
  });

  it('has a vocabulary of some hundred words, nearly all of them seen in training', () => {
    const train = types(corpus.train.german);
    expect(train.size).toBeGreaterThan(700);
    expect(train.size).toBeLessThan(4000);
    const test = [...types(corpus.test.german)];
    const unseen = test.filter((word) => !train.has(word)).length / test.length;
    expect(unseen).toBeGreaterThan(0);
    expect(unseen).toBeLessThan(0.35);
    expect(types(corpus.train.english).size).toBeLessThan(train.size);
  });

  it('is written as lines that name no other file', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'rdrop-demo-'));
    try {
      await writeDemoCorpus(directory, corpus);
      const lines = (await readFile(join(directory, 'test.de'), 'utf8')).split('\n');
      expect(lines.pop()).toBe('');
      expect(lines).toEqual(corpus.test.german);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('starts each sentence with a capital and ends it with one sign', () => {
    for (const line of pairs.flat()) expect(line).toMatch(/^\p{Lu}[\p{L}' ,]*\p{L}'?[.?!]$/u);
  });
});

// The sentences were written down by hand from the grammar of both languages.
describe('the grammar of the demo', () => {
  const speaker: Agreement = { person: 1, plural: false, natural: 'm', grammatical: 'm' };
  const she: Agreement = { person: 3, plural: false, natural: 'n', grammatical: 'f' };

  it('puts the finite verb second and the particle last', () => {
    const opening = clause({
      verb: verb('machen', 'auf'),
      subject: phrase('Frau'),
      object: phrase('Koffer', { adjective: old }),
      time: { german: 'heute', english: 'today', tenses: ['present'] },
    });
    expect(statement(opening)).toEqual([
      'Die Frau macht heute den alten Koffer auf.',
      'The woman opens the old suitcase today.',
    ]);
    expect(statement(opening, 'time')).toEqual([
      'Heute macht die Frau den alten Koffer auf.',
      'Today the woman opens the old suitcase.',
    ]);
    expect(statement(opening, 'object')).toEqual([
      'Den alten Koffer macht die Frau heute auf.',
      'The woman opens the old suitcase today.',
    ]);
  });

  it('puts the verb last in a subordinate clause, particle and participle joined before it', () => {
    const main = clause({ verb: verb('schlafen'), subject: pronoun(3, false) });
    const opening = { verb: verb('machen', 'zu'), subject: pronoun(2, true), object: phrase('Tür') };
    const conjunction = { german: 'weil', english: 'because' };
    const sentence = { kind: 'subordinate', main, conjunction, first: false } as const;
    expect(both({ ...sentence, clause: clause(opening) })).toEqual([
      'Er schläft, weil ihr die Tür zumacht.',
      'He sleeps because you close the door.',
    ]);
    expect(both({ ...sentence, first: true, clause: clause({ ...opening, tense: 'past' }) })).toEqual([
      'Weil ihr die Tür zugemacht habt, schläft er.',
      'Because you closed the door, he sleeps.',
    ]);
  });

  it('inflects articles, adjectives and nouns by gender, number and case', () => {
    const giving = (recipient: Phrase, object: Phrase) =>
      statement(clause({ verb: verb('geben'), subject: pronoun(1, false), recipient, object }))[0];
    expect(giving(phrase('Kind', { plural: true, determiner: 'two' }), phrase('Buch'))).toBe(
      'Ich gebe zwei Kindern das Buch.',
    );
    expect(giving(phrase('Student'), phrase('Suppe', { determiner: 'indefinite', adjective: old }))).toBe(
      'Ich gebe dem Studenten eine alte Suppe.',
    );
    expect(
      giving(
        phrase('Lehrerin', { determiner: 'indefinite', adjective: old }),
        phrase('Brot', { determiner: 'bare', adjective: old }),
      ),
    ).toBe('Ich gebe einer alten Lehrerin altes Brot.');
  });

  it('takes the genitive for an owner and names a spouse in English', () => {
    const owner = phrase('Kind', {
      determiner: 'possessive',
      possessor: { person: 2, plural: true, natural: 'm', grammatical: 'm' },
      adjective: old,
    });
    expect(
      statement(
        clause({
          verb: verb('sehen'),
          subject: phrase('Frau', { determiner: 'possessive', possessor: speaker }),
          object: phrase('Hund', { owner }),
        }),
      ),
    ).toEqual(['Meine Frau sieht den Hund eures alten Kindes.', "My wife sees your old child's dog."]);
  });

  it('lets possessives agree with the German gender, and with the being in English', () => {
    const object = phrase('Käse', { determiner: 'possessive', possessor: she });
    expect(statement(clause({ verb: verb('fressen'), subject: phrase('Katze'), object }))).toEqual([
      'Die Katze frisst ihren Käse.',
      'The cat devours its cheese.',
    ]);
  });

  it('tells the senses of a word apart and writes compounds as one word', () => {
    const bench = phrase('Bank', { noun: of(nouns.find((each) => each.english === 'bench')), plural: true });
    const modifier = { german: 'Garten', english: 'garden', heads: [] };
    expect(
      statement(clause({ verb: verb('sehen'), subject: pronoun(1, true), object: { ...bench, modifier } })),
    ).toEqual(['Wir sehen die Gartenbänke.', 'We see the garden benches.']);
    expect(
      statement(
        clause({
          verb: verb('sehen'),
          subject: pronoun(1, true),
          object: phrase('See', { noun: noun('See', 'f') }),
        }),
      ),
    ).toEqual(['Wir sehen die See.', 'We see the sea.']);
  });

  it('negates with kein or nicht, and with do, any and yet', () => {
    const water = phrase('Wasser', { determiner: 'bare' });
    const drinking = { verb: verb('trinken'), subject: pronoun(3, false, 'f'), object: water, negated: true };
    expect(statement(clause(drinking))).toEqual(['Sie trinkt kein Wasser.', 'She does not drink any water.']);
    expect(statement(clause({ ...drinking, object: phrase('Tee'), tense: 'already' }))).toEqual([
      'Sie hat den Tee noch nicht getrunken.',
      'She has not drunk the tea yet.',
    ]);
  });

  it('asks with the case of what it asks for', () => {
    const helping = clause({ verb: verb('helfen'), subject: pronoun(2, false), object: phrase('Mann') });
    expect(both({ kind: 'question', asks: 'object', clause: helping })).toEqual([
      'Wem hilfst du?',
      'Who do you help?',
    ]);
    const lamp = clause({
      verb: verb('machen', 'an'),
      subject: pronoun(2, false),
      object: pronoun(3, false, 'n'),
    });
    expect(both({ kind: 'question', asks: 'object', clause: lamp })).toEqual([
      'Was machst du an?',
      'What do you turn on?',
    ]);
  });
});

/**
 * German: endings and word order of the demo's grammar. Verb second in main clauses, verb last in subordinate ones,
 * particles, participles and infinitives at the end of the clause.
 */
import type { Adjective, Gender } from './lexicon.js';
import {
  type Agreement,
  agreementOf,
  type Clause,
  isSomeone,
  type NounPhrase,
  type Phrase,
  type Place,
  type Sentence,
} from './meaning.js';
import type { Noun } from './nouns.js';
import type { Verb } from './verbs.js';

type Case = 'nominative' | 'accusative' | 'dative' | 'genitive';
const cases = { nominative: 0, accusative: 1, dative: 2, genitive: 3 } as const satisfies Record<
  Case,
  number
>;

/** Endings by gender m, f, n and plural; in each the four cases. */
type Endings = Record<Gender | 'p', [string, string, string, string]>;
const definiteArticle: Endings = {
  m: ['der', 'den', 'dem', 'des'],
  f: ['die', 'die', 'der', 'der'],
  n: ['das', 'das', 'dem', 'des'],
  p: ['die', 'die', 'den', 'der'],
};
const derEndings: Endings = {
  m: ['er', 'en', 'em', 'es'],
  f: ['e', 'e', 'er', 'er'],
  n: ['es', 'es', 'em', 'es'],
  p: ['e', 'e', 'en', 'er'],
};
const einEndings: Endings = {
  m: ['', 'en', 'em', 'es'],
  f: ['e', 'e', 'er', 'er'],
  n: ['', '', 'em', 'es'],
  p: ['e', 'e', 'en', 'er'],
};
const weakAdjective: Endings = {
  m: ['e', 'en', 'en', 'en'],
  f: ['e', 'e', 'en', 'en'],
  n: ['e', 'e', 'en', 'en'],
  p: ['en', 'en', 'en', 'en'],
};
const mixedAdjective: Endings = {
  m: ['er', 'en', 'en', 'en'],
  f: ['e', 'e', 'en', 'en'],
  n: ['es', 'es', 'en', 'en'],
  p: ['en', 'en', 'en', 'en'],
};
const strongAdjective: Endings = {
  m: ['er', 'en', 'em', 'en'],
  f: ['e', 'e', 'er', 'er'],
  n: ['es', 'es', 'em', 'en'],
  p: ['e', 'e', 'en', 'er'],
};

const possessiveStem = ({ person, plural, grammatical }: Agreement): string => {
  if (person === 1) return plural ? 'unser' : 'mein';
  if (person === 2) return plural ? 'euer' : 'dein';
  return plural || grammatical === 'f' ? 'ihr' : 'sein';
};

/** "euer" loses its second e before an ending. */
const withEnding = (stem: string, ending: string): string =>
  stem === 'euer' && ending !== '' ? `eur${ending}` : stem + ending;

/** The noun of a phrase with the ending of its number and case. */
function nounForm(noun: Noun, plural: boolean, grammaticalCase: Case): string {
  if (plural) {
    const form = noun.plural ?? noun.singular;
    return grammaticalCase === 'dative' && !/[ns]$/.test(form) ? `${form}n` : form;
  }
  if (noun.weak !== '' && grammaticalCase !== 'nominative') return noun.singular + noun.weak;
  if (grammaticalCase === 'genitive' && noun.gender !== 'f') {
    const short = (noun.singular.match(/[aeiouyäöü]+/gi) ?? []).length === 1;
    return `${noun.singular}${short || /(s|ß|z|x|sch)$/.test(noun.singular) ? 'es' : 's'}`;
  }
  return noun.singular;
}

function determinerAndAdjective(phrase: NounPhrase, grammaticalCase: Case, negative: boolean): string[] {
  const column = phrase.plural ? 'p' : phrase.noun.gender;
  const row = cases[grammaticalCase];
  const adjective = (endings: Endings): string[] =>
    phrase.adjective ? [inflected(phrase.adjective, endings[column][row])] : [];
  if (negative) return [`kein${einEndings[column][row]}`, ...adjective(mixedAdjective)];
  switch (phrase.determiner) {
    case 'definite':
      return [definiteArticle[column][row], ...adjective(weakAdjective)];
    case 'this':
      return [`dies${derEndings[column][row]}`, ...adjective(weakAdjective)];
    case 'every':
      return [`${phrase.plural ? 'all' : 'jed'}${derEndings[column][row]}`, ...adjective(weakAdjective)];
    case 'indefinite':
      return [`ein${einEndings[column][row]}`, ...adjective(mixedAdjective)];
    case 'possessive':
      return [
        withEnding(possessiveStem(phrase.possessor as Agreement), einEndings[column][row]),
        ...adjective(mixedAdjective),
      ];
    case 'two':
      return ['zwei', ...adjective(strongAdjective)];
    case 'many':
      return [`viel${derEndings[column][row]}`, ...adjective(strongAdjective)];
    case 'bare':
      return adjective(strongAdjective);
  }
}

const inflected = (adjective: Adjective, ending: string): string => adjective.stem + ending;

const pronouns: Record<string, [string, string, string]> = {
  '1s': ['ich', 'mich', 'mir'],
  '2s': ['du', 'dich', 'dir'],
  '3m': ['er', 'ihn', 'ihm'],
  '3f': ['sie', 'sie', 'ihr'],
  '3n': ['es', 'es', 'ihm'],
  '1p': ['wir', 'uns', 'uns'],
  '2p': ['ihr', 'euch', 'euch'],
  '3p': ['sie', 'sie', 'ihnen'],
};

const lowerFirst = (word: string): string => word.charAt(0).toLowerCase() + word.slice(1);

/** A phrase in a case; `negative` puts kein in place of its indefinite article. */
function phraseWords(phrase: Phrase, grammaticalCase: Case, negative = false): string[] {
  if (phrase.kind === 'name') return [phrase.name];
  if (phrase.kind === 'pronoun') {
    const { person, plural, grammatical } = phrase.agreement;
    const key = `${person}${plural ? 'p' : person === 3 ? grammatical : 's'}`;
    return [pronouns[key]?.[cases[grammaticalCase] as 0 | 1 | 2] as string];
  }
  const form = nounForm(phrase.noun, phrase.plural, grammaticalCase);
  const noun = phrase.modifier ? phrase.modifier.german + lowerFirst(form) : form;
  const words = [...determinerAndAdjective(phrase, grammaticalCase, negative), noun];
  if (phrase.owner) words.push(...phraseWords(phrase.owner, 'genitive'));
  if (phrase.relative) {
    const { role, clause } = phrase.relative;
    const relativeCase =
      role === 'subject' ? 'nominative' : clause.verb.frame === 'd' ? 'dative' : 'accusative';
    const column = phrase.plural ? 'p' : phrase.noun.gender;
    const pronoun =
      column === 'p' && relativeCase === 'dative' ? 'denen' : definiteArticle[column][cases[relativeCase]];
    words.push(',', pronoun, ...verbLast(clause, role), ',');
  }
  return words;
}

const contractions: Record<string, string> = { 'in dem': 'im', 'in das': 'ins', 'von dem': 'vom' };

function placeWords({ preposition, goal, phrase }: Place): string[] {
  return behind(preposition.german, phraseWords(phrase, goal ? 'accusative' : 'dative'));
}

/** A phrase behind its preposition, which may swallow the article. */
function behind(preposition: string, words: string[]): string[] {
  const short = contractions[`${preposition} ${words[0]}`];
  return short ? [short, ...words.slice(1)] : [preposition, ...words];
}

/** The present tense of a verb. */
function presentForm(verb: Pick<Verb, 'infinitive' | 'third'>, { person, plural }: Agreement): string {
  const { infinitive, third } = verb;
  if (plural && person !== 2) return infinitive;
  if (plural) {
    const stem = infinitive.slice(0, -2);
    return /[td]$/.test(stem) || third === `${stem}et` ? `${stem}et` : `${stem}t`;
  }
  if (person === 3) return third;
  if (person === 1) return infinitive === 'wissen' ? third : infinitive.slice(0, -1);
  const stem = third.endsWith('t') ? third.slice(0, -1) : third;
  return /[sßzx]$/.test(stem) ? `${stem}t` : `${stem}st`;
}

const auxiliaries = {
  haben: { s1: 'habe', s2: 'hast', s3: 'hat', p1: 'haben', p2: 'habt', p3: 'haben' },
  sein: { s1: 'bin', s2: 'bist', s3: 'ist', p1: 'sind', p2: 'seid', p3: 'sind' },
  werden: { s1: 'werde', s2: 'wirst', s3: 'wird', p1: 'werden', p2: 'werdet', p3: 'werden' },
};
const auxiliaryForm = (name: keyof typeof auxiliaries, { person, plural }: Agreement): string =>
  auxiliaries[name][`${plural ? 'p' : 's'}${person}`];

function modalForm(clause: Clause, { person, plural }: Agreement): string {
  const modal = clause.modal;
  if (!modal) throw new TypeError('no modal');
  const past = clause.tense === 'past' ? modal.past : null;
  const single = past ?? modal.singular;
  const many = past ? `${past}n` : modal.plural;
  if (plural) return person === 2 ? many.replace(/e?n$/, past || many === 'möchten' ? 'et' : 't') : many;
  return person === 2 ? `${single}${single.endsWith('ss') ? 't' : 'st'}` : single;
}

/** The finite verb and what closes the clause. */
function verbParts(clause: Clause, agreement: Agreement): { finite: string; end: string[]; joined: string } {
  const { verb, tense } = clause;
  const whole = verb.particle + verb.infinitive;
  if (clause.modal) return split(modalForm(clause, agreement), [whole]);
  if (tense === 'future') return split(auxiliaryForm('werden', agreement), [whole]);
  if (tense === 'past' || tense === 'already')
    return split(auxiliaryForm(verb.auxiliary, agreement), [verb.participle]);
  const finite = presentForm(verb, agreement);
  return verb.particle === ''
    ? split(finite, [])
    : { finite, end: [verb.particle], joined: verb.particle + finite };
}
/** joined: how end and finite verb stand at the end of a subordinate clause. */
const split = (finite: string, end: string[]) => ({ finite, end, joined: [...end, finite].join(' ') });

/** An indefinite object of a negated clause takes kein, and then there is no nicht. */
export const negatesObject = (clause: Clause): boolean =>
  clause.negated &&
  clause.object?.kind === 'noun' &&
  (clause.object.determiner === 'indefinite' || clause.object.determiner === 'bare');

type Part = 'subject' | 'object' | 'recipient' | 'place' | 'time';

/** Everything between the finite verb and the end of the clause, without the parts in `without`. */
function middle(clause: Clause, without: readonly Part[]): string[] {
  const { verb, object, recipient } = clause;
  const has = (part: Part): boolean => !without.includes(part);
  const words: string[] = [];
  if (has('subject')) words.push(...phraseWords(clause.subject, 'nominative'));
  const objectWords = object && has('object') ? objectPhrase(clause) : [];
  const light = object?.kind === 'pronoun' && !verb.preposition;
  if (light) words.push(...objectWords);
  if (recipient && has('recipient')) words.push(...phraseWords(recipient, 'dative'));
  if (clause.time && has('time')) words.push(clause.time.german);
  if (clause.tense === 'progressive') words.push('gerade');
  if (clause.tense === 'already' && !clause.negated) words.push('schon');
  if (clause.tense === 'already' && negatesObject(clause)) words.push('noch');
  if (clause.frequency) words.push(clause.frequency.german);
  if (!light && !verb.preposition) words.push(...objectWords);
  if (clause.negated && !negatesObject(clause)) {
    words.push(...(clause.tense === 'already' ? ['noch', 'nicht'] : ['nicht']));
  }
  if (verb.preposition) words.push(...objectWords);
  if (clause.place && has('place')) words.push(...placeWords(clause.place));
  return words;
}

function objectPhrase(clause: Clause): string[] {
  const { verb, object } = clause;
  if (!object) return [];
  const grammaticalCase = verb.preposition?.case ?? (verb.frame === 'd' ? 'dative' : 'accusative');
  const words = phraseWords(object, grammaticalCase, negatesObject(clause));
  return verb.preposition ? behind(verb.preposition.german, words) : words;
}

/** A subordinate clause behind its conjunction or relative pronoun. */
function verbLast(clause: Clause, without?: 'subject' | 'object'): string[] {
  const { joined } = verbParts(clause, agreementOf(clause.subject));
  return [...middle(clause, without ? [without] : []), joined];
}

function verbSecond(clause: Clause, front: string[], without: readonly Part[]): string[] {
  const { finite, end } = verbParts(clause, agreementOf(clause.subject));
  return [...front, finite, ...middle(clause, without), ...end];
}

const questionWords = { time: 'wann', reason: 'warum' } as const;

function sentenceWords(sentence: Sentence): string[] {
  switch (sentence.kind) {
    case 'statement': {
      const { clause, front } = sentence;
      return [...verbSecond(clause, frontWords(clause, front), [front]), '.'];
    }
    case 'question':
      return [...question(sentence.clause, sentence.asks), '?'];
    case 'order': {
      const plural: Agreement = { person: 2, plural: true, natural: 'm', grammatical: 'm' };
      const { finite, end } = verbParts(sentence.clause, plural);
      return [finite, ...middle(sentence.clause, ['subject']), ...end, '!'];
    }
    case 'subordinate': {
      const clause = [sentence.conjunction.german, ...verbLast(sentence.clause)];
      return sentence.first
        ? [...clause, ',', ...verbSecond(sentence.main, [], []), '.']
        : [
            ...verbSecond(sentence.main, frontWords(sentence.main, 'subject'), ['subject']),
            ',',
            ...clause,
            '.',
          ];
    }
    case 'report': {
      const { main, clause } = sentence;
      return [
        ...verbSecond(main, frontWords(main, 'subject'), ['subject']),
        ',',
        'dass',
        ...verbLast(clause),
        '.',
      ];
    }
    case 'comparison': {
      const { subject, adjective, than, negated } = sentence;
      const words = [...phraseWords(subject, 'nominative'), auxiliaryForm('sein', agreementOf(subject))];
      if (negated) words.push('nicht');
      if (!than) return [...words, adjective.predicate, '.'];
      return [...words, adjective.comparative, 'als', ...phraseWords(than, 'nominative'), '.'];
    }
  }
}

function frontWords(clause: Clause, front: 'subject' | 'time' | 'object' | 'place'): string[] {
  if (front === 'time' && clause.time) return [clause.time.german];
  if (front === 'object') return objectPhrase(clause);
  if (front === 'place' && clause.place) return placeWords(clause.place);
  return phraseWords(clause.subject, 'nominative');
}

function question(clause: Clause, asks: (Sentence & { kind: 'question' })['asks']): string[] {
  if (asks === 'yes') return verbSecond(clause, [], []);
  if (asks === 'subject') return verbSecond(clause, ['wer'], ['subject']);
  if (asks === 'place') return verbSecond(clause, [clause.place?.goal ? 'wohin' : 'wo'], ['place']);
  if (asks === 'object') {
    const someone = clause.object !== null && isSomeone(clause.object);
    const word = clause.verb.frame === 'd' ? 'wem' : someone ? 'wen' : 'was';
    return verbSecond(clause, [word], ['object']);
  }
  return verbSecond(clause, [questionWords[asks]], asks === 'time' ? ['time'] : []);
}

/** Joins words to a sentence: first letter large, no space before a sign, no comma before another sign. */
export function written(words: readonly string[]): string {
  const text = words
    .join(' ')
    .replace(/ , (?=[,.?!])/g, ' ')
    .replace(/ ([,.?!])/g, '$1');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The German of a sentence. */
export const german = (sentence: Sentence): string => written(sentenceWords(sentence));

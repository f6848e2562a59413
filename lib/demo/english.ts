/**
 * English: word order, do-support and inflection of the demo's grammar, from the same meaning as demo_german.ts.
 */
import { negatesObject, written } from './german.js';
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

const possessives = (agreement: Agreement): string => {
  if (agreement.person === 1) return agreement.plural ? 'our' : 'my';
  if (agreement.person === 2) return 'your';
  if (agreement.plural) return 'their';
  return { m: 'his', f: 'her', n: 'its' }[agreement.natural];
};

const subjectPronouns = { '1s': 'I', '2s': 'you', '1p': 'we', '2p': 'you', '3p': 'they' };
const objectPronouns = { '1s': 'me', '2s': 'you', '1p': 'us', '2p': 'you', '3p': 'them' };

function pronoun({ person, plural, natural }: Agreement, subject: boolean): string {
  if (person === 3 && !plural) {
    return subject ? { m: 'he', f: 'she', n: 'it' }[natural] : { m: 'him', f: 'her', n: 'it' }[natural];
  }
  const key = `${person}${plural ? 'p' : 's'}` as keyof typeof subjectPronouns;
  return (subject ? subjectPronouns : objectPronouns)[key];
}

const article = (next: string): string => (/^[aeiou]/.test(next) ? 'an' : 'a');

/** negative: after "not", where a bare noun takes "any". */
function phraseWords(phrase: Phrase, subject: boolean, negative = false): string[] {
  if (phrase.kind === 'name') return [phrase.name];
  if (phrase.kind === 'pronoun') return [pronoun(phrase.agreement, subject)];
  const rest: string[] = [];
  if (phrase.adjective) rest.push(phrase.adjective.english);
  if (phrase.modifier) rest.push(phrase.modifier.english);
  rest.push(nounForm(phrase));
  const words = [...determiner(phrase, rest[0] as string, negative), ...rest];
  if (phrase.relative) {
    const { role, clause } = phrase.relative;
    words.push(
      role === 'subject' && phrase.noun.category === 'person' ? 'who' : 'that',
      ...clauseWords(clause, role),
    );
  }
  return words;
}

/** "Mein Mann" is my husband, "der Mann" the man. */
const spouses: Record<string, [string, string]> = { Mann: ['husband', 'husbands'], Frau: ['wife', 'wives'] };

function nounForm({ noun, plural, determiner, owner }: NounPhrase): string {
  const spouse = determiner === 'possessive' || owner ? spouses[noun.singular] : undefined;
  const [one, many] = spouse ?? [noun.english, noun.englishPlural];
  return plural ? many : one;
}

function determiner(phrase: NounPhrase, next: string, negative: boolean): string[] {
  if (phrase.owner) {
    const owner = phraseWords(phrase.owner, false);
    const last = owner.pop() as string;
    return [...owner, phrase.owner.plural && last.endsWith('s') ? `${last}'` : `${last}'s`];
  }
  switch (phrase.determiner) {
    case 'definite':
      return ['the'];
    case 'this':
      return [phrase.plural ? 'these' : 'this'];
    case 'every':
      return [phrase.plural ? 'all' : 'every'];
    case 'indefinite':
      return [article(next)];
    case 'possessive':
      return [possessives(phrase.possessor as Agreement)];
    case 'two':
      return ['two'];
    case 'many':
      return ['many'];
    case 'bare':
      return negative ? ['any'] : [];
  }
}

const placeWords = ({ preposition, goal, phrase }: Place): string[] => [
  goal ? preposition.whereTo : preposition.where,
  ...phraseWords(phrase, false),
];

const withFirst = (verb: string, change: (word: string) => string): string => {
  const [first = '', ...rest] = verb.split(' ');
  return [change(first), ...rest].join(' ');
};

const thirdPerson = (word: string): string => {
  if (word === 'have') return 'has';
  if (/(s|sh|ch|x|^go|^do)$/.test(word)) return `${word}es`;
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : `${word}s`;
};

const doubling = new Set(['sit', 'run', 'get', 'put', 'shut', 'stop', 'win', 'begin', 'forget']);
const progressive = (word: string): string => {
  if (doubling.has(word)) return `${word}${word.at(-1)}ing`;
  return /[^e]e$/.test(word) ? `${word.slice(0, -1)}ing` : `${word}ing`;
};

const be = ({ person, plural }: Agreement, past: boolean): string => {
  if (plural || person === 2) return past ? 'were' : 'are';
  if (person === 1) return past ? 'was' : 'am';
  return past ? 'was' : 'is';
};
const finite = (verb: string, agreement: Agreement): string =>
  agreement.person === 3 && !agreement.plural ? withFirst(verb, thirdPerson) : verb;

interface VerbGroup {
  /** What comes before "not" and before the subject of a question; null where only do would serve. */
  auxiliary: string | null;
  /** Behind the auxiliary, or inflected where there is none. */
  main: string;
  /** Behind do, does, did. */
  base: string;
  do: string;
}

function verbGroup(clause: Clause, agreement: Agreement): VerbGroup {
  const { verb, tense, modal } = clause;
  const past = tense === 'past';
  const base = verb.english;
  const support = past ? 'did' : finite('do', agreement);
  const behind = (auxiliary: string, main: string): VerbGroup => ({ auxiliary, main, base, do: support });
  if (modal) {
    const words = past ? modal.englishPast : modal.english;
    if (words.startsWith('be ')) return behind(be(agreement, past), `${words.slice(3)} ${base}`);
    if (words.startsWith('would ')) return behind('would', `${words.slice(6)} ${base}`);
    if (!modal.english.endsWith(' to')) return behind(words, base);
    const main = `${past ? words : finite(modal.english, agreement)} ${base}`;
    return { auxiliary: null, main, base: `${modal.english} ${base}`, do: support };
  }
  if (tense === 'future') return behind('will', base);
  if (tense === 'progressive') return behind(be(agreement, false), withFirst(base, progressive));
  if (tense === 'already') return behind(finite('have', agreement), verb.pastParticiple);
  return { auxiliary: null, main: past ? verb.past : finite(base, agreement), base, do: support };
}

const separable = new Set(['on', 'off', 'up', 'down', 'away', 'along', 'in']);

/** Verb and object: a pronoun stands before the particle of a phrasal verb (turns it on). */
function verbAndObject(verb: string, clause: Clause, withObject: boolean): string[] {
  if (!clause.object || !withObject) return [verb];
  const words = phraseWords(clause.object, false, negatesObject(clause));
  if (clause.verb.preposition) return [verb, clause.verb.preposition.english, ...words];
  const parts = verb.split(' ');
  if (clause.object.kind === 'pronoun' && separable.has(parts.at(-1) as string)) {
    return [...parts.slice(0, -1), ...words, parts.at(-1) as string];
  }
  return [verb, ...words];
}

type Role = 'subject' | 'object' | 'place' | 'time' | 'reason' | 'yes';

/**
 * A clause without the part that a relative pronoun or question word stands for.
 *
 * @param inverted the auxiliary stands before the subject
 */
function clauseWords(
  clause: Clause,
  without?: Role,
  options: { inverted?: boolean; time?: boolean } = {},
): string[] {
  const agreement = agreementOf(clause.subject);
  const group = verbGroup(clause, agreement);
  const support = group.auxiliary === null && (clause.negated || options.inverted === true);
  const auxiliary = support ? group.do : group.auxiliary;
  const main = support ? group.base : group.main;
  const subject = without === 'subject' ? [] : phraseWords(clause.subject, true);
  const words: string[] = [];
  if (options.inverted && auxiliary) words.push(auxiliary);
  words.push(...subject);
  if (!options.inverted && auxiliary) words.push(auxiliary);
  if (clause.negated) words.push('not');
  if (clause.tense === 'already' && !clause.negated) words.push('already');
  if (clause.frequency) words.push(clause.frequency.english);
  words.push(...verbAndObject(main, clause, without !== 'object'));
  if (clause.recipient) words.push('to', ...phraseWords(clause.recipient, false));
  if (clause.place && without !== 'place') words.push(...placeWords(clause.place));
  if (clause.tense === 'already' && clause.negated) words.push('yet');
  if (clause.time && without !== 'time' && options.time !== false) words.push(clause.time.english);
  return words;
}

function sentenceWords(sentence: Sentence): string[] {
  switch (sentence.kind) {
    case 'statement': {
      const { clause, front } = sentence;
      if (front !== 'time' || !clause.time) return [...clauseWords(clause), '.'];
      return [clause.time.english, ...clauseWords(clause, undefined, { time: false }), '.'];
    }
    case 'question':
      return [...question(sentence.clause, sentence.asks), '?'];
    case 'order': {
      const { clause } = sentence;
      const imperative: Clause = { ...clause, negated: false };
      const words = verbAndObject(clause.verb.english, clause, true);
      const rest = clauseWords({ ...imperative, object: null }, 'subject').slice(1);
      return [...(clause.negated ? ['do', 'not'] : []), ...words, ...rest, '!'];
    }
    case 'subordinate': {
      const clause = [sentence.conjunction.english, ...clauseWords(sentence.clause)];
      return sentence.first
        ? [...clause, ',', ...clauseWords(sentence.main), '.']
        : [...clauseWords(sentence.main), ...clause, '.'];
    }
    case 'report':
      return [...clauseWords(sentence.main), 'that', ...clauseWords(sentence.clause), '.'];
    case 'comparison': {
      const { subject, adjective, than, negated } = sentence;
      const words = [...phraseWords(subject, true), be(agreementOf(subject), false)];
      if (negated) words.push('not');
      if (!than) return [...words, adjective.english, '.'];
      return [...words, adjective.englishComparative, 'than', ...phraseWords(than, false), '.'];
    }
  }
}

function question(clause: Clause, asks: Role): string[] {
  if (asks === 'subject') return ['who', ...clauseWords(clause, 'subject')];
  const inverted = clauseWords(clause, asks, { inverted: true });
  switch (asks) {
    case 'object':
      return [clause.object && isSomeone(clause.object) ? 'who' : 'what', ...inverted];
    case 'place':
      return ['where', ...inverted];
    case 'time':
      return ['when', ...inverted];
    case 'reason':
      return ['why', ...inverted];
    default:
      return inverted;
  }
}

/** The English of a sentence. */
export const english = (sentence: Sentence): string =>
  written(sentenceWords(sentence)).replace(/\b(can) not\b/gi, '$1not');

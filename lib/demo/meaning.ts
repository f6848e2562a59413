/**
 * What a sentence of the demo means, before it is put into words: the input of demo_german.ts and demo_english.ts.
 */
import type { Adjective, Adverbial, Gender, Modal, Preposition } from './lexicon.js';
import type { Modifier, Noun } from './nouns.js';
import type { Verb } from './verbs.js';

/** Person, number and (third person singular) gender: what agreement, pronouns and possessives need. */
export interface Agreement {
  person: 1 | 2 | 3;
  plural: boolean;
  /** Of the being: English says he, she or it. */
  natural: Gender;
  /** Of the German word: "die Katze … ihren Käse" is the cat … its cheese. */
  grammatical: Gender;
}

export type Determiner =
  | 'definite'
  | 'indefinite'
  | 'this'
  | 'every'
  | 'two'
  | 'many'
  | 'bare'
  | 'possessive';

export interface NounPhrase {
  kind: 'noun';
  noun: Noun;
  modifier: Modifier | null;
  plural: boolean;
  determiner: Determiner;
  /** Whose it is: only with the determiner 'possessive'. */
  possessor: Agreement | null;
  adjective: Adjective | null;
  /** "das Buch meines Bruders", my brother's book; never itself with an owner or a relative clause. */
  owner: NounPhrase | null;
  relative: RelativeClause | null;
}

export type Phrase =
  | { kind: 'pronoun'; agreement: Agreement }
  | { kind: 'name'; name: string; gender: Gender }
  | NounPhrase;

export interface RelativeClause {
  /** The part that the noun plays in its relative clause. */
  role: 'subject' | 'object';
  /** Its phrase of that role is ignored: the noun stands for it. */
  clause: Clause;
}

export interface Place {
  preposition: Preposition;
  /** Accusative, where to; otherwise dative, where. */
  goal: boolean;
  phrase: NounPhrase;
}

/** present: reads; progressive: is reading (gerade); past: perfect in German; already: has already read. */
export type Tense = 'present' | 'progressive' | 'past' | 'already' | 'future';

export interface Clause {
  verb: Verb;
  subject: Phrase;
  object: Phrase | null;
  /** The dative person of a verb with two objects. */
  recipient: Phrase | null;
  place: Place | null;
  time: Adverbial | null;
  frequency: Adverbial | null;
  tense: Tense;
  /** With a modal only the tenses present and past occur. */
  modal: Modal | null;
  negated: boolean;
}

export type Sentence =
  /** front: the part before the German verb; English moves the time alone. */
  | { kind: 'statement'; clause: Clause; front: 'subject' | 'time' | 'object' | 'place' }
  | { kind: 'question'; clause: Clause; asks: 'yes' | 'subject' | 'object' | 'place' | 'time' | 'reason' }
  | { kind: 'order'; clause: Clause }
  /** The subordinate clause stands first or last. */
  | {
      kind: 'subordinate';
      main: Clause;
      conjunction: { german: string; english: string };
      clause: Clause;
      first: boolean;
    }
  | { kind: 'report'; main: Clause; clause: Clause }
  | {
      kind: 'comparison';
      subject: NounPhrase;
      adjective: Adjective;
      than: NounPhrase | null;
      negated: boolean;
    };

/** The agreement that a phrase as subject asks of its verb and of possessives that refer to it. */
export function agreementOf(phrase: Phrase): Agreement {
  if (phrase.kind === 'pronoun') return phrase.agreement;
  if (phrase.kind === 'name') {
    return { person: 3, plural: false, natural: phrase.gender, grammatical: phrase.gender };
  }
  const { natural, gender } = phrase.noun;
  return { person: 3, plural: phrase.plural, natural, grammatical: gender };
}

/** Whether a question for the phrase asks who (wen, wem), not what. */
export const isSomeone = (phrase: Phrase): boolean => {
  if (phrase.kind === 'noun') return phrase.noun.category === 'person';
  return phrase.kind === 'name' || phrase.agreement.person !== 3 || phrase.agreement.natural !== 'n';
};

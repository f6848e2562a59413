/**
 * What a sentence of the demo means, before it is put into words: the input of demo_german.ts and demo_english.ts.
 */
import type {
  Adjective,
  Adverbial,
  Gender,
  Modal,
  Modifier,
  Noun,
  Preposition,
  Verb,
} from './demo_lexicon.js';

/** Person, number and (third person singular) natural gender: what agreement and possessives need. */
export interface Agreement {
  person: 1 | 2 | 3;
  plural: boolean;
  gender: Gender;
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
  | { kind: 'pronoun'; agreement: Agreement; grammatical: Gender }
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
  if (phrase.kind === 'name') return { person: 3, plural: false, gender: phrase.gender };
  return { person: 3, plural: phrase.plural, gender: phrase.noun.natural };
}

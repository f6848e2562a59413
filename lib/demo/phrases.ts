/**
 * Which phrases fill the places of the demo's clauses. A word of two senses only stands where its gender, its number or
 * what the verb asks for tells which one is meant.
 */
import { adjectives, type Category, type Gender, names, prepositions } from './lexicon.js';
import type { Agreement, Determiner, NounPhrase, Phrase, Place, RelativeClause } from './meaning.js';
import { modifiers, type Noun, nouns } from './nouns.js';
import type { DemoRandom } from './random.js';
import type { Verb } from './verbs.js';

export const person = (which: 1 | 2 | 3, plural: boolean, gender: Gender = 'm'): Agreement => ({
  person: which,
  plural,
  natural: gender,
  grammatical: gender,
});
const speakers = [person(1, false), person(2, false), person(1, true), person(2, true)];

/** Whether another sense of the same form would fit the slot too. */
const ambiguous = (noun: Noun, plural: boolean, slot: readonly Category[]): boolean =>
  nouns.some(
    (other) =>
      other !== noun &&
      slot.includes(other.category) &&
      (plural
        ? other.plural === noun.plural
        : other.singular === noun.singular && other.gender === noun.gender),
  );

export interface PhraseOptions {
  /** The subject that a possessive of the third person refers to; null in the subject itself. */
  subject: Agreement | null;
  /** Makes a relative clause; null where the phrase must have neither that nor an owner. */
  relative: ((phrase: NounPhrase) => RelativeClause | null) | null;
}

export class DemoPhrases {
  constructor(private readonly random: DemoRandom) {}

  place(goal: boolean, subject: Agreement): Place {
    const preposition = this.random.zipf(prepositions);
    let phrase = this.nounPhrase(preposition.places, { subject, relative: null });
    if (phrase.determiner === 'bare' || phrase.determiner === 'every') {
      phrase = { ...phrase, determiner: 'definite' };
    }
    return { preposition, goal, phrase };
  }

  named(): Phrase {
    return { kind: 'name', ...this.random.zipf(names) };
  }

  subject(slot: readonly Category[], relative: PhraseOptions['relative'] = null): Phrase {
    const { random } = this;
    const kind = slot.includes('person')
      ? random.weighted<'pronoun' | 'name' | 'noun'>([
          ['pronoun', 34],
          ['name', 18],
          ['noun', 48],
        ])
      : 'noun';
    if (kind === 'noun') return this.nounPhrase(slot, { subject: null, relative });
    if (kind === 'name') return this.named();
    const agreement = random.zipf([
      person(3, false, 'm'),
      person(3, false, 'f'),
      person(1, false),
      person(3, true),
      ...speakers.slice(1),
    ]);
    return { kind: 'pronoun', agreement };
  }

  object(verb: Verb, subject: Agreement, options: PhraseOptions): Phrase {
    const { random } = this;
    const people = verb.objects.includes('person');
    if (people && random.chance(0.14)) return this.named();
    if (people && random.chance(0.2)) {
      const dative = verb.frame === 'd' || verb.preposition?.case === 'dative';
      // The accusative `sie` would be her or them.
      const others = [
        person(3, false, 'm'),
        person(3, false, 'f'),
        ...(dative ? [person(3, true)] : []),
        ...speakers,
      ];
      const agreement = random.zipf(
        others.filter((other) => other.person === 3 || other.person !== subject.person),
      );
      return { kind: 'pronoun', agreement };
    }
    if (!people && verb.frame === 't' && random.chance(0.1)) {
      return { kind: 'pronoun', agreement: person(3, false, 'n') };
    }
    return this.nounPhrase(verb.objects, options);
  }

  /**
   * @param slot what the phrase may be
   * @param taken the categories among which the noun must be unambiguous
   */
  nounPhrase(slot: readonly Category[], options: PhraseOptions, taken = slot): NounPhrase {
    const { random } = this;
    const wantsPlural = random.chance(0.26);
    const noun = random.zipf(
      nouns.filter(
        (each) =>
          slot.includes(each.category) && !ambiguous(each, wantsPlural && each.plural !== null, taken),
      ),
    );
    const plural = wantsPlural && noun.plural !== null;
    const determiner = this.determiner(noun, plural);
    const heads = modifiers.filter(
      (each) => each.heads.includes(noun.category) && !noun.singular.startsWith(each.german.slice(0, 4)),
    );
    const phrase: NounPhrase = {
      kind: 'noun',
      noun,
      modifier: heads.length > 0 && random.chance(0.25) ? random.zipf(heads) : null,
      plural,
      determiner,
      possessor: determiner === 'possessive' ? this.possessor(options.subject) : null,
      adjective: null,
      owner: null,
      relative: null,
    };
    if (random.chance(0.33)) {
      const fitting = adjectives.filter((each) => each.fits.includes(noun.category));
      if (fitting.length > 0) phrase.adjective = random.zipf(fitting);
    }
    if (!options.relative) return phrase;
    if (determiner === 'definite' && random.chance(0.14)) {
      phrase.owner = {
        ...this.nounPhrase(['person'], { ...options, relative: null }),
        modifier: null,
        determiner: 'possessive',
        possessor: this.possessor(options.subject),
      };
    } else if ((determiner === 'definite' || determiner === 'indefinite') && random.chance(0.16)) {
      phrase.relative = options.relative(phrase);
    }
    return phrase;
  }

  private determiner(noun: Noun, plural: boolean): Determiner {
    if (noun.plural === null) {
      return this.random.weighted<Determiner>([
        ['definite', 38],
        ['bare', 38],
        ['possessive', 14],
        ['this', 10],
      ]);
    }
    if (plural) {
      return this.random.weighted<Determiner>([
        ['definite', 38],
        ['bare', 20],
        ['possessive', 14],
        ['this', 8],
        ['two', 8],
        ['many', 7],
        ['every', 5],
      ]);
    }
    return this.random.weighted<Determiner>([
      ['definite', 44],
      ['indefinite', 26],
      ['possessive', 16],
      ['this', 8],
      ['every', 6],
    ]);
  }

  /** The third person refers to the subject; where there is none, `ihr` is her and `sein` is his. */
  private possessor(subject: Agreement | null): Agreement {
    if (this.random.chance(0.4)) return this.random.zipf(speakers);
    if (subject?.person === 3) return subject;
    if (subject) return subject;
    return person(3, false, this.random.chance(0.5) ? 'm' : 'f');
  }
}

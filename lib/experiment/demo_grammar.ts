/**
 * Which sentences the demo's grammar makes, and how often. A sentence is unambiguous where it can be: a word of two
 * senses only stands where its gender, its number or its verb tells which one is meant.
 */
import {
  type Adverbial,
  adjectives,
  type Category,
  conjunctions,
  type Frame,
  frequencies,
  type Gender,
  modals,
  modifiers,
  type Noun,
  names,
  nouns,
  prepositions,
  times,
  type Verb,
  verbs,
} from './demo_lexicon.js';
import {
  type Agreement,
  agreementOf,
  type Clause,
  type Determiner,
  type NounPhrase,
  type Phrase,
  type Place,
  type Sentence,
  type Tense,
} from './demo_meaning.js';
import type { DemoRandom } from './demo_random.js';

const person = (which: 1 | 2 | 3, plural: boolean, gender: Gender = 'm'): Agreement => ({
  person: which,
  plural,
  gender,
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

/** English verbs without a progressive form. */
const stative = new Set(['know', 'believe', 'love', 'hear', 'see', 'understand', 'hope', 'forget']);

interface PhraseOptions {
  /** The subject that a possessive of the third person refers to; null in the subject itself. */
  subject: Agreement | null;
  /** Relative clauses and owners are allowed. */
  deep: boolean;
}

export class DemoGrammar {
  constructor(private readonly random: DemoRandom) {}

  sentence(): Sentence {
    const { random } = this;
    const kind = random.weighted<Sentence['kind']>([
      ['statement', 48],
      ['question', 14],
      ['order', 4],
      ['subordinate', 16],
      ['report', 10],
      ['comparison', 8],
    ]);
    switch (kind) {
      case 'statement':
        return this.statement();
      case 'question':
        return this.question();
      case 'order':
        return this.order();
      case 'subordinate':
        return {
          kind,
          main: this.clause({ deep: false }),
          conjunction: random.zipf(conjunctions),
          clause: this.clause({ deep: false }),
          first: random.chance(0.4),
        };
      case 'report':
        return { kind, main: this.reportingClause(), clause: this.clause({ deep: false }) };
      case 'comparison':
        return this.comparison();
    }
  }

  private statement(): Sentence {
    const clause = this.clause({ deep: true });
    const fronts: [(Sentence & { kind: 'statement' })['front'], number][] = [['subject', 50]];
    if (clause.time) fronts.push(['time', 60]);
    if (clause.place && !clause.place.goal && clause.verb.frame === 'l') fronts.push(['place', 20]);
    if (showsItsCase(clause)) fronts.push(['object', 40]);
    return { kind: 'statement', clause, front: this.random.weighted(fronts) };
  }

  private question(): Sentence {
    const { random } = this;
    const clause = this.clause({ deep: false });
    type Asks = (Sentence & { kind: 'question' })['asks'];
    const asked: [Asks, number][] = [
      ['yes', 40],
      ['reason', 12],
    ];
    if (clause.time) asked.push(['time', 25]);
    if (clause.place) asked.push(['place', 30]);
    if (clause.object && !clause.negated && (clause.verb.frame === 't' || clause.verb.frame === 'd')) {
      asked.push(['object', 25]);
    }
    if (clause.verb.subjects.includes('person')) asked.push(['subject', 15]);
    const asks = random.weighted(asked);
    if (asks !== 'subject') return { kind: 'question', clause, asks };
    const someone: Phrase = { kind: 'pronoun', agreement: person(3, false), grammatical: 'm' };
    return {
      kind: 'question',
      asks,
      clause: { ...clause, subject: someone, ...this.parts(clause.verb, someone, false) },
    };
  }

  private order(): Sentence {
    const frames: Frame[] = ['t', 'd', 'dt', 'tm', 'm'];
    const verb = this.random.zipf(
      verbs.filter((each) => frames.includes(each.frame) && each.subjects.includes('person')),
    );
    const subject: Phrase = { kind: 'pronoun', agreement: person(2, true), grammatical: 'm' };
    return {
      kind: 'order',
      clause: this.clauseOf(verb, subject, { deep: false, tense: 'present', modal: false }),
    };
  }

  private reportingClause(): Clause {
    const verb = this.random.zipf(verbs.filter((each) => each.frame === 's'));
    const tense = this.random.weighted<Tense>([
      ['present', 3],
      ['past', 2],
    ]);
    return this.clauseOf(verb, this.subject(verb.subjects, false), { deep: false, tense, modal: false });
  }

  private comparison(): Sentence {
    const { random } = this;
    const adjective = random.zipf(adjectives);
    const slot = adjectives
      .filter((other) => other.predicate === adjective.predicate)
      .flatMap((other) => other.fits);
    const phrase = (): NounPhrase => ({
      ...this.nounPhrase(adjective.fits, { subject: null, deep: false }, slot),
      adjective: null,
    });
    const than = random.chance(0.6) ? phrase() : null;
    return { kind: 'comparison', subject: phrase(), adjective, than, negated: random.chance(0.2) };
  }

  private clause(options: { deep: boolean }): Clause {
    const verb = this.random.zipf(verbs.filter((each) => each.frame !== 's'));
    return this.clauseOf(verb, this.subject(verb.subjects, options.deep), options);
  }

  private clauseOf(
    verb: Verb,
    subject: Phrase,
    options: { deep: boolean; tense?: Tense; modal?: boolean },
  ): Clause {
    const { random } = this;
    let tense =
      options.tense ??
      random.weighted<Tense>([
        ['present', 42],
        ['past', 36],
        ['future', 9],
        ['progressive', 6],
        ['already', 7],
      ]);
    if (tense === 'progressive' && stative.has(verb.english)) tense = 'present';
    const allowed = options.modal !== false && (tense === 'present' || tense === 'past');
    let modal = allowed && random.chance(0.25) ? random.zipf(modals) : null;
    if (modal && tense === 'past' && modal.past === null) modal = null;
    const negated = random.chance(0.17);
    const plain = (tense === 'present' || tense === 'past') && !negated && !modal;
    const frequency = plain && random.chance(0.16) ? this.adverbial(frequencies, tense) : null;
    const time =
      !frequency && random.chance(0.42)
        ? this.adverbial(times, modal && tense === 'present' ? 'modal' : tense)
        : null;
    return {
      verb,
      subject,
      tense,
      modal,
      negated,
      frequency,
      time,
      ...this.parts(verb, subject, options.deep),
    };
  }

  private adverbial(list: readonly Adverbial[], tense: Tense | 'modal'): Adverbial | null {
    if (tense === 'progressive' || tense === 'already') return null;
    const fitting = list.filter(({ tenses }) =>
      tense === 'modal' ? tenses.includes('present') || tenses.includes('future') : tenses.includes(tense),
    );
    return this.random.zipf(fitting);
  }

  private parts(verb: Verb, subject: Phrase, deep: boolean): Pick<Clause, 'object' | 'recipient' | 'place'> {
    const { random } = this;
    const agreement = agreementOf(subject);
    const options: PhraseOptions = { subject: agreement, deep };
    const parts: Pick<Clause, 'object' | 'recipient' | 'place'> = {
      object: null,
      recipient: null,
      place: null,
    };
    if (['t', 'd', 'dt', 'tm', 'p'].includes(verb.frame)) {
      parts.object =
        verb.frame === 'dt' ? this.nounPhrase(verb.objects, options) : this.object(verb, agreement, options);
    }
    if (verb.frame === 'dt') {
      parts.recipient = random.chance(0.2)
        ? this.named()
        : this.nounPhrase(['person'], { ...options, deep: false });
    }
    if (verb.frame === 'm' || verb.frame === 'tm') parts.place = this.place(true, agreement);
    else if (verb.frame === 'l' ? random.chance(0.75) : verb.frame === 't' && random.chance(0.08)) {
      parts.place = this.place(false, agreement);
    }
    return parts;
  }

  private place(goal: boolean, subject: Agreement): Place {
    const preposition = this.random.zipf(prepositions);
    let phrase = this.nounPhrase(preposition.places, { subject, deep: false });
    if (phrase.determiner === 'bare' || phrase.determiner === 'every') {
      phrase = { ...phrase, determiner: 'definite' };
    }
    return { preposition, goal, phrase };
  }

  private named(): Phrase {
    return { kind: 'name', ...this.random.zipf(names) };
  }

  private subject(slot: readonly Category[], deep: boolean): Phrase {
    const { random } = this;
    const kind = slot.includes('person')
      ? random.weighted<'pronoun' | 'name' | 'noun'>([
          ['pronoun', 34],
          ['name', 18],
          ['noun', 48],
        ])
      : 'noun';
    if (kind === 'noun') return this.nounPhrase(slot, { subject: null, deep });
    if (kind === 'name') return this.named();
    const agreement = random.zipf([
      person(3, false, 'm'),
      person(3, false, 'f'),
      person(1, false),
      person(3, true),
      ...speakers.slice(1),
    ]);
    return { kind: 'pronoun', agreement, grammatical: agreement.gender };
  }

  private object(verb: Verb, subject: Agreement, options: PhraseOptions): Phrase {
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
      return { kind: 'pronoun', agreement, grammatical: agreement.gender };
    }
    if (!people && verb.frame === 't' && random.chance(0.1)) {
      return { kind: 'pronoun', agreement: person(3, false, 'n'), grammatical: 'n' };
    }
    return this.nounPhrase(verb.objects, options);
  }

  private nounPhrase(slot: readonly Category[], options: PhraseOptions, taken = slot): NounPhrase {
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
    if (!options.deep) return phrase;
    if (determiner === 'definite' && random.chance(0.14)) {
      phrase.owner = {
        ...this.nounPhrase(['person'], { ...options, deep: false }),
        modifier: null,
        determiner: 'possessive',
        possessor: this.possessor(options.subject),
      };
    } else if ((determiner === 'definite' || determiner === 'indefinite') && random.chance(0.16)) {
      phrase.relative = this.relative(phrase);
    }
    return phrase;
  }

  private relative(phrase: NounPhrase): NounPhrase['relative'] {
    const { random } = this;
    const { category } = phrase.noun;
    const withSubject = verbs.filter((verb) => verb.frame !== 's' && verb.subjects.includes(category));
    const withObject = verbs.filter(
      (verb) => (verb.frame === 't' || verb.frame === 'd') && verb.objects.includes(category),
    );
    const role =
      withSubject.length > 0 && (withObject.length === 0 || random.chance(0.5)) ? 'subject' : 'object';
    const candidates = role === 'subject' ? withSubject : withObject;
    if (candidates.length === 0) return null;
    const verb = random.zipf(candidates);
    const subject = role === 'subject' ? phrase : this.subject(verb.subjects, false);
    const clause = this.clauseOf(verb, subject, { deep: false });
    return { role, clause: role === 'object' ? { ...clause, object: phrase } : clause };
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

/** Whether an object before the verb can be told from a subject: a masculine singular, or a dative. */
function showsItsCase(clause: Clause): boolean {
  const { object, verb, negated } = clause;
  if (object?.kind !== 'noun' || object.relative || object.owner || negated) return false;
  if (object.determiner === 'bare' || object.determiner === 'possessive') return false;
  if (verb.frame === 'd') return !object.plural;
  return verb.frame === 't' && !object.plural && object.noun.gender === 'm';
}

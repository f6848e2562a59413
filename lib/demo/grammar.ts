/**
 * Which sentences and clauses the demo's grammar makes, and how often. The phrases in them come from demo_phrases.ts.
 */
import { type Adverbial, adjectives, conjunctions, frequencies, modals, times } from './lexicon.js';
import {
  agreementOf,
  type Clause,
  type NounPhrase,
  type Phrase,
  type RelativeClause,
  type Sentence,
  type Tense,
} from './meaning.js';
import { DemoPhrases, type PhraseOptions, person } from './phrases.js';
import type { DemoRandom } from './random.js';
import { type Frame, type Verb, verbs } from './verbs.js';

/** English verbs without a progressive form. */
const stative = new Set(['know', 'believe', 'love', 'hear', 'see', 'understand', 'hope', 'forget']);

interface ClauseOptions {
  /** Owners and relative clauses may occur. */
  deep: boolean;
  tense?: Tense;
  /** false: no modal, no negation. */
  modal?: boolean;
  negated?: boolean;
}

export class DemoGrammar {
  private readonly phrases: DemoPhrases;

  constructor(private readonly random: DemoRandom) {
    this.phrases = new DemoPhrases(random);
  }

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
        return this.subordinate();
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

  private subordinate(): Sentence {
    const { random } = this;
    const conjunction = random.zipf(conjunctions);
    const main = this.clause({ deep: false });
    const past = main.tense === 'past' || main.tense === 'already';
    const clause = this.clause({
      deep: false,
      ...(conjunction.tense === 'present' ? { tense: 'present' } : {}),
      ...(conjunction.tense === 'same' ? { tense: past ? 'past' : 'present', negated: false } : {}),
    });
    const german = past && conjunction.past ? conjunction.past : conjunction.german;
    const { english } = conjunction;
    return {
      kind: 'subordinate',
      main,
      conjunction: { german, english },
      clause,
      first: random.chance(0.4),
    };
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
    const someone: Phrase = { kind: 'pronoun', agreement: person(3, false) };
    return {
      kind: 'question',
      asks,
      clause: { ...clause, subject: someone, ...this.parts(clause.verb, someone, false) },
    };
  }

  private order(): Sentence {
    const frames: Frame[] = ['t', 'd', 'dt', 'tm', 'm'];
    const verb = this.random.zipf(
      verbs.filter(
        (each) =>
          frames.includes(each.frame) && each.subjects.includes('person') && !stative.has(each.english),
      ),
    );
    const subject: Phrase = { kind: 'pronoun', agreement: person(2, true) };
    return {
      kind: 'order',
      clause: {
        ...this.clauseOf(verb, subject, { deep: false, tense: 'present', modal: false }),
        frequency: null,
      },
    };
  }

  private reportingClause(): Clause {
    const verb = this.random.zipf(verbs.filter((each) => each.frame === 's'));
    const tense = this.random.weighted<Tense>([
      ['present', 3],
      ['past', 2],
    ]);
    return this.clauseOf(verb, this.phrases.subject(verb.subjects), { deep: false, tense, modal: false });
  }

  private comparison(): Sentence {
    const { random } = this;
    const adjective = random.zipf(adjectives);
    const slot = adjectives
      .filter((other) => other.predicate === adjective.predicate)
      .flatMap((other) => other.fits);
    const phrase = (): NounPhrase => ({
      ...this.phrases.nounPhrase(adjective.fits, { subject: null, relative: null }, slot),
      adjective: null,
    });
    const subject = phrase();
    let than = random.chance(0.6) ? phrase() : null;
    while (than?.noun === subject.noun) than = phrase();
    return { kind: 'comparison', subject, adjective, than, negated: random.chance(0.2) };
  }

  private clause(options: ClauseOptions): Clause {
    const verb = this.random.zipf(verbs.filter((each) => each.frame !== 's'));
    const relative = options.deep ? this.relative : null;
    return this.clauseOf(verb, this.phrases.subject(verb.subjects, relative), options);
  }

  private clauseOf(verb: Verb, subject: Phrase, options: ClauseOptions): Clause {
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
    const negated = options.negated !== false && random.chance(0.17);
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
    const options: PhraseOptions = { subject: agreement, relative: deep ? this.relative : null };
    const parts: Pick<Clause, 'object' | 'recipient' | 'place'> = {
      object: null,
      recipient: null,
      place: null,
    };
    if (['t', 'd', 'dt', 'tm', 'p'].includes(verb.frame)) {
      parts.object =
        verb.frame === 'dt'
          ? this.phrases.nounPhrase(verb.objects, options)
          : this.phrases.object(verb, agreement, options);
    }
    if (verb.frame === 'dt') {
      parts.recipient = random.chance(0.2)
        ? this.phrases.named()
        : this.phrases.nounPhrase(['person'], { ...options, relative: null });
    }
    if (verb.frame === 'm' || verb.frame === 'tm') parts.place = this.phrases.place(true, agreement);
    else if (verb.infinitive === 'wohnen' || random.chance({ l: 0.75, t: 0.08 }[verb.frame as string] ?? 0)) {
      parts.place = this.phrases.place(false, agreement);
    }
    return parts;
  }

  private readonly relative = (phrase: NounPhrase): RelativeClause | null => {
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
    const subject = role === 'subject' ? phrase : this.phrases.subject(verb.subjects);
    const clause = this.clauseOf(verb, subject, { deep: false });
    return { role, clause: role === 'object' ? { ...clause, object: phrase } : clause };
  };
}

/** Whether an object before the verb can be told from a subject: a masculine singular, or a dative. */
function showsItsCase(clause: Clause): boolean {
  const { object, verb, negated } = clause;
  if (object?.kind !== 'noun' || object.relative || object.owner || negated) return false;
  if (object.determiner === 'bare' || object.determiner === 'possessive') return false;
  if (verb.frame === 'd') return !object.plural;
  return verb.frame === 't' && !object.plural && object.noun.gender === 'm';
}

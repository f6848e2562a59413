/**
 * The words of the demo's German-to-English grammar, as tables: one entry a line, columns parted by `|`. Nouns stand
 * in demo_nouns.ts, verbs in demo_verbs.ts, all others here.
 * Frequencies follow the order of a table (Zipf), so the end of each one is rare in a training set.
 */

export type Gender = 'm' | 'f' | 'n';
export type Category =
  | 'person'
  | 'animal'
  | 'food'
  | 'drink'
  | 'text'
  | 'device'
  | 'closable'
  | 'clothing'
  | 'room'
  | 'surface'
  | 'vehicle'
  | 'event'
  | 'vessel'
  | 'money'
  | 'plant';

export interface Adjective {
  predicate: string;
  /** What endings are put to. */
  stem: string;
  comparative: string;
  english: string;
  englishComparative: string;
  fits: readonly Category[];
}

export interface Adverbial {
  german: string;
  english: string;
  /** Which tenses it goes with. */
  tenses: readonly ('present' | 'past' | 'future')[];
}

/** The cells of a table. */
export const rows = (table: string): string[][] =>
  table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));

export const categories = (cell: string): Category[] => (cell === '' ? [] : (cell.split(' ') as Category[]));

/** predicate[/stem]|comparative|English|comparative|categories. */
export const adjectives: readonly Adjective[] = rows(`
alt|älter|old|older|person animal text room clothing vehicle device
neu|neuer|new|newer|text room clothing vehicle device event vessel
klein|kleiner|small|smaller|person animal room surface vessel closable
groß|größer|big|bigger|animal room surface vessel closable plant
jung|jünger|young|younger|person animal
schön|schöner|beautiful|more beautiful|room plant clothing event text
kalt|kälter|cold|colder|food drink room
heiß|heißer|hot|hotter|food drink
teuer/teur|teurer|expensive|more expensive|text clothing vehicle device vessel
müde/müd|müder|tired|more tired|person animal
rot|roter|red|redder|clothing vehicle vessel closable
lang|länger|long|longer|text event
arm|ärmer|poor|poorer|person
freundlich|freundlicher|friendly|friendlier|person
schwer|schwerer|heavy|heavier|closable surface vessel
schwer|schwerer|difficult|more difficult|text event
leicht|leichter|light|lighter|closable clothing vessel
leicht|leichter|easy|easier|event text
schnell|schneller|fast|faster|vehicle animal
reich|reicher|rich|richer|person
dunkel/dunkl|dunkler|dark|darker|room clothing
süß|süßer|sweet|sweeter|food drink
süß|süßer|cute|cuter|animal
ruhig|ruhiger|quiet|quieter|room person
kaputt|kaputter|broken|more broken|device vehicle vessel
langweilig|langweiliger|boring|more boring|event text
stark|stärker|strong|stronger|person animal
stark|stärker|strong|stronger|drink
grün|grüner|green|greener|clothing vessel plant closable
hoch/hoh|höher|high|higher|surface plant
scharf|schärfer|spicy|spicier|food
klug|klüger|clever|cleverer|person animal
leer|leerer|empty|emptier|vessel room
faul|fauler|lazy|lazier|person animal
faul|fauler|rotten|more rotten|food
schmutzig|schmutziger|dirty|dirtier|clothing vessel closable
berühmt|berühmter|famous|more famous|person text
gefährlich|gefährlicher|dangerous|more dangerous|animal vehicle
`).map(([word = '', comparative = '', english = '', englishComparative = '', fits = '']) => {
  const [predicate = '', stem = predicate] = word.split('/');
  return { predicate, stem, comparative, english, englishComparative, fits: categories(fits) };
});

export const names: readonly { name: string; gender: Gender }[] = rows(`
Anna|f
Paul|m
Maria|f
Jonas|m
Lena|f
Karl|m
Emma|f
Peter|m
Clara|f
Otto|m
`).map(([name = '', gender = '']) => ({ name, gender: gender as Gender }));

/** Time phrases: German|English|tenses. */
export const times: readonly Adverbial[] = rows(`
heute|today|present past future
morgen|tomorrow|future
gestern|yesterday|past
jeden Tag|every day|present
am Abend|in the evening|present past future
am Morgen|in the morning|present past future
letzte Woche|last week|past
nächste Woche|next week|future
jetzt|now|present
am Montag|on Monday|past future
um drei Uhr|at three o'clock|past future
vor zwei Tagen|two days ago|past
in zwei Tagen|in two days|future
jedes Jahr|every year|present
heute Abend|tonight|future
am Wochenende|at the weekend|present past future
vor einem Jahr|a year ago|past
im Sommer|in summer|present past future
nach der Arbeit|after work|present past future
in der Nacht|at night|present past
`).map(([german = '', english = '', tenses = '']) => ({
  german,
  english,
  tenses: tenses.split(' ') as Adverbial['tenses'][number][],
}));

/** Adverbs that stand before the English verb. */
export const frequencies: readonly Adverbial[] = rows(`
oft|often|present past
immer|always|present past future
manchmal|sometimes|present past
selten|rarely|present past
nie|never|present past future
meistens|usually|present past
`).map(([german = '', english = '', tenses = '']) => ({
  german,
  english,
  tenses: tenses.split(' ') as Adverbial['tenses'][number][],
}));

/** German|English with dative (where)|English with accusative (where to)|categories. */
export const prepositions = rows(`
in|in|into|room vehicle
auf|on|onto|surface
hinter|behind|behind|room plant
unter|under|under|surface plant
vor|in front of|in front of|room vehicle
neben|next to|next to|surface plant person
über|over|over|surface
`).map(([german = '', where = '', whereTo = '', places = '']) => ({
  german,
  where,
  whereTo,
  places: categories(places),
}));
export type Preposition = (typeof prepositions)[number];

export interface Modal {
  /** ich and er; the stem of wir, du and ihr. */
  singular: string;
  plural: string;
  /** ich and er in the past; null where the modal has none. */
  past: string | null;
  /** English auxiliary ('can') or the verb that stands for it ('have to'); be + participle starts with 'be'. */
  english: string;
  englishPast: string;
}

export const modals: readonly Modal[] = rows(`
kann|können|konnte|can|could
muss|müssen|musste|have to|had to
will|wollen|wollte|want to|wanted to
soll|sollen|sollte|should|be supposed to
darf|dürfen|durfte|may|be allowed to
möchte|möchten|-|would like to|-
`).map(([singular = '', plural = '', past = '', english = '', englishPast = '']) => ({
  singular,
  plural,
  past: past === '-' ? null : past,
  english,
  englishPast,
}));

/** German|English|tense of its clause: any, the present, or that of the main clause|German in the past, if another. */
export const conjunctions = rows(`
weil|because|any
wenn|when|same|als
obwohl|although|any
bevor|before|same
während|while|same
damit|so that|present
`).map(([german = '', english = '', tense = '', past = null]) => ({
  german,
  english,
  tense: tense as 'any' | 'present' | 'same',
  past,
}));

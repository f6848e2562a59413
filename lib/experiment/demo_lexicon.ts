/**
 * The words of the demo's German-to-English grammar, as tables: one entry a line, columns parted by `|`.
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

export interface Noun {
  gender: Gender;
  singular: string;
  /** null for a mass noun, which has no plural and no indefinite article. */
  plural: string | null;
  /** Ending of a weak masculine outside the nominative singular: 'n', 'en', or none. */
  weak: string;
  english: string;
  englishPlural: string;
  category: Category;
  /** Whose pronoun English uses: he, she, or it. */
  natural: Gender;
}

export interface Adjective {
  predicate: string;
  /** What endings are put to. */
  stem: string;
  comparative: string;
  english: string;
  englishComparative: string;
  fits: readonly Category[];
}

/**
 * What a verb takes: i nothing, t an accusative, d a dative, dt both, l a place (dative), m a goal (accusative),
 * tm an accusative and a goal, p an object behind a preposition, s a clause with `dass`.
 */
export type Frame = 'i' | 't' | 'd' | 'dt' | 'l' | 'm' | 'tm' | 'p' | 's';

export interface Verb {
  /** The separable particle, or ''. */
  particle: string;
  /** Without particle. */
  infinitive: string;
  third: string;
  /** With particle. */
  participle: string;
  auxiliary: 'haben' | 'sein';
  /** Base form; words behind the first one do not inflect. */
  english: string;
  past: string;
  pastParticiple: string;
  frame: Frame;
  subjects: readonly Category[];
  objects: readonly Category[];
  preposition?: { german: string; case: 'accusative' | 'dative'; english: string };
}

export interface Adverbial {
  german: string;
  english: string;
  /** Which tenses it goes with. */
  tenses: readonly ('present' | 'past' | 'future')[];
}

const rows = (table: string): string[][] =>
  table
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));

const categories = (cell: string): Category[] => (cell === '' ? [] : (cell.split(' ') as Category[]));

/**
 * gender (of the word, then of the person where it differs)|singular|plural|English|its plural|category|weak ending.
 * The same German word may stand here twice: gender or the verb's choice of category tells the senses apart.
 */
export const nouns: readonly Noun[] = rows(`
m|Mann|Männer|man|men|person
f|Frau|Frauen|woman|women|person
n|Kind|Kinder|child|children|person
m|Hund|Hunde|dog|dogs|animal
n|Buch|Bücher|book|books|text
f|Tür|Türen|door|doors|closable
n|Haus|Häuser|house|houses|room
m|Kaffee|-|coffee|-|drink
f|Tasse|Tassen|cup|cups|vessel
m|Tisch|Tische|table|tables|surface
f|Lehrerin|Lehrerinnen|teacher|teachers|person
m|Brief|Briefe|letter|letters|text
n|Brot|-|bread|-|food
f|Katze|Katzen|cat|cats|animal
m|Garten|Gärten|garden|gardens|room
m|Junge|Jungen|boy|boys|person|n
f|Küche|Küchen|kitchen|kitchens|room
n|Auto|Autos|car|cars|vehicle
f|Lampe|Lampen|lamp|lamps|device
m|Mantel|Mäntel|coat|coats|clothing
f|Bank|Banken|bank|banks|room
f|Bank|Bänke|bench|benches|surface
m|Apfel|Äpfel|apple|apples|food
n f|Mädchen|Mädchen|girl|girls|person
f|Schule|Schulen|school|schools|room
m|Arzt|Ärzte|doctor|doctors|person
f|Zeitung|Zeitungen|newspaper|newspapers|text
n|Fenster|Fenster|window|windows|closable
m|Tee|-|tea|-|drink
n|Pferd|Pferde|horse|horses|animal
m|Film|Filme|film|films|event
f|Birne|Birnen|pear|pears|food
f|Birne|Birnen|bulb|bulbs|device
m|Stuhl|Stühle|chair|chairs|surface
n|Schloss|Schlösser|castle|castles|room
n|Schloss|Schlösser|lock|locks|closable
m|Leiter|Leiter|manager|managers|person
f|Leiter|Leitern|ladder|ladders|surface
f|Stadt|Städte|town|towns|room
m|Zug|Züge|train|trains|vehicle
f|Schwester|Schwestern|sister|sisters|person
m|Bruder|Brüder|brother|brothers|person
f|Flasche|Flaschen|bottle|bottles|vessel
n|Geld|-|money|-|money
m|Baum|Bäume|tree|trees|plant
n|Hemd|Hemden|shirt|shirts|clothing
m|Nachbar|Nachbarn|neighbour|neighbours|person|n
f|Suppe|Suppen|soup|soups|food
m|See|Seen|lake|lakes|room
f|See|-|sea|-|room
n|Bett|Betten|bed|beds|surface
m|Vogel|Vögel|bird|birds|animal
f|Ärztin|Ärztinnen|doctor|doctors|person
n|Wasser|-|water|-|drink
m|Koffer|Koffer|suitcase|suitcases|closable
n|Fahrrad|Fahrräder|bicycle|bicycles|vehicle
n|Radio|Radios|radio|radios|device
f|Blume|Blumen|flower|flowers|plant
m|Schuh|Schuhe|shoe|shoes|clothing
n|Fest|Feste|party|parties|event
f|Decke|Decken|ceiling|ceilings|surface
f|Decke|Decken|blanket|blankets|clothing
m|Student|Studenten|student|students|person|en
f|Köchin|Köchinnen|cook|cooks|person
m|Wald|Wälder|forest|forests|room
n|Spiel|Spiele|game|games|event
f|Schlange|Schlangen|snake|snakes|animal
f|Schlange|Schlangen|queue|queues|room
m|Computer|Computer|computer|computers|device
f|Milch|-|milk|-|drink
n|Gedicht|Gedichte|poem|poems|text
m|Kuchen|Kuchen|cake|cakes|food
f|Kanne|Kannen|pot|pots|vessel
m|Bus|Busse|bus|buses|vehicle
f|Kiste|Kisten|box|boxes|closable
m|Bauer|Bauern|farmer|farmers|person|n
n|Konzert|Konzerte|concert|concerts|event
f|Steuer|Steuern|tax|taxes|money
n|Steuer|Steuer|wheel|wheels|vehicle
m|Hut|Hüte|hat|hats|clothing
f|Richterin|Richterinnen|judge|judges|person
m|Löwe|Löwen|lion|lions|animal|n
n|Glas|Gläser|glass|glasses|vessel
m|Käse|-|cheese|-|food
f|Kirche|Kirchen|church|churches|room
m|Saft|-|juice|-|drink
n|Dach|Dächer|roof|roofs|surface
m|Fisch|Fische|fish|fish|animal
f|Prüfung|Prüfungen|exam|exams|event
m|Band|Bände|volume|volumes|text
n|Band|Bänder|ribbon|ribbons|clothing
f n|Band|Bands|band|bands|person
n|Lamm|Lämmer|lamb|lambs|animal
m|Dieb|Diebe|thief|thieves|person
f|Brücke|Brücken|bridge|bridges|surface
m|Rock|Röcke|skirt|skirts|clothing
f|Uhr|Uhren|clock|clocks|device
m|Korb|Körbe|basket|baskets|vessel
n|Schiff|Schiffe|ship|ships|vehicle
f|Pflanze|Pflanzen|plant|plants|plant
m|Schneider|Schneider|tailor|tailors|person
f|Ziege|Ziegen|goat|goats|animal
`).map(
  ([gender = '', singular = '', plural = '', english = '', englishPlural = '', category = '', weak = '']) => {
    const [grammatical, person] = gender.split(' ') as [Gender, Gender?];
    return {
      gender: grammatical,
      singular,
      plural: plural === '-' ? null : plural,
      weak,
      english,
      englishPlural,
      category: category as Category,
      natural: person ?? (category === 'person' ? grammatical : 'n'),
    };
  },
);

/** First parts of compounds, with their linking element: German|English|categories or words of the heads. */
export const modifiers = rows(`
Kaffee|coffee|vessel
Garten|garden|closable surface animal
Küchen|kitchen|closable surface device
Tee|tea|vessel
Schul|school|text event vehicle
Holz|wood|vessel surface closable
Winter|winter|clothing
Haus|house|closable animal
Stadt|town|vehicle plant event
Wein|wine|vessel
Kinder|children's|text event clothing
Blumen|flower|vessel event
Arbeits|work|surface clothing text
Glas|glass|closable vessel
Reise|travel|text closable clothing
Leder|leather|clothing closable
Wald|forest|animal plant
Sommer|summer|clothing event
Milch|milk|vessel
Nacht|night|vehicle clothing
Kirchen|church|closable surface event
Spiel|toy|vehicle animal
Apfel|apple|food plant
Papier|paper|plant clothing
Fisch|fish|food
Wasser|water|vessel plant
Gold|gold|vessel device
Regen|rain|clothing
Königs|king's|plant animal vessel
Dorf|village|event animal
`).map(([german = '', english = '', heads = '']) => ({ german, english, heads: categories(heads) }));
export type Modifier = (typeof modifiers)[number];

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

/**
 * particle+infinitive|er-form|participle (* with sein)|English|past|participle|frame|subjects|objects.
 * One stem serves several particles: which verb it is shows at the end of the clause.
 */
export const verbs: readonly Verb[] = rows(`
sehen|sieht|gesehen|see|saw|seen|t|person animal|person animal vehicle event plant
auf+machen|macht|aufgemacht|open|opened|opened|t|person|closable
zu+machen|macht|zugemacht|close|closed|closed|t|person|closable
lesen|liest|gelesen|read|read|read|t|person|text
gehen|geht|gegangen*|go|went|gone|m|person animal|
trinken|trinkt|getrunken|drink|drank|drunk|t|person animal|drink
kaufen|kauft|gekauft|buy|bought|bought|t|person|text clothing vehicle vessel
essen|isst|gegessen|eat|ate|eaten|t|person animal|food
an+machen|macht|angemacht|turn on|turned on|turned on|t|person|device
aus+machen|macht|ausgemacht|turn off|turned off|turned off|t|person|device
schlafen|schläft|geschlafen|sleep|slept|slept|l|person animal|
helfen|hilft|geholfen|help|helped|helped|d|person|person animal
geben|gibt|gegeben|give|gave|given|dt|person|text vessel food
sagen|sagt|gesagt|say|said|said|s|person|
sitzen|sitzt|gesessen|sit|sat|sat|l|person animal|
nehmen|nimmt|genommen|take|took|taken|t|person|clothing vessel vehicle
mit+nehmen|nimmt|mitgenommen|take along|took along|taken along|t|person|clothing animal vessel
an+nehmen|nimmt|angenommen|accept|accepted|accepted|t|person|money text
suchen|sucht|gesucht|look for|looked for|looked for|t|person animal|person clothing text vessel
finden|findet|gefunden|find|found|found|t|person animal|clothing text vessel money
arbeiten|arbeitet|gearbeitet|work|worked|worked|l|person|
an+rufen|ruft|angerufen|call|called|called|t|person|person
rufen|ruft|gerufen|shout for|shouted for|shouted for|t|person|animal
an+kommen|kommt|angekommen*|arrive|arrived|arrived|i|person vehicle|
mit+kommen|kommt|mitgekommen*|come along|came along|come along|i|person animal|
wissen|weiß|gewusst|know|knew|known|s|person|
kennen|kennt|gekannt|know|knew|known|t|person|person text
warten|wartet|gewartet|wait|waited|waited|p auf accusative for|person animal|person vehicle event
zeigen|zeigt|gezeigt|show|showed|shown|dt|person|text animal clothing vehicle
legen|legt|gelegt|put|put|put|tm|person|text clothing
stellen|stellt|gestellt|put|put|put|tm|person|vessel
schreiben|schreibt|geschrieben|write|wrote|written|t|person|text
auf+schreiben|schreibt|aufgeschrieben|write down|wrote down|written down|t|person|text
ab+schreiben|schreibt|abgeschrieben|copy|copied|copied|t|person|text
verkaufen|verkauft|verkauft|sell|sold|sold|t|person|vehicle animal clothing
glauben|glaubt|geglaubt|believe|believed|believed|s|person|
ab+holen|holt|abgeholt|pick up|picked up|picked up|t|person|person vehicle
holen|holt|geholt|fetch|fetched|fetched|t|person|drink clothing
wohnen|wohnt|gewohnt|live|lived|lived|l|person|
bringen|bringt|gebracht|bring|brought|brought|dt|person|drink food text
mit+bringen|bringt|mitgebracht|bring along|brought along|brought along|t|person animal|food drink person
um+bringen|bringt|umgebracht|kill|killed|killed|t|person animal|animal person
laufen|läuft|gelaufen*|run|ran|run|m|person animal|
weg+laufen|läuft|weggelaufen*|run away|ran away|run away|i|person animal|
reparieren|repariert|repariert|repair|repaired|repaired|t|person|vehicle device closable
folgen|folgt|gefolgt*|follow|followed|followed|d|person animal|person animal vehicle
an+ziehen|zieht|angezogen|put on|put on|put on|t|person|clothing
aus+ziehen|zieht|ausgezogen|take off|took off|taken off|t|person|clothing
ein+ziehen|zieht|eingezogen*|move in|moved in|moved in|i|person|
auf+hängen|hängt|aufgehängt|hang up|hung up|hung up|t|person|clothing device
spielen|spielt|gespielt|play|played|played|l|person animal|
springen|springt|gesprungen*|jump|jumped|jumped|m|person animal|
hoffen|hofft|gehofft|hope|hoped|hoped|s|person|
danken|dankt|gedankt|thank|thanked|thanked|d|person|person
zurück+geben|gibt|zurückgegeben|return|returned|returned|t|person|text money clothing
aus+geben|gibt|ausgegeben|spend|spent|spent|t|person|money
ab+geben|gibt|abgegeben|hand in|handed in|handed in|t|person|text
sprechen|spricht|gesprochen|talk|talked|talked|p mit dative to|person|person animal
denken|denkt|gedacht|think|thought|thought|p an accusative of|person|person event money
stehen|steht|gestanden|stand|stood|stood|l|person animal|
auf+stehen|steht|aufgestanden*|get up|got up|got up|i|person animal|
verstehen|versteht|verstanden|understand|understood|understood|t|person|text person
besuchen|besucht|besucht|visit|visited|visited|t|person|person room
hören|hört|gehört|hear|heard|heard|t|person animal|person animal vehicle
auf+hören|hört|aufgehört|stop|stopped|stopped|i|person event|
zu+hören|hört|zugehört|listen to|listened to|listened to|d|person|person
an+fangen|fängt|angefangen|begin|began|begun|i|person event|
fangen|fängt|gefangen|catch|caught|caught|t|person animal|animal
ein+laden|lädt|eingeladen|invite|invited|invited|t|person|person
schenken|schenkt|geschenkt|give|gave|given|dt|person|animal clothing plant
pflanzen|pflanzt|gepflanzt|plant|planted|planted|t|person|plant
gießen|gießt|gegossen|water|watered|watered|t|person|plant
ab+fahren|fährt|abgefahren*|leave|left|left|i|vehicle person|
fahren|fährt|gefahren*|drive|drove|driven|m|person vehicle|
lieben|liebt|geliebt|love|loved|loved|t|person animal|person animal event drink
vergessen|vergisst|vergessen|forget|forgot|forgotten|t|person|clothing text money
verlieren|verliert|verloren|lose|lost|lost|t|person|money clothing event
gewinnen|gewinnt|gewonnen|win|won|won|t|person animal|event money
fressen|frisst|gefressen|devour|devoured|devoured|t|animal|food plant animal
an+sehen|sieht|angesehen|watch|watched|watched|t|person|event animal
aus+trinken|trinkt|ausgetrunken|finish|finished|finished|t|person|drink
auf+essen|isst|aufgegessen|finish|finished|finished|t|person animal|food
gehorchen|gehorcht|gehorcht|obey|obeyed|obeyed|d|person animal|person
träumen|träumt|geträumt|dream|dreamt|dreamt|p von dative of|person animal|person animal money
lachen|lacht|gelacht|laugh|laughed|laughed|p über accusative at|person|person text event
weg+werfen|wirft|weggeworfen|throw away|threw away|thrown away|t|person|food clothing text
werfen|wirft|geworfen|throw|threw|thrown|tm|person|clothing text
zahlen|zahlt|gezahlt|pay|paid|paid|t|person|money
ein+schlafen|schläft|eingeschlafen*|fall asleep|fell asleep|fallen asleep|i|person animal|
waschen|wäscht|gewaschen|wash|washed|washed|t|person|clothing vessel animal
`).map(
  ([
    word = '',
    third = '',
    participle = '',
    english = '',
    past = '',
    pastParticiple = '',
    frame = '',
    subjects = '',
    objects = '',
  ]) => {
    const [particle = '', infinitive = ''] = word.includes('+') ? word.split('+') : ['', word];
    const [kind = '', german = '', grammaticalCase = '', englishPreposition = ''] = frame.split(' ');
    const verb: Verb = {
      particle,
      infinitive,
      third,
      participle: participle.replace('*', ''),
      auxiliary: participle.endsWith('*') ? 'sein' : 'haben',
      english,
      past,
      pastParticiple,
      frame: kind as Frame,
      subjects: categories(subjects),
      objects: categories(objects),
    };
    if (kind === 'p') {
      verb.preposition = {
        german,
        case: grammaticalCase as 'accusative' | 'dative',
        english: englishPreposition,
      };
    }
    return verb;
  },
);

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

/** Conjunctions of subordinate clauses: German|English. */
export const conjunctions = rows(`
weil|because
wenn|when
obwohl|although
bevor|before
während|while
damit|so that
`).map(([german = '', english = '']) => ({ german, english }));

/** The demo's verbs. */
import { type Category, categories, rows } from './lexicon.js';

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
weg+bringen|bringt|weggebracht|take away|took away|taken away|t|person|animal vessel text
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

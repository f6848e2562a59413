/** The demo's nouns and the first parts of its compounds. */
import { type Category, categories, type Gender, rows } from './lexicon.js';

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

import type { Language } from '../languages.js';

/**
 * Words after which a full stop belongs to the word: what Moses calls non-breaking prefixes. A word with a full stop
 * inside it ("z.B", "i.e") needs no entry, the tokenizer keeps such ones anyway.
 */
export interface Abbreviations {
  /** Keep their full stop always. */
  readonly always: ReadonlySet<string>;
  /** Keep it before a number only ("No. 7", but "No."). */
  readonly beforeNumber: ReadonlySet<string>;
}

const split = (text: string) => text.trim().split(/\s+/);

const capitals = split('A B C D E F G H I J K L M N O P Q R S T U V W X Y Z');
const roman = split('I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX');
const lower = (list: string[]) => list.map((word) => word.toLowerCase());

/** Titles, ranks, institutions: both languages know the same, mostly English, ones. */
const titles = split(`
  Dr DR Prof Hon Rev Sr St Mr MR Mrs MRS Ms MS MM Messrs Mme Mlle Msgr
  Adm Brig Capt Cmdr Col Comdr Cpl Ens Gen Insp Lt Maj Pfc Pvt Sfc Sgt Supt Surg
  Asst Gov Rep Reps Sen Sens Bart Rt
  Bldg Bros Con Corp Hosp Op Ord Res Adj Adv Ph`);

const german = split(`
  bzw vs usw usf etc ggf vgl evtl bzgl dgl dergl sog sogen ca Ca ff zzt
  Mio Mrd MwSt Std Zt Chr Buchst Dkr Nr No Nos Art pp spp
  Co Ltd SA BSE jun sen`);

const english = split(`
  Drs Hr v vs rev Rs Nos Nr
  Jan Feb Mar Apr Jun Jul Aug Sep Oct Nov Dec`);

/** German ordinals are numbers with a full stop: the 3. of "am 3. Mai". */
const ordinals = Array.from({ length: 99 }, (_, i) => String(i + 1));

export const abbreviations: Readonly<Record<Language, Abbreviations>> = {
  de: {
    always: new Set([
      ...capitals,
      ...lower(capitals),
      ...roman,
      ...lower(roman),
      ...titles,
      ...german,
      ...ordinals,
    ]),
    beforeNumber: new Set(),
  },
  en: {
    always: new Set([...capitals, ...titles, ...english]),
    beforeNumber: new Set(['No', 'Art', 'pp']),
  },
};

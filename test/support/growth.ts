/** Time against length: whether a function stays near linear on texts that are made to be hard. */

/** Texts that repeat something; each with a letter in front and behind, so that runs are inside. */
export const families: Readonly<Record<string, string>> = {
  dots: '.',
  'dots apart': '. ',
  'three dots and a letter': '...a',
  'dots and quotes': '."',
  'dots and apostrophes': ".' ",
  quotes: '"',
  apostrophes: "'",
  letters: 'a',
  words: 'ab ',
  spaces: ' ',
  'no-break spaces': '\u00a0',
  'carriage returns': '\r',
  tabs: '\t',
  digits: '1',
  'numbers with commas': '1,',
  'numbers with dots': '1.',
  hyphens: '-',
  'words with hyphens': 'a-',
  abbreviations: 'Mr. ',
  entities: '&amp;',
  'pieces of words': 'a@@ ',
  'marks of the tokenizer': 'DOTMULTI.',
  'half marks': 'DOT',
  placeholders: 'THISISPROTECTED000 ',
  addresses: 'http://a.de/b/c.d ',
  'opening tags': '<a ',
  brackets: '[(',
  backslashes: '\\\\',
  ideographs: '中',
  'beyond the basic plane': '😀',
  'line feeds': '\n',
};

/** Letters and spaces in no order, the same every time. */
function noise(length: number): string {
  let state = 1;
  let text = '';
  while (text.length < length) {
    state = (state * 48271) % 2147483647;
    text += 'abcdefghij .'[state % 12];
  }
  return text;
}

export const text = (family: string, length: number): string =>
  family === 'noise' ? noise(length) : `x${families[family]!.repeat(length / families[family]!.length)}y`;

export const familyNames = [...Object.keys(families), 'noise'];

/** Milliseconds that the cores have worked for this process: other programs lengthen them less than the clock. */
const worked = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Least time of some calls, in milliseconds. */
async function least(work: () => unknown, calls: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < calls; i++) {
    const start = worked();
    try {
      await work();
    } catch {
      // To refuse a text takes time as well.
    }
    best = Math.min(best, worked() - start);
  }
  return best;
}

/** Times below this are all alike: the clock, the compiler and the collector of garbage are heard in them. */
const quiet = 3;

/**
 * The exponent e of time ~ length^e between length / 8 and length. What seems to grow too fast is measured again, with more
 * calls: a load of the machine only ever lengthens a time.
 */
export async function growthExponent(
  work: (text: string) => unknown,
  family: string,
  length: number,
  limit: number,
): Promise<number> {
  const [short, long] = [text(family, length / 8), text(family, length)];
  let [whole, part] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  let exponent = Number.POSITIVE_INFINITY;
  for (const calls of [1, 3, 6, 20]) {
    whole = Math.min(whole, await least(() => work(long), calls));
    if (whole < quiet) return 0;
    part = Math.min(part, await least(() => work(short), calls));
    exponent = Math.log(whole / Math.max(quiet, part)) / Math.log(8);
    if (exponent < limit) break;
  }
  return exponent;
}

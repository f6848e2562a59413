/** Stands in front of each text, where no n-gram reaches over, and for what only the system has. */
const none = 0;

/**
 * Adds to `counts[n - 1]` the n-grams (n = 1..counts.length) of `system` that are matched: as often as the alternative
 * with most of an n-gram has it, since each match uses one up.
 *
 * No n-gram is looked up in a table: no cache holds that of a long text. Instead the places where n-grams begin are sorted,
 * equal n-grams side by side; a stable sort by the symbol in front of each place makes (n + 1)-grams of them. N-grams
 * without a match are dropped on the way, for a longer one that holds them has none either.
 */
export function addNgramMatches<T>(
  system: readonly T[],
  alternatives: readonly (readonly T[])[],
  counts: number[],
): void {
  const { symbols, ends, bucketStarts } = joined(system, alternatives);
  const bucketEnds = bucketStarts.slice();
  const lastNgram = new Int32Array(bucketStarts.length);
  const sorted = new Int32Array(symbols.length);
  // The empty n-gram begins behind every symbol. Where another n-gram begins than at the place before, ~place is written.
  const places = symbols.map((_, at) => at + 1);
  places[0] = ~1;
  let length = places.length;
  let ngram = 0;
  for (let order = 0; order < counts.length && length > 0; order++) {
    for (let i = 0; i < length; i++) {
      let place = places[i]!;
      if (place < 0) {
        place = ~place;
        ngram++;
      }
      const symbol = symbols[--place]!;
      if (symbol === none) continue;
      sorted[bucketEnds[symbol]!++] = lastNgram[symbol] === ngram ? place : ~place;
      lastNgram[symbol] = ngram;
    }

    length = 0;
    for (let symbol = none + 1; symbol < bucketStarts.length; symbol++) {
      let start = bucketStarts[symbol]!;
      const end = bucketEnds[symbol]!;
      bucketEnds[symbol] = start;
      while (start < end) {
        let next = start + 1;
        while (next < end && sorted[next]! >= 0) next++;
        const matches = matchesAt(sorted, start, next, ends);
        counts[order]! += matches;
        if (matches === 0) start = next;
        while (start < next) places[length++] = sorted[start++]!;
      }
    }
  }
}

/** Matches of the n-gram that begins at `sorted[start]`..`sorted[next - 1]`, rising places, of which the first is marked. */
function matchesAt(sorted: Int32Array, start: number, next: number, ends: readonly number[]): number {
  let place = ~sorted[start]!;
  let text = 0;
  let count = 0;
  let most = 0;
  for (let i = start; i < next; place = sorted[++i]!) {
    while (place >= ends[text]!) {
      most = Math.max(most, count);
      count = 0;
      text++;
    }
    count++;
  }
  return text === ends.length - 1 ? Math.min(most, count) : 0;
}

/**
 * All texts in one, the system's last, their symbols numbered from 1; where each text ends; and where the places of each
 * symbol begin among all places sorted by their symbols.
 */
function joined<T>(system: readonly T[], alternatives: readonly (readonly T[])[]) {
  const texts = [...alternatives, system];
  const symbols = new Int32Array(texts.reduce((sum, text) => sum + 1 + text.length, 0));
  const numbers = new Map<T, number>();
  let at = 0;
  const ends = texts.map((text, t) => {
    at++;
    for (const symbol of text) {
      let number = numbers.get(symbol) ?? none;
      if (number === none && t < alternatives.length) {
        number = numbers.size + 1;
        numbers.set(symbol, number);
      }
      symbols[at++] = number;
    }
    return at;
  });
  const bucketStarts = new Int32Array(numbers.size + 1);
  for (const number of symbols) if (number < numbers.size) bucketStarts[number + 1]!++;
  for (let number = 1; number <= numbers.size; number++) bucketStarts[number]! += bucketStarts[number - 1]!;
  return { symbols, ends, bucketStarts };
}

/** N-grams of order n in a sequence of that length. */
export const ngramTotal = (length: number, n: number): number => Math.max(0, length - n + 1);

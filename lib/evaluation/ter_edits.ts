/**
 * The edits of translation edit rate: insertions, deletions, substitutions, and shifts of word sequences, found greedily.
 * The search is Tercom's as sacreBLEU 2.6 has it (sacrebleu/metrics/lib_ter.py), its limits included, so that the numbers
 * are the same. sacreBLEU keeps matrix rows in a cache by the words before them; every hypothesis it tries has the same
 * length, so a row depends on those words alone and the cache changes no number. Here a shifted hypothesis begins with
 * the row behind the words it shares with the unshifted one.
 */

const maxShiftSize = 10;
const maxShiftDistance = 50;
const maxCandidates = 1000;
const usualBeam = 25;
/** Larger than any distance, and still a sum of two of them fits 32 bits. */
const unreached = 1 << 29;

const match = 0;
const substitution = 1;
const insertion = 2;
const deletion = 3;

/** Edits that turn the hypothesis into the reference. */
export function translationEdits(hypothesis: readonly string[], reference: readonly string[]): number {
  if (reference.length === 0) return hypothesis.length;
  const ids = new Map<string, number>();
  const number = (words: readonly string[]) =>
    Int32Array.from(words, (word) => {
      const id = ids.get(word) ?? ids.size;
      ids.set(word, id);
      return id;
    });
  const search = new ShiftSearch(number(reference), number(hypothesis));
  return search.edits();
}

class ShiftSearch {
  readonly #reference: Int32Array;
  #words: Int32Array;
  /** Row i, from first[i] to before last[i], is what the beam computes after i words of the hypothesis. */
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  /** Where cell (i, 0) of the matrix would lie below; only the cells from first[i] to before last[i] are kept. */
  readonly #base: Int32Array;
  /** Distances and last operations of the current words; outside of what is kept a distance is unreached. */
  readonly #distances: Int32Array;
  readonly #operations: Uint8Array;
  #rows: [Int32Array, Int32Array];
  #candidates = 0;

  constructor(reference: Int32Array, hypothesis: Int32Array) {
    this.#reference = reference;
    this.#words = hypothesis;
    const columns = reference.length + 1;
    const rows = hypothesis.length + 1;
    this.#rows = [new Int32Array(columns), new Int32Array(columns)];
    this.#first = new Int32Array(rows);
    this.#last = new Int32Array(rows);
    // The beam follows the diagonal of a matrix that is not square.
    const slope = hypothesis.length > 0 ? reference.length / hypothesis.length : 1;
    const beam = usualBeam < slope / 2 ? Math.ceil(slope / 2 + usualBeam) : usualBeam;
    for (let row = 0; row < rows; row++) {
      const diagonal = Math.floor(row * slope);
      this.#first[row] = Math.max(0, diagonal - beam);
      this.#last[row] = row === rows - 1 ? columns : Math.min(columns, diagonal + beam);
    }
    this.#last[0] = columns;
    this.#base = new Int32Array(rows);
    let cells = 0;
    for (let row = 0; row < rows; row++) {
      this.#base[row] = cells - (this.#first[row] as number);
      cells += Math.max(0, (this.#last[row] as number) - (this.#first[row] as number));
    }
    this.#distances = new Int32Array(cells);
    this.#operations = new Uint8Array(cells);
  }

  edits(): number {
    for (let shifts = 0; ; shifts++) {
      const distance = this.#align();
      const shifted = this.#bestShift(distance);
      // Whatever the last shift would have gained, it is left out once too many were tried.
      if (this.#candidates >= maxCandidates || shifted === undefined) return shifts + distance;
      this.#words = shifted;
    }
  }

  /** Fills the matrix for the current words; their distance to the reference. */
  #align(): number {
    const reference = this.#reference;
    const distances = this.#distances.fill(unreached);
    const operations = this.#operations;
    const columns = reference.length + 1;
    for (let j = 0; j < columns; j++) {
      distances[j] = j;
      operations[j] = insertion;
    }
    for (let i = 1; i <= this.#words.length; i++) {
      const word = this.#words[i - 1];
      const row = this.#base[i] as number;
      const rowAbove = this.#base[i - 1] as number;
      const [start, end] = [this.#first[i] as number, this.#last[i] as number];
      const [startAbove, endAbove] = [this.#first[i - 1] as number, this.#last[i - 1] as number];
      for (let j = start; j < end; j++) {
        const above = (j < endAbove ? (distances[rowAbove + j] as number) : unreached) + 1;
        if (j === 0) {
          distances[row] = above;
          operations[row] = deletion;
          continue;
        }
        // Of equal costs the first counts: match or substitution, deletion, insertion.
        const same = word === reference[j - 1];
        const diagonal =
          j > startAbove && j <= endAbove ? (distances[rowAbove + j - 1] as number) : unreached;
        let best = diagonal + (same ? 0 : 1);
        let operation = same ? match : substitution;
        if (above < best) [best, operation] = [above, deletion];
        const left = (j > start ? (distances[row + j - 1] as number) : unreached) + 1;
        if (left < best) [best, operation] = [left, insertion];
        if (best < unreached) {
          distances[row + j] = best;
          operations[row + j] = operation;
        }
      }
    }
    return distances[distances.length - 1] as number;
  }

  /** The distance of other words of the same length; no operations are kept. */
  #distance(words: Int32Array): number {
    const reference = this.#reference;
    const columns = reference.length + 1;
    let shared = 0;
    while (shared < words.length && words[shared] === this.#words[shared]) shared++;
    let [previous, row] = this.#rows;
    const [from, to] = [this.#first[shared] as number, this.#last[shared] as number];
    const base = this.#base[shared] as number;
    previous.set(this.#distances.subarray(base + from, base + to), from);
    if (from > 0) previous[from - 1] = unreached;
    if (shared < words.length) previous.fill(unreached, to, this.#last[shared + 1]);
    for (let i = shared + 1; i <= words.length; i++) {
      const word = words[i - 1];
      const start = this.#first[i] as number;
      const end = this.#last[i] as number;
      let j = start;
      let left = unreached;
      if (start === 0) {
        left = (previous[0] as number) + 1;
        row[0] = left;
        j = 1;
      } else row[start - 1] = unreached;
      let diagonal = previous[j - 1] as number;
      for (; j < end; j++) {
        const above = previous[j] as number;
        let best = word === reference[j - 1] ? diagonal : diagonal + 1;
        if (above + 1 < best) best = above + 1;
        if (left + 1 < best) best = left + 1;
        if (best > unreached) best = unreached;
        row[j] = best;
        left = best;
        diagonal = above;
      }
      if (i < words.length) row.fill(unreached, end, this.#last[i + 1]);
      [previous, row] = [row, previous];
    }
    return previous[columns - 1] as number;
  }

  /** The words after the shift that gains most, if one gains anything. */
  #bestShift(distance: number): Int32Array | undefined {
    const words = this.#words;
    const reference = this.#reference;
    const { aligned, hypothesisErrors, referenceErrors } = this.#trace();
    let best: { gain: number; length: number; start: number; target: number; words: Int32Array } | undefined;
    const consider = (start: number, length: number, target: number): void => {
      const shifted = shift(words, start, length, target);
      const gain = distance - this.#distance(shifted);
      this.#candidates++;
      const better =
        best === undefined ||
        (gain - best.gain || length - best.length || best.start - start || best.target - target) > 0;
      if (better) best = { gain, length, start, target, words: shifted };
    };
    search: for (let start = 0; start < words.length; start++) {
      const until = Math.min(reference.length - 1, start + maxShiftDistance);
      for (let at = Math.max(0, start - maxShiftDistance); at <= until; at++) {
        const most = Math.min(maxShiftSize, words.length - start, reference.length - at);
        for (let length = 1; length <= most; length++) {
          if (words[start + length - 1] !== reference[at + length - 1]) break;
          // Both sides must have an error there, and the words must not stand where they should already.
          if (errorsIn(hypothesisErrors, start, length) === 0) continue;
          if (errorsIn(referenceErrors, at, length) === 0) continue;
          const facing = aligned[at] as number;
          if (start <= facing && facing < start + length) continue;
          let tried = -1;
          for (let offset = -1; offset < length && at + offset < reference.length; offset++) {
            const target = at + offset < 0 ? 0 : (aligned[at + offset] as number) + 1;
            if (target === tried) continue;
            tried = target;
            consider(start, length, target);
          }
          if (this.#candidates >= maxCandidates) break search;
        }
      }
    }
    return best !== undefined && best.gain > 0 ? best.words : undefined;
  }

  /**
   * What the cheapest edits say about every position: the last hypothesis word at or before a reference word (-1: none),
   * and, as running sums, the words of both sides that are not matched.
   */
  #trace(): { aligned: Int32Array; hypothesisErrors: Int32Array; referenceErrors: Int32Array } {
    let i = this.#words.length;
    let j = this.#reference.length;
    const aligned = new Int32Array(j);
    const hypothesisErrors = new Int32Array(i + 1);
    const referenceErrors = new Int32Array(j + 1);
    while (i > 0 || j > 0) {
      const operation = this.#operations[(this.#base[i] as number) + j];
      const wrong = operation === match ? 0 : 1;
      if (operation !== insertion) hypothesisErrors[i--] = wrong;
      if (operation !== deletion) {
        referenceErrors[j--] = wrong;
        aligned[j] = operation === insertion ? i - 1 : i;
      }
    }
    for (const errors of [hypothesisErrors, referenceErrors]) {
      for (let k = 1; k < errors.length; k++) errors[k] = (errors[k] as number) + (errors[k - 1] as number);
    }
    return { aligned, hypothesisErrors, referenceErrors };
  }
}

const errorsIn = (errors: Int32Array, start: number, length: number): number =>
  (errors[start + length] as number) - (errors[start] as number);

/** Moves words[start .. start + length) before `target`; a target inside them moves what follows them instead. */
function shift(words: Int32Array, start: number, length: number, target: number): Int32Array {
  const shifted = words.slice();
  const moved = words.subarray(start, start + length);
  if (target < start) {
    shifted.set(moved, target);
    shifted.set(words.subarray(target, start), target + length);
  } else {
    const passed =
      target > start + length
        ? words.subarray(start + length, target)
        : words.subarray(start + length, length + target);
    shifted.set(passed, start);
    shifted.set(moved, start + passed.length);
  }
  return shifted;
}

import { type LineReading, lineBlocks } from '../text/lines/line_reader.js';
import { asWritten } from '../text/lines/line_splitter.js';
import { quietly } from '../util/async/cleanup.js';
import { RdropError } from '../util/errors.js';
import type { Pairs } from './pairs.js';

/** Pairs of lines, a block at a time; each call begins anew. */
export type PairSource = () => AsyncIterable<Pairs<string>>;

/**
 * Reads two files whose lines belong together, block by block.
 *
 * @param reading.onBytes is called with the bytes of both files that were read.
 * @throws RdropError LINE_COUNT_MISMATCH (both numbers and paths), and as lineBlocks().
 */
export async function* pairBlocks(
  sourcePath: string,
  targetPath: string,
  { onBytes, ...reading }: LineReading = {},
): AsyncGenerator<Pairs<string>> {
  const read = [0, 0];
  const side = (path: string, at: number) =>
    new Lines(
      lineBlocks(path, {
        ...reading,
        onBytes: (bytes) => {
          read[at] = bytes;
          onBytes?.(read[0]! + read[1]!);
        },
      }),
    );
  const [source, target] = [side(sourcePath, 0), side(targetPath, 1)];
  try {
    for (;;) {
      const [a, b] = [await source.waiting(), await target.waiting()];
      const count = Math.min(a, b);
      if (count === 0) break;
      yield { source: source.take(count), target: target.take(count) };
    }
    const [a, b] = [await source.countAll(), await target.countAll()];
    if (a === b) return;
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      `the two sides of a parallel corpus need the same number of lines: ${sourcePath} has ${a}, ` +
        `${targetPath} has ${b}`,
    );
  } finally {
    await quietly(() => source.close());
    await quietly(() => target.close());
  }
}

/** The lines of blocks, in parts of any size. */
class Lines {
  readonly #blocks: AsyncGenerator<string[]>;
  #block: string[] = [];
  #at = 0;
  #taken = 0;

  constructor(blocks: AsyncGenerator<string[]>) {
    this.#blocks = blocks;
  }

  /** How many lines are at hand; 0 at the end. */
  async waiting(): Promise<number> {
    while (this.#at === this.#block.length) {
      const { value, done } = await this.#blocks.next();
      if (done) return 0;
      this.#block = value;
      this.#at = 0;
    }
    return this.#block.length - this.#at;
  }

  take(count: number): string[] {
    const start = this.#at;
    this.#at += count;
    this.#taken += count;
    return start === 0 && this.#at === this.#block.length ? this.#block : this.#block.slice(start, this.#at);
  }

  /** Reads on to the end. */
  async countAll(): Promise<number> {
    for (let left = await this.waiting(); left > 0; left = await this.waiting()) {
      this.#at += left;
      this.#taken += left;
    }
    return this.#taken;
  }

  close(): Promise<unknown> {
    return this.#blocks.return(undefined);
  }
}

/** Pairs that are in memory. */
export function pairsOf(pairs: Pairs<string>): PairSource {
  return async function* () {
    yield pairs;
  };
}

/** How the files of a prepared directory are read: as preparing wrote them; tokens may be longer than the text was. */
export const ownFiles: LineReading = {
  limits: { maxLineBytes: 2 ** 29, maxUnpackedBytes: Number.MAX_SAFE_INTEGER },
  keep: asWritten,
};

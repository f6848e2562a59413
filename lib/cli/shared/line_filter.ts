import { once } from 'node:events';
import { type LineReading, linesOfPieces } from '../../text/lines/line_reader.js';
import { LineSplitter } from '../../text/lines/line_splitter.js';
import { fileError } from '../../util/files/files.js';

export const standardInput = 'standard input';

export interface FilterStreams {
  input?: AsyncIterable<Uint8Array>;
  output?: NodeJS.WritableStream;
}

/**
 * Writes the transformed lines of standard input to standard output as they come; each ends in a line feed. A reader
 * that closes its end early ("| head") ends the work without an error. A CR is part of its line, as for the programs
 * that the filters imitate; a byte-order mark at the beginning is not.
 *
 * @throws RdropError INVALID_UTF8, TOO_LARGE, naming the line; the lines before it are written.
 */
export async function filterLines(
  transform: (line: string) => string,
  { input = process.stdin, output = process.stdout }: FilterStreams = {},
): Promise<void> {
  const transformed = async function* () {
    const splitter = new LineSplitter(standardInput, undefined, { carriageReturns: true });
    for await (const piece of input) yield* splitter.push(piece);
    yield* splitter.end();
  };
  await writeLines(transformed(), transform, output);
}

/**
 * Writes lines to standard output, transformed, each with a line feed, no faster than they are read there.
 *
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE, and what the blocks throw; a reader that is gone is no error.
 */
export async function writeLines(
  blocks: AsyncIterable<readonly string[]>,
  transform: (line: string) => string = (line) => line,
  output: NodeJS.WritableStream = process.stdout,
): Promise<void> {
  using writer = new OutputWriter(output);
  for await (const lines of blocks) {
    if (!(await writer.write(lines.map((line) => `${transform(line)}\n`).join('')))) return;
  }
  await writer.flush();
}

/** Writes to standard output no faster than it is read there. A reader that is gone is no error. */
export class OutputWriter implements Disposable {
  readonly #output: NodeJS.WritableStream;
  #failure: NodeJS.ErrnoException | null = null;
  readonly #onError = (error: NodeJS.ErrnoException) => {
    this.#failure ??= error;
  };

  constructor(output: NodeJS.WritableStream = process.stdout) {
    this.#output = output;
    output.on('error', this.#onError);
  }

  /** @returns whether anybody reads. @throws RdropError DISK_FULL */
  async write(text: string): Promise<boolean> {
    return this.#unlessGone(async () => {
      if (this.#failure === null && !this.#output.write(text)) await once(this.#output, 'drain');
      if (this.#failure !== null) throw this.#failure;
    });
  }

  /** Waits until all is written: a reader that is gone may show only then. @returns and throws as write() */
  async flush(): Promise<boolean> {
    return this.#unlessGone(
      () =>
        new Promise<void>((resolve, reject) => {
          this.#output.write('', (error) => (error ? reject(error) : resolve()));
        }),
    );
  }

  [Symbol.dispose](): void {
    this.#output.off('error', this.#onError);
  }

  async #unlessGone(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') return false;
      throw code === 'ENOSPC' ? fileError(error, 'standard output', 'write') : error;
    }
  }
}

/** The lines of standard input, block by block. @throws RdropError FILE_EMPTY, INVALID_UTF8, TOO_LARGE. */
export function inputBlocks(
  input: AsyncIterable<Uint8Array> = process.stdin,
  reading: LineReading = {},
): AsyncGenerator<string[]> {
  return linesOfPieces(input, standardInput, reading);
}

/** Blocks of a list, so that no text of all its lines is made. */
export async function* blocksOf(lines: readonly string[], size = 10_000): AsyncGenerator<readonly string[]> {
  for (let start = 0; start < lines.length; start += size) yield lines.slice(start, start + size);
}

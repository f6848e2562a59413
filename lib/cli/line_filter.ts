import { once } from 'node:events';
import { RdropError } from '../errors.js';
import { fileError, linesOf } from '../files.js';

export const standardInput = 'standard input';

export interface FilterStreams {
  input?: AsyncIterable<Uint8Array>;
  output?: NodeJS.WritableStream;
}

/**
 * Writes the transformed lines of standard input to standard output as they come; each ends in a line feed. A reader
 * that closes its end early ("| head") ends the work without an error.
 *
 * @throws RdropError INVALID_UTF8, naming the line; the lines before it are written.
 */
export async function filterLines(
  transform: (line: string) => string,
  { input = process.stdin, output = process.stdout }: FilterStreams = {},
): Promise<void> {
  let failure: NodeJS.ErrnoException | null = null;
  const onError = (error: NodeJS.ErrnoException) => {
    failure ??= error;
  };
  output.on('error', onError);
  try {
    for await (const lines of blocksOfLines(input)) {
      const text = lines.map((line) => `${transform(line)}\n`).join('');
      if (!output.write(text) && failure === null) await once(output, 'drain');
      if (failure !== null) throw failure;
    }
    // A reader that is gone may show only now.
    await new Promise<void>((resolve, reject) => {
      output.write('', (error) => (error ? reject(error) : resolve()));
    });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPIPE') throw code === 'ENOSPC' ? fileError(error, 'standard output', 'write') : error;
  } finally {
    output.off('error', onError);
  }
}

/** All lines of standard input. @throws RdropError FILE_EMPTY, INVALID_UTF8. */
export async function readInput(input: AsyncIterable<Uint8Array> = process.stdin): Promise<string[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return linesOf(Buffer.concat(chunks), standardInput);
}

/** Whole lines, as many as a chunk completes. A line may stretch over chunks, and so may a character. */
async function* blocksOfLines(input: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  let rest: Uint8Array[] = [];
  let line = 1;
  const decode = function* (bytes: Uint8Array) {
    const lines = decodeLines(bytes, line);
    yield lines.valid;
    if (lines.invalid !== null) {
      throw new RdropError('INVALID_UTF8', `${standardInput}:${lines.invalid}: not valid UTF-8`);
    }
    line += lines.valid.length;
  };
  for await (const chunk of input) {
    const end = chunk.lastIndexOf(10) + 1;
    if (end === 0) {
      rest.push(chunk);
      continue;
    }
    yield* decode(Buffer.concat([...rest, chunk.subarray(0, end)]));
    rest = end < chunk.length ? [chunk.subarray(end)] : [];
  }
  if (rest.length > 0) yield* decode(Buffer.concat(rest));
}

function decodeLines(bytes: Uint8Array, firstLine: number): { valid: string[]; invalid: number | null } {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const body = bytes.at(-1) === 10 ? bytes.subarray(0, -1) : bytes;
  try {
    return { valid: decoder.decode(body).split('\n'), invalid: null };
  } catch {
    const valid: string[] = [];
    for (let start = 0; ; ) {
      const end = body.indexOf(10, start);
      try {
        valid.push(decoder.decode(body.subarray(start, end < 0 ? undefined : end)));
      } catch {
        return { valid, invalid: firstLine + valid.length };
      }
      start = end + 1;
    }
  }
}

import type { BeamConfig, LineStreamConfig } from '../options/translation.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { asRdropError } from '../util/errors.js';
import { lineWindows } from './line_windows.js';
import { SourceEncoder } from './source_encoder.js';
import { type TextModel, translateEncoded } from './translate_encoded.js';
import type { NBestTranslation, Translation } from './translations.js';

export interface StreamWork extends LineStreamConfig {
  beam: BeamConfig;
  nBest: boolean;
  signal: AbortSignal | undefined;
  /** Called with the lines translated so far. */
  onProgress: ((done: number) => void) | undefined;
}

/** What a stream needs of the object that it belongs to. */
export interface StreamOwner {
  /** Runs what must end before the model goes. */
  working<T>(work: () => Promise<T>): Promise<T>;
  /** Streams that have begun and not ended. */
  streams: Set<TranslationStream>;
}

/** Lines of which a guess is made whether they are cut into pieces. */
const sampleLines = 2000;

/** Translations as they come; the work is done when they are asked for. */
export class TranslationStream
  implements AsyncIterableIterator<Translation | NBestTranslation>, AsyncDisposable
{
  readonly #owner: StreamOwner;
  readonly #ended = new AbortController();
  readonly #translations: AsyncGenerator<Translation | NBestTranslation, void>;
  #end: 'returned' | Error | null = null;

  /** @param begin called by the first next(); what it throws is thrown there */
  constructor(
    owner: StreamOwner,
    lines: Iterable<string> | AsyncIterable<string>,
    begin: () => [TextModel, StreamWork],
  ) {
    this.#owner = owner;
    this.#translations = this.#run(lines, begin);
  }

  next(): Promise<IteratorResult<Translation | NBestTranslation, void>> {
    return this.#owner.working(() => this.#translations.next());
  }

  /** Ends the work, also that of a next() under way, whose batch ends unseen; closes the source of the lines. */
  return(): Promise<IteratorResult<Translation | NBestTranslation, void>> {
    this.end('returned');
    return this.#owner.working(() => this.#translations.return());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Ends the work under way; the next answer is this error, or that there are no more. */
  end(how: 'returned' | Error): void {
    this.#end ??= how;
    this.#ended.abort();
  }

  async *#run(
    lines: Iterable<string> | AsyncIterable<string>,
    begin: () => [TextModel, StreamWork],
  ): AsyncGenerator<Translation | NBestTranslation, void> {
    const [subject, work] = begin();
    const { signal } = work;
    const abort = () => this.#ended.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    this.#owner.streams.add(this);
    try {
      for await (const translation of translateWindows(subject, lines, work, this.#ended.signal)) {
        yield translation;
        if (this.#end !== null) break;
        throwIfAborted(this.#ended.signal, 'the translation');
      }
    } catch (error) {
      if (this.#end === null || asRdropError(error).code !== 'ABORTED') throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#owner.streams.delete(this);
    }
    if (this.#end instanceof Error) throw this.#end;
  }
}

async function* translateWindows(
  subject: TextModel,
  lines: Iterable<string> | AsyncIterable<string>,
  { beam, nBest, window, overlong, name, onProgress }: StreamWork,
  signal: AbortSignal,
): AsyncGenerator<Translation | NBestTranslation, void> {
  const place = (line: number) => (name === undefined ? `line ${line + 1}` : `${name}:${line + 1}`);
  const encoder = new SourceEncoder(subject.pipeline, {
    most: subject.model.config.maxPositions,
    overlong,
    name: name ?? 'lines to translate',
    place,
  });
  let sample: string[] | null = [];
  let done = 0;
  const judge = () => {
    if (sample !== null && sample.length > 0) encoder.warnOfPieces(sample);
    sample = null;
  };
  try {
    for await (const some of lineWindows(lines, window, place, signal)) {
      const encoded = await encoder.encode(some, signal);
      sample?.push(...some.slice(0, Math.min(encoded.count, sampleLines - sample.length)));
      if (sample?.length === sampleLines) judge();
      const told = (translated: number) => onProgress?.(done + translated);
      const translations = await translateEncoded(subject, encoded, {
        beam,
        nBest,
        signal,
        onProgress: told,
      });
      done += encoded.count;
      onProgress?.(done);
      yield* translations;
      if (encoded.refused !== null) throw encoded.refused;
    }
  } finally {
    judge();
    encoder.warnOfOverlong();
  }
}

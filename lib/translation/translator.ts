import { checkCall, workOptions } from '../options/schema/call_options.js';
import { describe, parseConfig } from '../options/schema/parse.js';
import type { TrainConfig } from '../options/training.js';
import {
  type BeamConfig,
  type BeamOptions,
  type BeamSearchConfig,
  beamSchema,
  type LineStreamOptions,
  type OverlongPolicy,
  streamSchema,
  translateSchema,
} from '../options/translation.js';
import { TextPipeline } from '../text/pipeline.js';
import { type LoadOptions, loadOptionNames, loadRun } from '../training/run/load_run.js';
import { untilAborted } from '../util/async/abortable.js';
import { CallsUnderWay } from '../util/async/calls_under_way.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { SourceEncoder } from './source_encoder.js';
import { type TextModel, translateEncoded } from './translate_encoded.js';
import { TranslationStream } from './translation_stream.js';
import type { NBestTranslation, Translation } from './translations.js';

export type { LoadOptions } from '../training/run/load_run.js';
export type { NBestTranslation, TextHypothesis, Translation } from './translations.js';

export interface TranslateOptions {
  /** What happens to a line longer than the model's maxPositions; 'refuse' is the default. The other lines are translated. */
  overlong?: OverlongPolicy | undefined;
  /** The file that the lines are from, for errors and warnings. */
  name?: string | undefined;
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
  /** Called with the number of lines translated, and that of all. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Of a stream of lines, which has no total. */
export interface StreamOptions extends LineStreamOptions {
  /** Ends the work after the batch that is being translated. */
  signal?: AbortSignal | undefined;
  /** Called after each batch with the lines translated so far. */
  onProgress?: ((done: number) => void) | undefined;
}

/** Lines as they come; a string is none, because its characters would be the lines. */
export type LineStream = AsyncIterable<string> | (Iterable<string> & object);

interface State extends TextModel {
  beam: BeamSearchConfig;
  /** They end before the model goes. */
  readonly calls: CallsUnderWay;
  readonly streams: Set<TranslationStream>;
  disposed: boolean;
}

/** Text to text with a trained run. `using` frees the model where a block ends, `await using` also waits for the calls under way. */
export class Translator implements Disposable, AsyncDisposable {
  readonly #state: State;

  private constructor(state: State) {
    this.#state = state;
  }

  /**
   * Reads a run directory: its text pipeline and one of its checkpoints.
   *
   * @throws RdropError ABORTED, INVALID_ARGUMENT, FILE_NOT_FOUND (no run, or no such checkpoint yet), CHECKPOINT_CORRUPT,
   *   CHECKPOINT_MISMATCH, MANIFEST_MISMATCH (another dictionary or other codes than the run was made with)
   */
  static async load(runDirectory: string, options: LoadOptions = {}): Promise<Translator> {
    checkCall(options, loadOptionNames, 'Translator.load');
    const { signal } = options;
    throwIfAborted(signal, loading);
    return await untilAborted(Translator.#load(runDirectory, options), signal, loading, (late) =>
      late.dispose(),
    );
  }

  static async #load(runDirectory: string, options: LoadOptions): Promise<Translator> {
    const { directory, config, model } = await loadRun(runDirectory, options, loading, checkTask);
    try {
      const pipeline = await TextPipeline.load(directory);
      return new Translator({
        model,
        pipeline,
        beam: config.test.beam,
        maxTokens: config.batches.maxTokens,
        calls: new CallsUnderWay(),
        streams: new Set(),
        disposed: false,
      });
    } catch (error) {
      model.dispose();
      throw error;
    }
  }

  /**
   * Translates raw lines.
   *
   * Of an array, in any number: sorted by length, batched, answered in the order given. Of an iterable, also an asynchronous one
   * (`node:readline` makes one of a file or of standard input): translations as they are asked for, in the order of the lines.
   * `window` lines are read, sorted, batched and translated, and no more are read before those have been taken; breaking out of
   * the loop ends the work and closes the source. Errors come from the iteration, those of a line behind the translations of the
   * lines before it.
   *
   * The same lines with the same window give the same bits. With another window, or as an array, a line stands in another batch:
   * its score may differ in the last digits, as the sums of a matrix product do, and its text only where two hypotheses are as
   * good as equal.
   *
   * The event loop stays free. An abort is seen at once; the batch under way ends unseen, and the next call waits for it. Warns (OVERLONG) of lines that were too long, and (PIECES) of lines that another program has cut
   * already where the run cuts them itself.
   *
   * @param beamOptions over those of the run's `test.beam`; with `nBest` each translation has its `hypotheses` besides
   * @throws RdropError DISPOSED, INVALID_ARGUMENT (not strings, a line longer than maxPositions unless `overlong` says otherwise), ABORTED
   */
  translate(
    lines: readonly string[],
    beamOptions: BeamOptions & { nBest: number },
    work?: TranslateOptions,
  ): Promise<NBestTranslation[]>;
  translate(
    lines: readonly string[],
    beamOptions?: BeamOptions,
    work?: TranslateOptions,
  ): Promise<Translation[]>;
  translate(
    lines: LineStream,
    beamOptions: BeamOptions & { nBest: number },
    work?: StreamOptions,
  ): AsyncIterableIterator<NBestTranslation> & AsyncDisposable;
  translate(
    lines: LineStream,
    beamOptions?: BeamOptions,
    work?: StreamOptions,
  ): AsyncIterableIterator<Translation> & AsyncDisposable;
  translate(
    lines: readonly string[] | LineStream,
    beamOptions: BeamOptions = {},
    work: TranslateOptions | StreamOptions = {},
  ): Promise<Translation[]> | (AsyncIterableIterator<Translation> & AsyncDisposable) {
    if (!isStream(lines)) return Translator.#translateAll(this, lines, beamOptions, work as TranslateOptions);
    const state = this.#state;
    const owner = {
      streams: state.streams,
      working: <T>(call: () => Promise<T>) => working(state, call),
    };
    return new TranslationStream(owner, lines, () => {
      const beam = beamFor(state, beamOptions);
      const { signal, onProgress, ...options } = work as StreamOptions;
      checkCall({ signal, onProgress }, workOptions, 'translate');
      const reading = parseConfig(streamSchema, options, 'translate', 'INVALID_ARGUMENT', workOptions);
      return [state, { ...reading, beam, nBest: beamOptions.nBest !== undefined, signal, onProgress }];
    });
  }

  static async #translateAll(
    translator: Translator,
    lines: readonly string[],
    beamOptions: BeamOptions,
    work: TranslateOptions,
  ): Promise<Translation[]> {
    const state = translator.#state;
    const beam = beamFor(state, beamOptions);
    const { signal, onProgress, ...options } = work;
    checkCall({ signal, onProgress }, workOptions, 'translate');
    const { overlong, name } = parseConfig(
      translateSchema,
      options,
      'translate',
      'INVALID_ARGUMENT',
      workOptions,
    );
    checkLines(lines);
    return working(state, async () => {
      const encoder = new SourceEncoder(state.pipeline, {
        most: state.model.config.maxPositions,
        overlong,
        name: name ?? 'lines to translate',
        place: (line) => (name === undefined ? `lines[${line}] (line ${line + 1})` : `${name}:${line + 1}`),
      });
      const encoded = await encoder.encode(lines, signal);
      if (encoded.refused !== null) throw encoded.refused;
      encoder.warnOfOverlong();
      encoder.warnOfPieces(lines);
      return translateEncoded(state, encoded, {
        ...{ beam, nBest: beamOptions.nBest !== undefined, signal, onProgress },
      });
    });
  }

  /** Calls under way end first. May be called again. */
  dispose(): void {
    disposeOf(this.#state);
  }

  [Symbol.dispose](): void {
    disposeOf(this.#state);
  }

  /** dispose(), and waits until the calls under way have ended, with their results. */
  async [Symbol.asyncDispose](): Promise<void> {
    const state = this.#state;
    disposeOf(state);
    await state.calls.ended();
    await state.model[Symbol.asyncDispose]();
  }
}

const disposedError = (what: string) => new RdropError('DISPOSED', `Translator: ${what}`);

function disposeOf(state: State): void {
  state.disposed = true;
  for (const stream of state.streams)
    stream.end(disposedError('was disposed of during translate(), which ended there'));
  freeModel(state);
}

/** Once it has been disposed of and nothing is under way. */
function freeModel(state: State): void {
  if (state.disposed && state.calls.count === 0) state.model.dispose();
}

/** Work that ends before the model goes. */
async function working<T>(state: State, work: () => Promise<T>): Promise<T> {
  const end = state.calls.begin();
  try {
    return await work();
  } finally {
    end();
    freeModel(state);
  }
}

/** @throws RdropError DISPOSED, INVALID_ARGUMENT */
function beamFor(state: State, options: BeamOptions): BeamConfig {
  if (state.disposed) throw disposedError('used after dispose()');
  return parseConfig(beamSchema, { ...state.beam, ...options }, 'beam', 'INVALID_ARGUMENT');
}

const loading = 'loading the translator';

/** @throws RdropError INVALID_ARGUMENT */
function checkTask({ task }: TrainConfig, directory: string): void {
  if (task === 'translation') return;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `${directory}: expected a run of translation, got one of ${task}; see rdrop predict, generate and evaluate`,
  );
}

function isStream(lines: readonly string[] | LineStream): lines is LineStream {
  if (typeof lines !== 'object' || lines === null || Array.isArray(lines)) return false;
  return Symbol.asyncIterator in lines || Symbol.iterator in lines;
}

function checkLines(lines: unknown): asserts lines is readonly string[] {
  if (!Array.isArray(lines)) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `lines: expected an array or an iterable of strings, got ${describe(lines)}`,
    );
  }
  const wrong = lines.findIndex((line) => typeof line !== 'string');
  if (wrong >= 0) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `lines[${wrong}]: expected a string, got ${describe(lines[wrong])}`,
    );
  }
}

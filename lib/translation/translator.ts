import type { z } from 'zod';
import { type OverlongCount, overlongWarning, tooLong, truncate } from '../data/overlong.js';
import { type Transformer, transformerOf } from '../model/transformer.js';
import { translateCorpusNBest } from '../model/translate_corpus.js';
import { withVocabularies } from '../model/vocabularies.js';
import { native } from '../native/binding.js';
import { type RuntimeOptions, threadsSchema } from '../options/runtime.js';
import { describe, parseConfig } from '../options/schema/parse.js';
import {
  type BeamConfig,
  type BeamOptions,
  type BeamSearchConfig,
  beamSchema,
  type OverlongPolicy,
  translateSchema,
} from '../options/translation.js';
import { unk } from '../text/dictionary.js';
import { piecesWarning, uncutWarning } from '../text/pieces/find_pieces.js';
import { TextPipeline } from '../text/pipeline.js';
import type { CheckpointName } from '../training/checkpoint.js';
import { openRunCheckpoint } from '../training/run_checkpoint.js';
import { CallsUnderWay } from '../util/calls_under_way.js';
import { fromNative, RdropError } from '../util/errors.js';
import { warn } from '../util/warnings.js';
import { throwIfAborted, YieldTimer } from '../util/yield_timer.js';

/** A hypothesis as text. */
export interface TextHypothesis {
  text: string;
  /** Token ids; the last is eos. Empty for an empty line. */
  tokens: Int32Array;
  /** Log-probability divided by length ** lengthPenalty. */
  score: number;
  /** One per token. */
  logProbabilities: Float32Array;
}

/** The best hypothesis of a line. */
export interface Translation extends TextHypothesis {
  /** Where the line was too long: of its first tokens alone, or empty. */
  overlong?: 'truncated' | 'skipped';
}

/** A line whose `nBest` best hypotheses were asked for; all of them, the best first, which also stands in front. */
export interface NBestTranslation extends Translation {
  hypotheses: TextHypothesis[];
}

export interface LoadOptions {
  /** Default 'best'. */
  checkpoint?: CheckpointName;
  /** Threads of libtorch; 0, the default, takes every core. */
  threads?: number;
  /** Default: that of the run where this machine has it, else the CPU. */
  device?: RuntimeOptions['device'];
  /** Default true: the dictionary and the codes must be those that the run was made with. */
  verify?: boolean;
  /** Default 'auto': bfloat16 on a GPU, float32 on a CPU; float64 where the run was trained in it. */
  precision?: RuntimeOptions['precision'];
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

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

interface State {
  model: Transformer;
  pipeline: TextPipeline;
  beam: BeamSearchConfig;
  maxTokens: number;
  /** They end before the model goes. */
  readonly calls: CallsUnderWay;
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
  static async load(
    runDirectory: string,
    { checkpoint: name = 'best', threads = 0, device, precision, verify = true, signal }: LoadOptions = {},
  ): Promise<Translator> {
    throwIfAborted(signal, loading);
    const { directory, config, checkpoint } = await openRunCheckpoint(runDirectory, name, verify);
    const pipeline = await TextPipeline.load(directory);
    throwIfAborted(signal, loading);
    const count = parseConfig(threadsSchema, threads, 'threads', 'INVALID_ARGUMENT');
    await fromNative(() => native().setThreads(count));
    await using file = await checkpoint.open('model');
    const model = await transformerOf(
      file.tensors,
      withVocabularies(config.model, pipeline, directory),
      {
        seed: config.seed,
        device: device ?? (config.device === 'cpu' ? 'cpu' : 'auto'),
        precision: precision ?? (config.precision === 'float64' ? 'float64' : 'auto'),
      },
      checkpoint.path,
    );
    try {
      throwIfAborted(signal, loading);
    } catch (error) {
      model.dispose();
      throw error;
    }
    return new Translator({
      model,
      pipeline,
      beam: config.test.beam,
      maxTokens: config.batches.maxTokens,
      calls: new CallsUnderWay(),
      disposed: false,
    });
  }

  /**
   * Translates raw lines, in any number: sorted by length, batched, answered in the order given. The event loop stays free. Warns
   * (OVERLONG) of lines that were too long, and (PIECES) of lines that another program has cut already where the run cuts them itself.
   *
   * @param beamOptions over those of the run's `test.beam`; with `nBest` each translation has its `hypotheses` besides
   * @throws RdropError DISPOSED, INVALID_ARGUMENT (not strings, a line longer than maxPositions unless `overlong` says otherwise), ABORTED
   */
  async translate(
    lines: readonly string[],
    beamOptions: BeamOptions & { nBest: number },
    work?: TranslateOptions,
  ): Promise<NBestTranslation[]>;
  async translate(
    lines: readonly string[],
    beamOptions?: BeamOptions,
    work?: TranslateOptions,
  ): Promise<Translation[]>;
  async translate(
    lines: readonly string[],
    beamOptions: BeamOptions = {},
    work: TranslateOptions = {},
  ): Promise<Translation[] | NBestTranslation[]> {
    const state = this.#state;
    if (state.disposed) throw new RdropError('DISPOSED', 'Translator: used after dispose()');
    const beam = parseConfig(beamSchema, { ...state.beam, ...beamOptions }, 'beam', 'INVALID_ARGUMENT');
    const { signal, onProgress, ...options } = work;
    const reading = parseConfig(translateSchema, options, 'translate', 'INVALID_ARGUMENT');
    checkLines(lines);
    const end = state.calls.begin();
    try {
      const read = await sourcesOf(state, lines, reading, signal);
      const found = await hypothesesOf(state, read, beam, { signal, onProgress });
      return lines.map((_, i): Translation | NBestTranslation => {
        const hypotheses = found.get(i) ?? [];
        const overlong = read.overlong.get(i);
        return {
          ...(hypotheses[0] ?? empty()),
          ...(overlong !== undefined && { overlong }),
          ...(beamOptions.nBest !== undefined && { hypotheses }),
        };
      });
    } finally {
      end();
      freeModel(state);
    }
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

function disposeOf(state: State): void {
  state.disposed = true;
  freeModel(state);
}

/** Once it has been disposed of and nothing is under way. */
function freeModel(state: State): void {
  if (state.disposed && state.calls.count === 0) state.model.dispose();
}

const loading = 'loading the translator';

const empty = (): TextHypothesis => ({
  text: '',
  tokens: new Int32Array(0),
  score: 0,
  logProbabilities: new Float32Array(0),
});

function checkLines(lines: unknown): asserts lines is readonly string[] {
  if (!Array.isArray(lines)) {
    throw new RdropError('INVALID_ARGUMENT', `lines: expected an array of strings, got ${describe(lines)}`);
  }
  const wrong = lines.findIndex((line) => typeof line !== 'string');
  if (wrong >= 0) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `lines[${wrong}]: expected a string, got ${describe(lines[wrong])}`,
    );
  }
}

/** So many words that the model does not know, of at least so many, are looked into: were they meant to be cut? */
const leastUnknown = 0.2;
const leastTokens = 10;

interface Sources {
  /** Those to be translated, without the empty lines and those that are left out. */
  tokens: Int32Array[];
  /** The line of each. */
  places: number[];
  /** What became of lines that were too long. */
  overlong: Map<number, 'truncated' | 'skipped'>;
}

async function sourcesOf(
  { model, pipeline }: State,
  lines: readonly string[],
  { overlong: policy, name }: z.output<typeof translateSchema>,
  signal: AbortSignal | undefined,
): Promise<Sources> {
  const breaks = new YieldTimer('the translation', signal);
  const most = model.config.maxPositions;
  const limit = { most, option: "the model's maxPositions" };
  const goOn = 'overlong "truncate" or "skip" (--overlong)';
  const sources: Sources = { tokens: [], places: [], overlong: new Map() };
  let overlong: OverlongCount | null = null;
  let read = 0;
  let unknown = 0;
  for (const [i, line] of lines.entries()) {
    if (breaks.due()) await breaks.take();
    const tokens = pipeline.encode(line);
    if (tokens.length === 1) continue;
    if (tokens.length > most) {
      const place = name === undefined ? `lines[${i}] (line ${i + 1})` : `${name}:${i + 1}`;
      if (policy === 'refuse') throw tooLong(place, limit, tokens.length, goOn);
      overlong ??= { policy, count: 0, first: place, tokens: tokens.length };
      overlong.count++;
      sources.overlong.set(i, policy === 'skip' ? 'skipped' : 'truncated');
      if (policy === 'skip') continue;
    }
    sources.places.push(i);
    sources.tokens.push(truncate(tokens, most));
    read += tokens.length - 1;
    for (const token of tokens) if (token === unk) unknown++;
  }
  if (overlong !== null) warn(overlongWarning(overlong, lines.length, most));
  if (pipeline.bpe !== null || pipeline.config.tokenizer === 'moses') {
    const consequence =
      'the run tokenizes or cuts its text itself, and takes them for words; give it whole text';
    const warning = piecesWarning(lines, name ?? 'lines to translate', consequence);
    if (warning !== null) warn(warning);
  } else if (unknown >= leastUnknown * read && read >= leastTokens) {
    const warning = uncutWarning(lines, name ?? 'lines to translate', pipeline.config, unknown / read);
    if (warning !== null) warn(warning);
  }
  return sources;
}

/** The hypotheses of the lines that have some, by line. */
async function hypothesesOf(
  { model, pipeline, maxTokens }: State,
  { tokens, places }: Sources,
  beam: BeamConfig,
  { signal, onProgress }: Pick<TranslateOptions, 'signal' | 'onProgress'>,
): Promise<Map<number, TextHypothesis[]>> {
  const found = await translateCorpusNBest(model, tokens, { beam, maxTokens, signal, onProgress });
  const breaks = new YieldTimer('the translation', signal);
  const results = new Map<number, TextHypothesis[]>();
  for (const [i, hypotheses] of found.entries()) {
    if (breaks.due()) await breaks.take();
    results.set(
      places[i]!,
      hypotheses.map((each) => ({ text: pipeline.decode(each.tokens), ...each })),
    );
  }
  return results;
}

import { native } from '../binding.js';
import {
  describe,
  type OneBestConfig,
  type OneBestOptions,
  type OverlongPolicy,
  oneBestSchema,
  parseConfig,
  type RuntimeOptions,
  threadsSchema,
  translateSchema,
} from '../config.js';
import { type OverlongCount, overlongWarning, tooLong, truncate } from '../data/overlong.js';
import { fromNative, RdropError } from '../errors.js';
import { Receivers } from '../model/receiver.js';
import { type Transformer, transformerOf } from '../model/transformer.js';
import { withVocabularies } from '../model/vocabularies.js';
import { piecesWarning } from '../text/find_pieces.js';
import { TextPipeline } from '../text/pipeline.js';
import type { CheckpointName } from '../training/checkpoint.js';
import { warn } from '../util/warnings.js';
import type { translateCorpus } from './translate_corpus.js';

/** The best hypothesis of a line. */
export interface Translation {
  text: string;
  /** Token ids; the last is eos. Empty for an empty line. */
  tokens: Int32Array;
  /** Log-probability divided by length ** lengthPenalty. */
  score: number;
  /** One per token. */
  logProbabilities: Float32Array;
  /** Where the line was too long: of its first tokens alone, or empty. */
  overlong?: 'truncated' | 'skipped';
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
}

export interface TranslateOptions {
  /** What becomes of a line longer than the model's maxPositions; 'refuse' is the default. The other lines are translated. */
  overlong?: OverlongPolicy | undefined;
  /** The file that the lines are from, for errors and warnings. */
  name?: string | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: ((done: number, total: number) => void) | undefined;
}

interface State {
  model: Transformer;
  pipeline: TextPipeline;
  beam: OneBestConfig;
  maxTokens: number;
  /** At hand since load(): translate() must have queued its work when it gives its promise. */
  translateCorpus: typeof translateCorpus;
  disposed: boolean;
}

const states = new Receivers<State>('Translator');

/** Text to text with a trained run. */
export class Translator {
  private constructor(state: State) {
    states.set(this, state);
  }

  /**
   * Reads a run directory: its text pipeline and one of its checkpoints.
   *
   * @throws RdropError INVALID_ARGUMENT, FILE_NOT_FOUND (no run, or no such checkpoint yet), CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH,
   *   MANIFEST_MISMATCH (another dictionary or other codes than the run was made with)
   */
  static async load(
    runDirectory: string,
    { checkpoint: name = 'best', threads = 0, device, verify = true }: LoadOptions = {},
  ): Promise<Translator> {
    const { openRunCheckpoint } = await import('../training/run_checkpoint.js');
    const { translateCorpus } = await import('./translate_corpus.js');
    const { directory, config, checkpoint } = await openRunCheckpoint(runDirectory, name, verify);
    const pipeline = await TextPipeline.load(directory);
    const count = parseConfig(threadsSchema, threads, 'threads', 'INVALID_ARGUMENT');
    await fromNative(() => native().setThreads(count));
    await using file = await checkpoint.open('model');
    const model = await transformerOf(
      file.tensors,
      withVocabularies(config.model, pipeline, directory),
      {
        seed: config.seed,
        device: device ?? (config.device === 'cpu' ? 'cpu' : 'auto'),
        precision: config.precision === 'float64' ? 'float64' : 'auto',
      },
      checkpoint.path,
    );
    return new Translator({
      model,
      pipeline,
      beam: config.test.beam,
      maxTokens: config.batches.maxTokens,
      translateCorpus,
      disposed: false,
    });
  }

  /**
   * Translates raw lines, in any number: sorted by length, batched, answered in the order given. Warns (OVERLONG) of lines that
   * were too long, and (PIECES) of lines that another program has cut already where the run cuts them itself.
   *
   * @param beamOptions over those of the run's `test.beam`
   * @throws RdropError DISPOSED, INVALID_ARGUMENT (not strings, a line longer than maxPositions unless `overlong` says otherwise), ABORTED
   */
  async translate(
    lines: readonly string[],
    beamOptions: OneBestOptions = {},
    { signal, onProgress, ...options }: TranslateOptions = {},
  ): Promise<Translation[]> {
    const { model, pipeline, beam: defaults, maxTokens, translateCorpus, disposed } = states.get(this);
    if (disposed) throw new RdropError('DISPOSED', 'Translator: used after dispose()');
    const beam = parseConfig(oneBestSchema, { ...defaults, ...beamOptions }, 'beam', 'INVALID_ARGUMENT');
    const { overlong: policy, name } = parseConfig(translateSchema, options, 'translate', 'INVALID_ARGUMENT');
    if (!Array.isArray(lines)) {
      throw new RdropError('INVALID_ARGUMENT', `lines: expected an array of strings, got ${describe(lines)}`);
    }
    const translations = lines.map(
      (): Translation => ({
        text: '',
        tokens: new Int32Array(0),
        score: 0,
        logProbabilities: new Float32Array(0),
      }),
    );
    const most = model.config.maxPositions;
    const limit = { most, option: "the model's maxPositions" };
    const goOn = 'overlong "truncate" or "skip" (--overlong)';
    let overlong: OverlongCount | null = null as OverlongCount | null;
    const places: number[] = [];
    const sources: Int32Array[] = [];
    lines.forEach((line: unknown, i) => {
      if (typeof line !== 'string') {
        throw new RdropError('INVALID_ARGUMENT', `lines[${i}]: expected a string, got ${describe(line)}`);
      }
      const tokens = pipeline.encode(line);
      if (tokens.length === 1) return;
      if (tokens.length > most) {
        const place = name === undefined ? `lines[${i}] (line ${i + 1})` : `${name}:${i + 1}`;
        if (policy === 'refuse') throw tooLong(place, limit, tokens.length, goOn);
        overlong ??= { policy, count: 0, first: place, tokens: tokens.length };
        overlong.count++;
        translations[i]!.overlong = policy === 'skip' ? 'skipped' : 'truncated';
        if (policy === 'skip') return;
      }
      places.push(i);
      sources.push(truncate(tokens, most));
    });
    if (overlong !== null) warn(overlongWarning(overlong, lines.length, most));
    if (pipeline.bpe !== null || pipeline.config.tokenizer === 'moses') {
      const consequence =
        'the run tokenises or cuts its text itself, and takes them for words; give it whole text';
      const warning = piecesWarning(lines, name ?? 'lines to translate', consequence);
      if (warning !== null) warn(warning);
    }
    const found = await translateCorpus(model, sources, { beam, maxTokens, signal, onProgress });
    found.forEach((best, i) => {
      Object.assign(translations[places[i]!]!, { text: pipeline.decode(best.tokens), ...best });
    });
    return translations;
  }

  /** May be called again. */
  dispose(): void {
    const state = states.get(this);
    state.disposed = true;
    state.model.dispose();
  }

  [Symbol.dispose](): void {
    states.get(this); // a foreign receiver may have no dispose()
    this.dispose();
  }
}

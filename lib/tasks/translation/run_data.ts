import { join } from 'node:path';
import { loadCorpus, loadPacked, loadReferences } from '../../data/corpus.js';
import {
  type FittedPairs,
  fitPairs,
  type LengthLimit,
  type OverlongCount,
  overlongWarning,
} from '../../data/overlong.js';
import type { Pairs, Split } from '../../data/pairs.js';
import type { SentenceStore } from '../../data/sentence_store.js';
import { withVocabularies } from '../../model/vocabularies.js';
import type { TrainConfig } from '../../options/training.js';
import { TextPipeline } from '../../text/pipeline.js';
import { asRdropError, RdropError } from '../../util/errors.js';
import { type RdropWarning, warn } from '../../util/warnings.js';
import type { TaskOpening } from '../task.js';
import { BatchSource } from './batch_source.js';
import type { EvaluationSet } from './validation.js';

/** What a run reads of its prepared directory. */
export interface RunData {
  pipeline: TextPipeline;
  train: BatchSource;
  valid: EvaluationSet;
  /** null when the directory has no test split. */
  test: EvaluationSet | null;
  /** What was too long, by split, where something was. */
  overlong: Partial<Record<Split, OverlongCount>>;
  /** That, in sentences. */
  warnings: RdropWarning[];
}

/**
 * @throws RdropError ABORTED, those of the text and data stages; INVALID_CONFIG when a model cannot have two dictionaries;
 *   INVALID_ARGUMENT when a sentence is too long for the model or a batch, unless config.overlong says otherwise
 */
export async function loadRunData(
  config: TrainConfig,
  { signal, report: tell, taker }: TaskOpening = {},
): Promise<RunData> {
  const { data, seed, model, batches } = config;
  const report = (done: number) => tell?.('reading data', done, steps);
  report(0);
  const pipeline = await TextPipeline.load(data);
  withVocabularies(model, pipeline, data);
  const lengths = new Lengths(config, pipeline);
  const limits = [positionsOf(model), { most: batches.maxTokens, option: 'batches.maxTokens' }];
  const packed = await loadPacked(data, 'train', pipeline.dictionaries, { signal });
  report(1);
  const most = Math.min(...limits.map((limit) => limit.most));
  const fits = (side: SentenceStore) => side.lengths.every((length) => length <= most);
  const train =
    fits(packed.source) && fits(packed.target)
      ? packed
      : lengths.fit({ source: packed.source.toArray(), target: packed.target.toArray() }, 'train', limits)
          .pairs;
  const source = new BatchSource(train, { ...batches, seed }, taker);
  report(2);
  const valid = await loadSet(config, pipeline, 'valid', lengths, signal);
  let test: EvaluationSet | null = null;
  try {
    test = await loadSet(config, pipeline, 'test', lengths, signal);
  } catch (error) {
    if (asRdropError(error).code !== 'FILE_NOT_FOUND') throw error;
  }
  report(steps);
  return {
    pipeline,
    train: source,
    valid,
    test,
    overlong: lengths.overlong,
    warnings: lengths.warnings,
  };
}

/** Of reading data: the training text, its batches, the other splits. */
const steps = 3;

const positionsOf = ({ maxPositions }: TrainConfig['model']): LengthLimit => ({
  ...{ most: maxPositions, option: 'model.maxPositions' },
});

/** Fits splits into limits and keeps account of it. */
class Lengths {
  readonly overlong: Partial<Record<Split, OverlongCount>> = {};
  readonly warnings: RdropWarning[] = [];

  constructor(
    readonly config: TrainConfig,
    readonly pipeline: TextPipeline,
  ) {}

  fit(pairs: Pairs<Int32Array>, split: Split, limits: LengthLimit[], only?: 'source'): FittedPairs {
    const { data, overlong: policy = 'refuse' } = this.config;
    const fitted = fitPairs(pairs, {
      limits,
      policy,
      name: (side) => join(data, `${split}.${this.pipeline.config[side]}`),
      goOn: 'overlong "truncate" or "skip" (--overlong)',
      ...(only !== undefined && { only }),
    });
    if (fitted.overlong !== null && this.overlong[split] === undefined) {
      this.overlong[split] = fitted.overlong;
      const most = Math.min(...limits.map((limit) => limit.most));
      this.warnings.push(overlongWarning(fitted.overlong, pairs.source.length, most));
    }
    return fitted;
  }
}

/** One split, to evaluate a trained run on. @throws RdropError as loadRunData() */
export async function loadSplit(
  config: TrainConfig,
  pipeline: TextPipeline,
  split: 'valid' | 'test',
  { signal }: TaskOpening,
): Promise<EvaluationSet> {
  const lengths = new Lengths(config, pipeline);
  const set = await loadSet(config, pipeline, split, lengths, signal);
  for (const warning of lengths.warnings) warn(warning);
  return set;
}

async function loadSet(
  { data, model }: TrainConfig,
  pipeline: TextPipeline,
  split: 'valid' | 'test',
  lengths: Lengths,
  signal: AbortSignal | undefined,
): Promise<EvaluationSet> {
  const pairs = await loadCorpus(data, split, pipeline.dictionaries, { signal });
  const limits = [positionsOf(model)];
  // The model reads the sources, and for the loss of validation the targets; references are only compared.
  const { pairs: forLoss } = split === 'valid' ? lengths.fit(pairs, split, limits) : { pairs };
  const { pairs: translated, places } = lengths.fit(pairs, split, limits, 'source');
  const { source: sources, target: references } = await loadReferences(data, split);
  if (references.length !== pairs.target.length) {
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      `${join(data, 'raw', split)}: expected ${pairs.target.length} lines as in ${join(data, split)}, got ${references.length}`,
    );
  }
  return { pairs, references, sources, forLoss, translated: { sources: translated.source, places } };
}

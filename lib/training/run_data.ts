import { join } from 'node:path';
import type { TrainConfig } from '../config.js';
import { loadCorpus, loadRaw } from '../data/corpus.js';
import { asRdropError, RdropError } from '../errors.js';
import { withVocabularies } from '../model/vocabularies.js';
import { TextPipeline } from '../text/pipeline.js';
import { BatchSource, checkLengths } from './batch_source.js';
import { type DataHashes, hashData } from './run_directory.js';
import type { EvaluationSet } from './validation.js';

/** What a run reads of its prepared directory. */
export interface RunData {
  pipeline: TextPipeline;
  train: BatchSource;
  valid: EvaluationSet;
  /** null when the directory has no test split. */
  test: EvaluationSet | null;
  hashes: DataHashes;
}

/**
 * @throws RdropError those of the text and data stages; INVALID_CONFIG when a model cannot have two dictionaries;
 *   INVALID_ARGUMENT when a sentence is too long for the model or a batch
 */
export async function loadRunData(config: TrainConfig): Promise<RunData> {
  const { data, seed, model, batches } = config;
  const pipeline = await TextPipeline.load(data);
  withVocabularies(model, pipeline, data);
  const train = await loadCorpus(data, 'train', pipeline.dictionaries);
  checkLengths(train, model.maxPositions, 'model.maxPositions', join(data, 'train'));
  checkLengths(train, batches.maxTokens, 'batches.maxTokens', join(data, 'train'));
  const valid = await loadSet(config, pipeline, 'valid');
  let test: EvaluationSet | null = null;
  try {
    test = await loadSet(config, pipeline, 'test');
  } catch (error) {
    if (asRdropError(error).code !== 'FILE_NOT_FOUND') throw error;
  }
  return {
    pipeline,
    train: new BatchSource(train, { ...batches, seed }),
    valid,
    test,
    hashes: await hashData(data),
  };
}

async function loadSet(
  { data, model }: TrainConfig,
  pipeline: TextPipeline,
  split: 'valid' | 'test',
): Promise<EvaluationSet> {
  const pairs = await loadCorpus(data, split, pipeline.dictionaries);
  checkLengths(pairs, model.maxPositions, 'model.maxPositions', join(data, split));
  const { target: references } = await loadRaw(data, split);
  if (references.length !== pairs.target.length) {
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      `${join(data, 'raw', split)}: expected ${pairs.target.length} lines as in ${join(data, split)}, got ${references.length}`,
    );
  }
  return { pairs, references };
}

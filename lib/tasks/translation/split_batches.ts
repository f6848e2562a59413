import { join } from 'node:path';
import { groupPairs } from '../../data/batches.js';
import { loadCorpus } from '../../data/corpus.js';
import { fitPairs, overlongWarning } from '../../data/overlong.js';
import type { Split } from '../../data/pairs.js';
import { lengthsOf } from '../../data/sentences.js';
import { TextPipeline } from '../../text/pipeline.js';
import { warn } from '../../util/warnings.js';
import { lossOf } from '../scores.js';
import { goOnText } from '../split_lengths.js';
import type { DataConfig, OptionNames, SplitBatches } from '../task.js';

/** The batches of a split for an experiment. @throws RdropError as loadRunData() */
export async function splitBatches(
  config: DataConfig,
  split: Split,
  names: OptionNames,
): Promise<SplitBatches> {
  const { data, model, overlong: policy = 'refuse', seed } = config;
  const { maxTokens, multipleOf, maxSentences } = config.batches;
  const { dictionaries, config: languages } = await TextPipeline.load(data);
  const corpus = await loadCorpus(data, split, dictionaries);
  const { pairs, overlong } = fitPairs(corpus, {
    limits: [
      { most: model.maxPositions, option: 'model.maxPositions' },
      { most: maxTokens, option: `${names.batches}.maxTokens` },
    ],
    policy,
    name: (side) => join(data, `${split}.${languages[side]}`),
    goOn: goOnText(names),
  });
  if (overlong !== null) {
    warn(overlongWarning(overlong, corpus.source.length, Math.min(model.maxPositions, maxTokens)));
  }
  const limits = { maxTokens, multipleOf, maxSentences, seed };
  return {
    plan: groupPairs(lengthsOf(pairs.source), lengthsOf(pairs.target), limits),
    batch: (items) => ({
      source: Array.from(items, (pair) => pairs.source[pair]!),
      target: Array.from(items, (pair) => pairs.target[pair]!),
    }),
    loss: lossOf(config),
  };
}

import { join } from 'node:path';
import { type FittedSequences, fitSequences } from '../data/long_sequences.js';
import { type LengthLimit, type OverlongCount, overlongWarning } from '../data/overlong.js';
import type { Split } from '../data/pairs.js';
import type { Sentences } from '../data/sentences.js';
import type { TrainConfig } from '../options/training.js';
import type { RdropWarning } from '../util/warnings.js';

/** Fits the splits of a run into its limits, and keeps account of it. */
export class SplitLengths {
  readonly overlong: Partial<Record<Split, OverlongCount>> = {};
  readonly warnings: RdropWarning[] = [];
  readonly #config: Pick<TrainConfig, 'data' | 'overlong' | 'model' | 'batches'>;

  constructor(config: Pick<TrainConfig, 'data' | 'overlong' | 'model' | 'batches'>) {
    this.#config = config;
  }

  /**
   * The model's positions limit every split, a batch that of training.
   *
   * @param kind of the split's file: `train.text`
   * @throws RdropError INVALID_ARGUMENT, as fitSequences()
   */
  fit(sequences: Sentences, split: Split, kind: string): FittedSequences {
    const { data, overlong: policy = 'refuse', model, batches } = this.#config;
    const limits: LengthLimit[] = [{ most: model.maxPositions, option: 'model.maxPositions' }];
    if (split === 'train') limits.push({ most: batches.maxTokens, option: 'batches.maxTokens' });
    const fitted = fitSequences(sequences, limits, { policy, file: join(data, `${split}.${kind}`) });
    if (fitted.overlong !== null) {
      this.overlong[split] = fitted.overlong;
      this.warnings.push(overlongWarning(fitted.overlong, sequences.length, fitted.most));
    }
    return fitted;
  }
}

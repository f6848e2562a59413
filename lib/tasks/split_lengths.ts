import { join } from 'node:path';
import { type FittedSequences, fitSequences } from '../data/long_sequences.js';
import { type LengthLimit, type OverlongCount, overlongWarning } from '../data/overlong.js';
import type { Split } from '../data/pairs.js';
import type { Sentences } from '../data/sentences.js';
import type { RdropWarning } from '../util/warnings.js';
import type { DataConfig, OptionNames } from './task.js';

/** The options of training. */
export const trainNames: OptionNames = { batches: 'batches', overlong: 'overlong' };

/** How to ask for another policy where something is too long. */
export const goOnText = ({ overlong }: OptionNames) => `${overlong} "truncate" or "skip" (--overlong)`;

/** Fits the splits of a run into its limits, and keeps account of it. */
export class SplitLengths {
  readonly overlong: Partial<Record<Split, OverlongCount>> = {};
  readonly warnings: RdropWarning[] = [];
  readonly #config: DataConfig;
  readonly #names: OptionNames;
  readonly #batched: readonly Split[];

  /** @param batched the splits that batches.maxTokens limits besides */
  constructor(config: DataConfig, names = trainNames, batched: readonly Split[] = ['train']) {
    this.#config = config;
    this.#names = names;
    this.#batched = batched;
  }

  /**
   * The model's positions limit every split, a batch those that are batched.
   *
   * @param kind of the split's file: `train.text`
   * @throws RdropError INVALID_ARGUMENT, as fitSequences()
   */
  fit(sequences: Sentences, split: Split, kind: string): FittedSequences {
    const { data, overlong: policy = 'refuse', model, batches } = this.#config;
    const limits: LengthLimit[] = [{ most: model.maxPositions, option: 'model.maxPositions' }];
    if (this.#batched.includes(split))
      limits.push({ most: batches.maxTokens, option: `${this.#names.batches}.maxTokens` });
    const file = join(data, `${split}.${kind}`);
    const fitted = fitSequences(sequences, limits, { policy, file, goOn: goOnText(this.#names) });
    if (fitted.overlong !== null) {
      this.overlong[split] = fitted.overlong;
      this.warnings.push(overlongWarning(fitted.overlong, sequences.length, fitted.most));
    }
    return fitted;
  }
}

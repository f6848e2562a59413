/** Texts with a class or a number each: the examples of classification and regression. */
import { join } from 'node:path';
import { groupPairs } from '../../data/batches.js';
import { cutSequence } from '../../data/long_sequences.js';
import type { Split } from '../../data/pairs.js';
import type { SentenceStore } from '../../data/sentence_store.js';
import { lengthsOf } from '../../data/sentences.js';
import { loadRawTexts, loadSequences, type SequenceSplit } from '../../data/tasks/task_splits.js';
import { type Batch, packBatch } from '../../model/pack.js';
import type { PackedBatch } from '../../native/contract.js';
import type { TrainConfig } from '../../options/training.js';
import type { TaskText } from '../../text/tasks/task_text.js';
import { PlannedBatches } from '../planned_batches.js';
import type { BatchTaker } from '../shares.js';
import type { SplitLengths } from '../split_lengths.js';

/** Examples that a network reads. */
export interface Examples {
  sequences: Int32Array[];
  /** Segments of the tokens; null: all are 0, or the network has no types. */
  types: Int32Array[] | null;
  /** Of classification, else empty. */
  classes: Int32Array;
  /** Of regression, else empty. */
  values: Float64Array;
  /** Their lines in the files of the split, counted from 1. */
  lines: Int32Array;
}

/** Examples whose text a reader wants to see. */
export interface ReadableExamples extends Examples {
  /** As it was given; of pairs both, apart by ' ||| '. */
  texts: string[];
}

/** Names of the files of one split, and of its raw text. */
export const splitFiles = (pairs: boolean): string[] => {
  const kinds = pairs ? ['text', 'second'] : ['text'];
  return [
    ...['train', 'valid', 'test'].flatMap((split) => [...kinds, 'label'].map((kind) => `${split}.${kind}`)),
    ...['valid', 'test'].flatMap((split) => kinds.map((kind) => join('raw', `${split}.${kind}`))),
  ];
};

/** Where the examples of a run come from. */
export interface ExampleSource {
  config: Pick<TrainConfig, 'data' | 'model'>;
  text: TaskText;
  /** null: numbers. */
  labels: readonly string[] | null;
  lengths: SplitLengths;
  signal?: AbortSignal | undefined;
}

/**
 * The examples of a split that are short enough.
 *
 * @throws RdropError those of loadSequences() and SplitLengths
 */
export async function loadExamples(
  { config, text, labels, lengths, signal }: ExampleSource,
  split: Split,
): Promise<Examples> {
  const found = await loadSequences(config.data, split, text, labels, { signal });
  const { places, most } = lengths.fit(found.sequences, split, 'text');
  const at = places ?? Int32Array.from({ length: found.sequences.length }, (_, i) => i);
  const types = config.model.tokenTypes > 1 ? found.tokenTypes : null;
  const cut = (store: SentenceStore) => Array.from(at, (i) => cutSequence(store.at(i), most));
  return {
    sequences: cut(found.sequences),
    types: types === null ? null : cut(types),
    ...picked(found, places),
    lines: at.map((i) => i + 1),
  };
}

const picked = ({ classes, values }: SequenceSplit, places: Int32Array | null) => ({
  classes: places === null || classes.length === 0 ? classes : places.map((i) => classes[i]!),
  values: places === null || values.length === 0 ? values : Float64Array.from(places, (i) => values[i]!),
});

/** Those of a split that is evaluated, with their raw text. @throws RdropError as loadExamples(), and loadRawTexts() */
export async function loadReadable(
  source: ExampleSource,
  split: Exclude<Split, 'train'>,
): Promise<ReadableExamples> {
  const examples = await loadExamples(source, split);
  const raw = await loadRawTexts(source.config.data, split, source.text.config.pairs === true);
  const shown = ({ text, second }: (typeof raw)[number]) =>
    second === undefined ? text : `${text} ||| ${second}`;
  return { ...examples, texts: Array.from(examples.lines, (line) => shown(raw[line - 1]!)) };
}

/** Some of the examples, as the network takes them. */
export function batchOf({ sequences, types, classes, values }: Examples, batch: Int32Array): Batch {
  const pick = <T>(all: ArrayLike<T>): T[] => Array.from(batch, (i) => all[i] as T);
  return {
    source: pick(sequences),
    ...(types !== null && { tokenTypes: pick(types) }),
    ...(values.length > 0
      ? { target: [], values: Float64Array.from(pick(values)) }
      : { target: pick(classes).map((each) => Int32Array.of(each)) }),
  };
}

/** Which examples make a batch, by length. */
export function planOf(
  { sequences }: Examples,
  { batches: { maxTokens, multipleOf, maxSentences }, seed }: Pick<TrainConfig, 'batches' | 'seed'>,
): Int32Array[] {
  const lengths = lengthsOf(sequences);
  return groupPairs(lengths, lengths, { maxTokens, multipleOf, maxSentences, seed });
}

/** The batches of training. */
export function exampleBatches(
  examples: Examples,
  config: Pick<TrainConfig, 'batches' | 'seed'>,
  taker: BatchTaker | undefined,
): PlannedBatches {
  const { accumulate } = config.batches;
  const pack = (batch: Int32Array): PackedBatch => packBatch(batchOf(examples, batch));
  const batches = planOf(examples, config);
  return new PlannedBatches({ batches, accumulate, seed: config.seed, pack }, taker);
}

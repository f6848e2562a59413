import { join, resolve } from 'node:path';
import { groupPairs, shuffleBatches } from '../data/batches.js';
import { loadCorpus } from '../data/corpus.js';
import { checkManifest } from '../data/manifest.js';
import { fitPairs, overlongWarning } from '../data/overlong.js';
import type { StoredTensors } from '../data/safetensors/stored_tensor.js';
import { lengthsOf } from '../data/sentences.js';
import { type ResolvedRuntime, resolveRuntime } from '../model/device.js';
import type { Batch } from '../model/pack.js';
import { snapshotOf, Transformer, transformerOf } from '../model/transformer.js';
import { withVocabularies } from '../model/vocabularies.js';
import { native } from '../native/binding.js';
import { type LossConfig, lossSchema } from '../options/loss.js';
import type { ModelConfig } from '../options/model.js';
import type { DropoutMomentsConfig } from '../options/theory.js';
import { differingLine } from '../text/dictionaries.js';
import { dictionaryName, type Side, TextPipeline } from '../text/pipeline.js';
import { openRunCheckpoint } from '../training/run_checkpoint.js';
import { readRunConfig } from '../training/run_directory.js';
import { checkRunText } from '../training/run_text.js';
import { fromNative, RdropError } from '../util/errors.js';
import { warn } from '../util/warnings.js';

/** What the experiment is made on. */
export interface Subject {
  model: Transformer;
  batches: Batch[];
  loss: Omit<LossConfig, 'direction' | 'classWeights'>;
  /** The prepared directory. */
  data: string;
  modelConfig: ModelConfig;
  /** Of the parameters: updates of training; 0 as they were initialized. */
  update: number;
  /** Of the initialization. */
  modelSeed: number;
}

/**
 * Loads or initializes the model and picks the batches.
 *
 * @throws RdropError those of the data and text stages and of openRunCheckpoint; CHECKPOINT_MISMATCH when the data have
 *   another dictionary than the run; INVALID_ARGUMENT when the split has too few batches or a sentence is too long
 */
export async function openSubject(config: DropoutMomentsConfig): Promise<Subject> {
  const origin = config.run === undefined ? null : await openRun(config.run, config.verify);
  const data = resolve(config.data ?? origin!.data);
  if (config.verify) await checkManifest(data);
  const pipeline = await TextPipeline.load(data);
  if (origin !== null) await checkDictionaries(origin.directory, data, pipeline);
  const modelConfig = withVocabularies(origin?.config ?? config.model!, pipeline, data) as ModelConfig;
  const batches = await pickBatches(config, data, pipeline, modelConfig);
  // Of a run with one pass as well: it is two passes that are compared.
  const {
    direction: _,
    classWeights: _w,
    ...defaults
  } = { ...(origin?.loss ?? lossSchema.parse({})), passes: 2 as const };
  const given = Object.entries(config.loss).filter(([, value]) => value !== undefined);
  await fromNative(() => native().setThreads(config.threads));
  const { seed, device, precision } = resolveRuntime(config);
  const runtime = { seed, device, precision };
  const model = await (origin === null
    ? Transformer.create(modelConfig, runtime)
    : origin.model(modelConfig, runtime));
  return {
    model,
    batches,
    loss: { ...defaults, ...Object.fromEntries(given) },
    data,
    modelConfig,
    update: origin?.update ?? 0,
    modelSeed: origin?.seed ?? seed,
  };
}

/** A run's parameters, at a checkpoint or as they were before the first update. */
async function openRun(
  { directory: place, checkpoint: name }: NonNullable<DropoutMomentsConfig['run']>,
  verify: boolean,
) {
  if (name === 'initial') {
    const directory = resolve(place);
    const run = await readRunConfig(directory);
    if (verify) await checkRunText(directory);
    const { data, model, loss, seed, device, precision } = run;
    const initial = async (config: ModelConfig, runtime: ResolvedRuntime): Promise<Transformer> => {
      using own = await Transformer.create(config, { seed, device, precision });
      using snapshot = await snapshotOf(own);
      return await transformerOf(inPrecision(snapshot.tensors, runtime), config, runtime, directory);
    };
    return { directory, data, model: initial, config: model, loss, seed, update: 0 };
  }
  const { directory, config, checkpoint } = await openRunCheckpoint(place, name, verify);
  const { data, model, loss, seed } = config;
  const trained = async (own: ModelConfig, runtime: ResolvedRuntime): Promise<Transformer> => {
    await using file = await checkpoint.open('model');
    return await transformerOf(inPrecision(file.tensors, runtime), own, runtime, checkpoint.path);
  };
  const { update } = checkpoint.state;
  return { directory, data, model: trained, config: model, loss, seed, update };
}

async function checkDictionaries(directory: string, data: string, pipeline: TextPipeline): Promise<void> {
  const own = await TextPipeline.load(directory);
  const place = (root: string, { config }: TextPipeline, side: Side) =>
    join(root, dictionaryName(config, side));
  for (const side of ['source', 'target'] as const) {
    const [expected, got] = [own.dictionaries[side], pipeline.dictionaries[side]];
    if (differingLine(expected, got) === null) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${place(data, pipeline, side)}: expected the types of ${place(directory, own, side)} (${expected.size}), ` +
        `got others (${got.size})`,
    );
  }
}

/** A run may be looked at in another precision than it was trained in. */
function inPrecision(tensors: StoredTensors, { precision }: ResolvedRuntime): StoredTensors {
  const [dtype, type] =
    precision === 'float64' ? (['F64', Float64Array] as const) : (['F32', Float32Array] as const);
  return new Map(
    Array.from(tensors, ([name, stored]) => [
      name,
      stored.dtype === dtype
        ? stored
        : {
            dtype,
            shape: stored.shape,
            read: async (begin, end) => type.from((await stored.read(begin, end)) as Float32Array),
          },
    ]),
  );
}

async function pickBatches(
  { split, batches: wanted, maxTokens, overlong: policy = 'refuse', seed }: DropoutMomentsConfig,
  data: string,
  { dictionaries, config: languages }: TextPipeline,
  { maxPositions }: ModelConfig,
): Promise<Batch[]> {
  const corpus = await loadCorpus(data, split, dictionaries);
  const limits = [
    { most: maxPositions, option: 'model.maxPositions' },
    { most: maxTokens, option: 'theory.maxTokens' },
  ];
  const { pairs, overlong } = fitPairs(corpus, {
    limits,
    policy,
    name: (side) => join(data, `${split}.${languages[side]}`),
    goOn: 'theory.overlong "truncate" or "skip" (--overlong)',
  });
  if (overlong !== null) {
    warn(overlongWarning(overlong, corpus.source.length, Math.min(maxPositions, maxTokens)));
  }
  // numpy's generator takes 32 bits.
  const drawn = seed % 2 ** 31;
  const groups = groupPairs(lengthsOf(pairs.source), lengthsOf(pairs.target), {
    maxTokens,
    multipleOf: 8,
    seed: drawn,
  });
  if (groups.length < wanted) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `theory.batches: expected at most the ${groups.length} batches of ${maxTokens} tokens (theory.maxTokens) that ` +
        `${join(data, split)} has, got ${wanted}`,
    );
  }
  return shuffleBatches(groups, drawn, 1)
    .slice(0, wanted)
    .map((batch) => ({
      source: Array.from(batch, (pair) => pairs.source[pair]!),
      target: Array.from(batch, (pair) => pairs.target[pair]!),
    }));
}

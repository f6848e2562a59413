import { join, resolve } from 'node:path';
import { native } from '../binding.js';
import { type LossConfig, lossSchema, type ModelConfig, type TheoryConfig } from '../config.js';
import { groupPairs, shuffleBatches } from '../data/batches.js';
import { loadCorpus } from '../data/corpus.js';
import { checkManifest } from '../data/manifest.js';
import { fitPairs, overlongWarning } from '../data/overlong.js';
import type { Tensor } from '../data/safetensors.js';
import { fromNative, RdropError } from '../errors.js';
import { resolveRuntime } from '../model/device.js';
import type { Batch } from '../model/pack.js';
import { loadParameters, Transformer } from '../model/transformer.js';
import { withVocabularies } from '../model/vocabularies.js';
import { differingLine } from '../text/dictionaries.js';
import { dictionaryName, type Side, TextPipeline } from '../text/pipeline.js';
import { lengthsOf } from '../training/batch_source.js';
import { openRunCheckpoint } from '../training/run_checkpoint.js';
import { readRunConfig } from '../training/run_directory.js';
import { checkRunText } from '../training/run_text.js';
import { warn } from '../util/warnings.js';

/** What the experiment is made on. */
export interface Subject {
  model: Transformer;
  batches: Batch[];
  loss: Omit<LossConfig, 'direction'>;
  /** The prepared directory. */
  data: string;
  modelConfig: ModelConfig;
  /** Of the parameters: updates of training; 0 as they were initialised. */
  update: number;
  /** Of the initialisation. */
  modelSeed: number;
}

/**
 * Loads or initialises the model and picks the batches.
 *
 * @throws RdropError those of the data and text stages and of openRunCheckpoint; CHECKPOINT_MISMATCH when the data have
 *   another dictionary than the run; INVALID_ARGUMENT when the split has too few batches or a sentence is too long
 */
export async function openSubject(config: TheoryConfig): Promise<Subject> {
  const origin = config.run === undefined ? null : await openRun(config.run, config.verify);
  const data = resolve(config.data ?? origin!.data);
  if (config.verify) await checkManifest(data);
  const pipeline = await TextPipeline.load(data);
  if (origin !== null) await checkDictionaries(origin.directory, data, pipeline);
  const modelConfig = withVocabularies(origin?.model ?? config.model!, pipeline, data) as ModelConfig;
  const batches = await pickBatches(config, data, pipeline, modelConfig);
  const { direction: _, ...defaults } = origin?.loss ?? lossSchema.parse({});
  const given = Object.entries(config.loss).filter(([, value]) => value !== undefined);
  await fromNative(() => native().setThreads(config.threads));
  const { seed, device, precision } = resolveRuntime(config);
  const model = await Transformer.create(modelConfig, { seed, device, precision });
  try {
    if (origin !== null) {
      const tensors = await origin.parameters(modelConfig);
      await loadParameters(
        model,
        inPrecision(tensors, precision === 'float64' ? 'float64' : 'float32'),
        origin.place,
      );
    }
  } catch (error) {
    model.dispose();
    throw error;
  }
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
  { directory: place, checkpoint: name }: NonNullable<TheoryConfig['run']>,
  verify: boolean,
) {
  if (name === 'initial') {
    const directory = resolve(place);
    const run = await readRunConfig(directory);
    if (verify) await checkRunText(directory);
    const { data, model, loss, seed, device, precision } = run;
    const parameters = async (config: ModelConfig): Promise<Map<string, Tensor>> => {
      using initial = await Transformer.create(config, { seed, device, precision });
      return await initial.parameters();
    };
    return { directory, place: directory, data, model, loss, seed, update: 0, parameters };
  }
  const { directory, config, checkpoint } = await openRunCheckpoint(place, name, verify);
  const { data, model, loss, seed } = config;
  const parameters = () => checkpoint.read('model');
  return {
    directory,
    place: checkpoint.path,
    data,
    model,
    loss,
    seed,
    update: checkpoint.state.update,
    parameters,
  };
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

function inPrecision(
  tensors: ReadonlyMap<string, Tensor>,
  precision: 'float32' | 'float64',
): Map<string, Tensor> {
  const type = precision === 'float32' ? Float32Array : Float64Array;
  return new Map(
    Array.from(tensors, ([name, { shape, data }]) => [
      name,
      { shape, data: data instanceof type ? data : type.from(data as ArrayLike<number>) },
    ]),
  );
}

async function pickBatches(
  { split, batches: wanted, maxTokens, overlong: policy = 'refuse', seed }: TheoryConfig,
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

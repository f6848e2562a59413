import { join, resolve } from 'node:path';
import { shuffleBatches } from '../data/batches.js';
import { checkManifest } from '../data/manifest.js';
import type { StoredTensors } from '../data/safetensors/stored_tensor.js';
import { type ResolvedRuntime, resolveRuntime } from '../model/device.js';
import type { Batch } from '../model/pack.js';
import { snapshotOf, Transformer, transformerOf } from '../model/transformer.js';
import { native } from '../native/binding.js';
import { trainBatchSchema } from '../options/batches.js';
import { type LossOptions, lossSchema } from '../options/loss.js';
import type { ModelConfig } from '../options/model.js';
import { type TaskName, taskNames } from '../options/tasks/names.js';
import type { DropoutMomentsConfig } from '../options/theory.js';
import { taskNamed, taskOf } from '../tasks/index.js';
import { checkSameTypes } from '../tasks/same_types.js';
import type { DataConfig, OptionNames, Task } from '../tasks/task.js';
import { openRunCheckpoint } from '../training/run/run_checkpoint.js';
import { readRunConfig } from '../training/run/run_directory.js';
import { checkRunText } from '../training/run/run_text.js';
import { fromNative, RdropError } from '../util/errors.js';

/** What the experiment is made on. */
export interface Subject {
  task: TaskName;
  model: Transformer;
  batches: Batch[];
  loss: Omit<LossOptions, 'direction'>;
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
 * @throws RdropError those of the data and text stages and of openRunCheckpoint; CHECKPOINT_MISMATCH when the data are of another task
 *   than the run, or have another dictionary; INVALID_ARGUMENT when the task compares no distributions, the split has too few batches
 *   or a sequence is too long
 */
export async function openSubject(config: DropoutMomentsConfig): Promise<Subject> {
  const origin = config.run === undefined ? null : await openRun(config.run, config.verify);
  const data = resolve(config.data ?? origin!.data);
  if (config.verify) await checkManifest(data);
  const task = origin === null ? await taskOf(data) : taskNamed(origin.task);
  checkDirected(task);
  if (origin !== null) await checkSameTypes(origin.directory, data, task);
  const options = origin?.config ?? config.model!;
  const modelConfig = (await task.network({ model: options, task: task.name }, data)) as ModelConfig;
  const given = Object.fromEntries(Object.entries(config.loss).filter(([, value]) => value !== undefined));
  const { batches, loss } = await pickBatches(config, task, {
    ...{ data, model: options },
    // Of a run with one pass as well: it is two passes that are compared.
    loss: { ...(origin?.loss ?? lossSchema.parse({})), ...given, passes: 2 },
    tokensPerSample: config.tokensPerSample ?? origin?.tokensPerSample,
  });
  await fromNative(() => native().setThreads(config.threads));
  const { seed, device, precision } = resolveRuntime(config);
  const runtime = { seed, device, precision };
  const model = await (origin === null
    ? Transformer.create(modelConfig, runtime)
    : origin.model(modelConfig, runtime));
  return {
    task: task.name,
    model,
    batches,
    loss,
    data,
    modelConfig,
    update: origin?.update ?? 0,
    modelSeed: origin?.seed ?? seed,
  };
}

/** Two numbers have one difference: there is nothing to compare. */
function checkDirected({ directed, name }: Task): void {
  if (directed) return;
  const others = taskNames.filter((each) => taskNamed(each).directed);
  throw new RdropError(
    'INVALID_ARGUMENT',
    `theory: expected a task whose passes have distributions (${others.join(', ')}), since it compares ` +
      `the directions of their divergence; got ${name}, whose squared difference of both passes is one in either direction. ` +
      'A sweep over loss.alpha and loss.passes shows what that does',
  );
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
    const { data, model, loss, seed, device, precision, init, task } = run;
    const { tokensPerSample } = run.batches;
    if (init !== undefined) throw begunWith(init, directory);
    const initial = async (config: ModelConfig, runtime: ResolvedRuntime): Promise<Transformer> => {
      using own = await Transformer.create(config, { seed, device, precision });
      using snapshot = await snapshotOf(own);
      return await transformerOf(inPrecision(snapshot.tensors, runtime), config, runtime, directory);
    };
    return { directory, task, data, model: initial, config: model, loss, tokensPerSample, seed, update: 0 };
  }
  const { directory, config, checkpoint } = await openRunCheckpoint(place, name, verify);
  const { data, model, loss, seed, task, batches } = config;
  const { tokensPerSample } = batches;
  const trained = async (own: ModelConfig, runtime: ResolvedRuntime): Promise<Transformer> => {
    await using file = await checkpoint.open('model');
    return await transformerOf(inPrecision(file.tensors, runtime), own, runtime, checkpoint.path);
  };
  const { update } = checkpoint.state;
  return { directory, task, data, model: trained, config: model, loss, tokensPerSample, seed, update };
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

const begunWith = (init: string, directory: string) =>
  new RdropError(
    'INVALID_ARGUMENT',
    `theory.run.checkpoint: expected "best" or "last" of ${directory}, which began with the parameters of ${init} (init), got "initial"`,
  );

const names: OptionNames = { batches: 'theory', overlong: 'theory.overlong' };

async function pickBatches(
  { split, batches: wanted, maxTokens, overlong, seed }: DropoutMomentsConfig,
  task: Task,
  {
    tokensPerSample,
    ...own
  }: Pick<DataConfig, 'data' | 'model' | 'loss'> & Pick<DropoutMomentsConfig, 'tokensPerSample'>,
): Promise<Pick<Subject, 'batches' | 'loss'>> {
  // numpy's generator takes 32 bits.
  const drawn = seed % 2 ** 31;
  const sizes = trainBatchSchema.parse({ maxTokens, tokensPerSample });
  const { plan, batch, loss } = await task.batches(
    { ...own, batches: sizes, overlong, seed: drawn },
    split,
    names,
  );
  if (plan.length < wanted) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `theory.batches: expected at most the ${plan.length} batches of ${maxTokens} tokens (theory.maxTokens) that ` +
        `${join(own.data, split)} has, got ${wanted}`,
    );
  }
  const { direction: _, ...rest } = loss;
  return { batches: shuffleBatches(plan, drawn, 1).slice(0, wanted).map(batch), loss: rest };
}

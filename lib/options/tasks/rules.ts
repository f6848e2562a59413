/** What the task of a run says of its other options: defaults of its own, and options that have no effect on it. */
import { RdropError } from '../../util/errors.js';
import { modelSchema } from '../model.js';
import { describe } from '../schema/parse.js';
import type { TrainConfig } from '../training.js';
import { type TaskName, taskMetrics, taskNames } from './names.js';

/** Defaults that are not those of translation, by task. */
const taskDefaults: Record<TaskName, { loss?: object; batches?: object; validation?: object }> = {
  translation: {},
  'language-model': {
    batches: { tokensPerSample: 512 },
    validation: { metric: taskMetrics['language-model'][0].name },
  },
  classification: { validation: { metric: taskMetrics.classification[0].name } },
  regression: { loss: { labelSmoothing: 0 }, validation: { metric: taskMetrics.regression[0].name } },
};

/** What lies under the options of a run: by its task, and α 0 under a single pass. */
export function defaultsOf(options: object): { loss?: object } {
  const { task, loss } = options as { task?: unknown; loss?: { passes?: unknown } | null };
  const own = taskNames.includes(task as TaskName) ? taskDefaults[task as TaskName] : {};
  return loss?.passes === 1 ? { ...own, loss: { ...own.loss, alpha: 0 } } : own;
}

const stacks = { encoder: 'encoderLayers', decoder: 'decoderLayers' } as const;

/** The stack of layers that the network of a task does not have. */
const lacking: Record<TaskName, keyof typeof stacks | null> = {
  translation: null,
  'language-model': 'encoder',
  classification: 'decoder',
  regression: 'decoder',
};

/**
 * Refuses what has no effect on the task of a run. A number of layers that the network lacks stands in every configuration, so that
 * only another than the default is known to have been given.
 *
 * @throws RdropError INVALID_CONFIG
 */
export function checkTaskOptions(config: TrainConfig, what: string): void {
  const { task, model, batches, loss, validation } = config;
  const refuse = (option: string, text: string, got: unknown) =>
    new RdropError('INVALID_CONFIG', `${what}.${option}: ${text}, got ${describe(got)}`);
  const stack = lacking[task];
  if (stack !== null) {
    const name = stacks[stack];
    const usual = modelSchema.parse({ vocabSize: 5 })[name];
    if (model[name] !== usual)
      throw refuse(
        `model.${name}`,
        `expected none, since the network of ${task} has no ${stack}`,
        model[name],
      );
  }
  if (batches.tokensPerSample !== undefined && task !== 'language-model')
    throw refuse(
      'batches.tokensPerSample',
      `expected none in ${task}, which has no blocks`,
      batches.tokensPerSample,
    );
  if (task === 'regression' && loss.labelSmoothing > 0)
    throw refuse(
      'loss.labelSmoothing',
      'expected 0 in regression, which has no classes',
      loss.labelSmoothing,
    );
  if (loss.classWeights !== undefined && task !== 'classification')
    throw refuse('loss.classWeights', `expected none in ${task}, which has no labels`, loss.classWeights);
  const { metric } = validation;
  const names: readonly string[] = taskMetrics[task].map(({ name }) => name);
  if (typeof metric !== 'string' || names.includes(metric)) return;
  throw refuse(
    'validation.metric',
    `expected ${names.map((name) => `'${name}'`).join(', ')} or {name, mode: 'max' or 'min'} with the name of a metric of your own`,
    metric,
  );
}

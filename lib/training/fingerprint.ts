import { createHash } from 'node:crypto';
import { type TrainConfig, trainSchema } from '../options/training.js';

/** The options of the first runs that were written. A later one that has its default leaves no trace in a fingerprint. */
const firstOptions = new Set([
  ...['seed', 'device', 'precision', 'threads', 'overlong', 'logInterval', 'checkpointInterval'],
  ...[
    ...['embedDim', 'ffnDim', 'heads', 'encoderLayers', 'decoderLayers', 'dropout', 'attentionDropout'],
    ...['activationDropout', 'norm', 'activation', 'shareEmbeddings', 'maxPositions'],
  ].map((name) => `model.${name}`),
  ...['direction', 'alpha', 'labelSmoothing', 'passReduction'].map((name) => `loss.${name}`),
  ...[
    ...['schedule', 'learningRate', 'warmupUpdates', 'warmupInitLearningRate', 'beta1', 'beta2', 'epsilon'],
    ...['weightDecay', 'clipNorm'],
  ].map((name) => `optimizer.${name}`),
  ...['maxTokens', 'multipleOf', 'accumulate'].map((name) => `batches.${name}`),
  ...['interval', 'metric', 'bleu', 'patience', 'beam'].map((name) => `validation.${name}`),
  'test.beam',
]);

type Options = Record<string, unknown>;
const isPlain = (value: unknown): value is Options =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The options without those that are younger than the first runs and have their default. */
function withoutLaterDefaults(options: Options, defaults: Options, path = ''): Options {
  const kept = Object.entries(options).flatMap(([key, value]): [string, unknown][] => {
    const at = path === '' ? key : `${path}.${key}`;
    if (firstOptions.has(at)) return [[key, value]];
    const fallback = defaults[key];
    if (isPlain(value) && isPlain(fallback)) return [[key, withoutLaterDefaults(value, fallback, at)]];
    return JSON.stringify(value) === JSON.stringify(fallback) ? [] : [[key, value]];
  });
  return Object.fromEntries(kept);
}

/**
 * Of what the numbers of a run depend on. The limits, the places and the processes are left out: a run may be
 * moved, made longer, and continued by more or fewer processes, which changes its numbers and is warned of.
 */
export function fingerprint(config: TrainConfig): string {
  const {
    runDirectory: _r,
    data: _d,
    init: _i,
    maxUpdates: _u,
    maxEpochs: _e,
    maxMinutes: _m,
    distributed: _p,
    tensorboard: _t,
    ...rest
  } = config;
  const defaults = trainSchema.parse({ data: '.', runDirectory: '.' });
  const counted = withoutLaterDefaults(rest, defaults);
  return createHash('sha256').update(JSON.stringify(counted)).digest('hex').slice(0, 16);
}

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Transformer } from '../../lib/model/transformer.js';
import { parseConfig, type TrainConfig, type TrainOptions, trainSchema } from '../../lib/options/index.js';
import { mergeOptions } from '../../lib/options/presets.js';
import { asRdropError } from '../../lib/util/errors.js';
import { makeReversalData, metricsOf, modelBytes, trainAll, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
let otherData: string;
beforeAll(async () => {
  place = await workplace();
  data = join(place.path, 'data');
  otherData = join(place.path, 'other');
  await makeReversalData(data, { train: 60, valid: 4, test: 4 });
  await makeReversalData(otherData, { train: 61, valid: 4, test: 4 });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await place.remove();
});

let runs = 0;
const base = (): TrainOptions => ({
  data,
  runDirectory: join(place.path, `run${runs++}`),
  threads: 1,
  model: {
    embedDim: 8,
    ffnDim: 8,
    heads: 2,
    encoderLayers: 1,
    decoderLayers: 1,
    // Low, so that the other two kinds of dropout start from nothing and show.
    dropout: 0.1,
    maxPositions: 64,
  },
  optimizer: { learningRate: 0.01, warmupUpdates: 3, clipNorm: 0 },
  batches: { maxTokens: 100, multipleOf: 8 },
  maxUpdates: 5,
  logInterval: 2,
  validation: { interval: 2, beam: { beam: 3, maxLenA: 0, maxLenB: 6 } },
  test: { beam: { beam: 3, maxLenB: 6 } },
});

/** Everything about a run that can be seen from outside, times apart. */
async function observe(changes: object): Promise<string> {
  const options = mergeOptions(base(), changes) as unknown as TrainOptions;
  const translate = vi.spyOn(Transformer.prototype, 'translate');
  try {
    const events = (await trainAll(options)).map(({ type, update }) => `${type} ${update}`);
    const translated = (await Promise.all(translate.mock.results.map(({ value }) => value))).flat(2);
    const run = options.runDirectory;
    const timeless = ({
      seconds: _,
      tokensPerSecond: _t,
      validationSeconds: _v,
      ...rest
    }: Record<string, unknown>) => rest;
    const environment = JSON.parse(await readFile(join(run, 'environment.json'), 'utf8'));
    const state = JSON.parse(await readFile(join(run, 'checkpoints', 'last', 'state.json'), 'utf8'));
    return JSON.stringify([
      events,
      (await metricsOf(run)).map(timeless),
      translated.map(({ tokens, score }) => [[...tokens], score]),
      (await modelBytes(run)).toString('base64'),
      state.state.best,
      environment.threads,
    ]);
  } catch (error) {
    return asRdropError(error).code;
  } finally {
    translate.mockRestore();
  }
}

const still = { optimizer: { schedule: 'constant', learningRate: 1e-30, weightDecay: 0 } };
/** Long enough to have learned where sentences end. */
const taught = { maxUpdates: 60, validation: { interval: 60 }, optimizer: { learningRate: 0.03 } };
/** For every option a value that changes what is seen, and where needed the circumstances in which it does. */
const changes: Record<string, { to: unknown; under?: object }> = {
  seed: { to: 9 },
  precision: { to: 'float64' },
  threads: { to: 2 },
  'model.embedDim': { to: 12 },
  'model.ffnDim': { to: 9 },
  'model.heads': { to: 1 },
  'model.encoderLayers': { to: 2 },
  'model.decoderLayers': { to: 2 },
  'model.dropout': { to: 0.2 },
  'model.attentionDropout': { to: 0.2 },
  'model.activationDropout': { to: 0.2 },
  'model.norm': { to: 'pre' },
  'model.activation': { to: 'gelu' },
  'model.shareEmbeddings': { to: 'none' },
  'model.maxPositions': { to: 5 },
  'model.positions': { to: 'learned' },
  'model.scaleEmbeddings': { to: false },
  'model.embeddingNorm': { to: true },
  'model.normEpsilon': { to: 0.01 },
  'model.bias': { to: false },
  'model.initialization': { to: 'bert' },
  'loss.passes': { to: 1, under: { loss: { alpha: 0 } } },
  'loss.klReduction': { to: 'sum' },
  'loss.direction': { to: 'bi' },
  'loss.alpha': { to: 1 },
  'loss.labelSmoothing': { to: 0 },
  'loss.smoothing': { to: 'fairseq' },
  'loss.passReduction': { to: 'mean' },
  'optimizer.schedule': { to: 'constant' },
  'optimizer.learningRate': { to: 0.02 },
  'optimizer.warmupUpdates': { to: 4 },
  'optimizer.warmupInitLearningRate': { to: 1e-3 },
  'optimizer.minimumLearningRate': {
    to: 5e-3,
    under: { optimizer: { schedule: 'linear', minimumLearningRate: 1e-3, totalUpdates: 4 } },
  },
  'optimizer.totalUpdates': { to: 9, under: { optimizer: { schedule: 'cosine' } } },
  'optimizer.power': { to: 2, under: { optimizer: { schedule: 'polynomial' } } },
  'optimizer.weightDecayOn': { to: 'matrices', under: { optimizer: { weightDecay: 0.1 } } },
  'optimizer.layerDecay': { to: 0.5 },
  'optimizer.beta1': { to: 0.8 },
  'optimizer.beta2': { to: 0.9 },
  'optimizer.epsilon': { to: 1e-2 },
  'optimizer.weightDecay': { to: 0.1 },
  'optimizer.clipNorm': { to: 0.01 },
  'batches.maxTokens': { to: 50 },
  'batches.multipleOf': { to: 3 },
  'batches.maxSentences': { to: 2 },
  'batches.accumulate': { to: 2 },
  maxUpdates: { to: 4 },
  maxEpochs: { to: 1, under: { batches: { maxTokens: 200 } } },
  maxMinutes: { to: 1e-6 },
  logInterval: { to: 1 },
  'validation.interval': { to: 1 },
  'validation.metric': { to: 'loss' },
  // Untrained, it goes on to the limit, which fairseq takes from the longest source of the batch.
  'validation.bleu': { to: 'fairseq', under: { validation: { beam: { maxLenA: 2 } } } },
  'validation.patience': { to: 1, under: still },
  'validation.beam.beam': { to: 1, under: taught },
  'validation.beam.lengthPenalty': { to: 0.5 },
  'validation.beam.maxLenA': { to: 1 },
  'validation.beam.maxLenB': { to: 3 },
  'validation.beam.minLen': { to: 6, under: taught },
  'test.beam.beam': { to: 1 },
  'test.beam.lengthPenalty': { to: 0.5 },
  'test.beam.maxLenA': { to: 1 },
  'test.beam.maxLenB': { to: 3 },
  'test.beam.minLen': { to: 6, under: taught },
  checkpointInterval: { to: 1 },
};
/** device has one value so far; the task, the directories and the event files are looked at by themselves. */
const apart = [
  ...['device', 'task', 'data', 'runDirectory', 'tensorboard'],
  // Of an encoder with a head: test/model/compositions.test.ts and test/model/heads.test.ts.
  ...['tokenTypes', 'pooling', 'pooler', 'headInputDropout', 'headDropout'].map((name) => `model.${name}`),
];

const leaves = (value: object, path = ''): string[] =>
  Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === 'object' ? leaves(inner, `${path}${key}.`) : [`${path}${key}`],
  );
const nested = (path: string, value: unknown) =>
  path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;

describe('every option of a run has an effect', () => {
  it('the table names them all', () => {
    const config: TrainConfig = parseConfig(trainSchema, { data: 'd', runDirectory: 'r' }, 'train');
    expect([...Object.keys(changes), ...apart].sort()).toEqual(leaves(config).sort());
  });

  const plain = new Map<string, Promise<string>>();
  /** What is seen without the change; one run for each circumstance. */
  const unchanged = (under: object) => {
    const key = JSON.stringify(under);
    if (!plain.has(key)) plain.set(key, observe(under));
    return plain.get(key)!;
  };

  it('the same options are seen to do the same', async () => {
    expect(await observe({})).toBe(await unchanged({}));
  });

  it.each(Object.entries(changes))('%s', async (path, { to, under = {} }) => {
    expect(await observe(mergeOptions(under, nested(path, to)))).not.toBe(await unchanged(under));
  });

  it('data and runDirectory', async () => {
    expect(await observe({ data: otherData })).not.toBe(await unchanged({}));
    const runDirectory = join(place.path, 'elsewhere');
    await observe({ runDirectory });
    expect(existsSync(join(runDirectory, 'result.json'))).toBe(true);
  });

  it.each([
    ['validation.beam.nBest', { validation: { beam: { nBest: 2 } } }],
    ['model.vocabSize', { model: { vocabSize: 99 } }],
    ['loss.temperature', { loss: { temperature: 2 } }],
    ['epochs', { epochs: 3 }],
    ['device', { device: 'tpu' }],
    // What must hold between two options, in a run as well as in a model.
    ['model.heads', { model: { embedDim: 32, heads: 5 } }],
    ['model.embedDim', { model: { embedDim: 15, heads: 5 } }],
  ])('%s is refused and makes no directory', async (path, unknown) => {
    const options = mergeOptions(base(), unknown) as unknown as TrainOptions;
    await expect(trainAll(options)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(path.split('.').at(-1)!),
    });
    expect(existsSync(options.runDirectory)).toBe(false);
  });
});

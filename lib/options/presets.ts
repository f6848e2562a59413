/** Presets, and options laid over one another. */
import { RdropError } from '../util/errors.js';
import { mostSimilar } from '../util/similar.js';
import { describe, parseConfig } from './schema/parse.js';
import { checkTaskOptions, defaultsOf } from './tasks/rules.js';
import {
  type PresetName,
  presetNames,
  type TrainConfig,
  type TrainOptions,
  trainSchema,
} from './training.js';

type DeepPartial<T> = T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;
/** Options of a training run, any of which may be left out. */
export type PartialTrainOptions = DeepPartial<Omit<TrainOptions, 'preset'>>;

/**
 * The run of the paper (section 4.1): every flag of dropreg/R-Drop's run_train.sh and run_inference.sh, and fairseq's defaults
 * behind them. docs/reproducing.md lists them flag by flag. All are spelled out, whatever the defaults become.
 */
const iwslt14 = (direction: 'uni' | 'bi'): PartialTrainOptions => ({
  task: 'translation',
  precision: 'auto',
  model: {
    embedDim: 512,
    ffnDim: 1024,
    heads: 4,
    encoderLayers: 6,
    decoderLayers: 6,
    dropout: 0.3,
    attentionDropout: 0,
    activationDropout: 0,
    norm: 'post',
    activation: 'relu',
    shareEmbeddings: 'all',
    maxPositions: 1024,
    positions: 'sinusoidal',
    tokenTypes: 0,
    scaleEmbeddings: true,
    embeddingNorm: false,
    normEpsilon: 1e-5,
    bias: true,
    initialization: 'fairseq',
    // The network has no head.
    ...{ pooling: 'first', pooler: 'tanh', headInputDropout: 0, headDropout: 0.1 },
  },
  loss: {
    ...{ passes: 2, direction, alpha: 5, klReduction: 'mean' },
    ...{ labelSmoothing: 0.1, smoothing: 'dropreg', passReduction: 'sum' },
  },
  optimizer: {
    schedule: 'inverse_sqrt',
    learningRate: 5e-4,
    warmupUpdates: 4000,
    warmupInitLearningRate: 1e-7,
    beta1: 0.9,
    beta2: 0.98,
    epsilon: 1e-8,
    weightDecay: 1e-4,
    clipNorm: 0,
    ...{ weightDecayOn: 'all', layerDecay: 1, freeze: [] },
    // Of other schedules.
    ...{ minimumLearningRate: 0, totalUpdates: 0, power: 1 },
  },
  batches: { maxTokens: 4096, multipleOf: 8, maxSentences: 0, accumulate: 1 },
  maxUpdates: 300_000,
  maxEpochs: 0,
  maxMinutes: 0,
  logInterval: 100,
  validation: {
    interval: 0,
    metric: 'bleu',
    bleu: 'fairseq',
    patience: 0,
    beam: { beam: 5, lengthPenalty: 1, maxLenA: 1.2, maxLenB: 10, minLen: 1 },
  },
  test: { beam: { beam: 5, lengthPenalty: 1, maxLenA: 0, maxLenB: 200, minLen: 1 } },
  checkpointInterval: 0,
  tensorboard: false,
});

/**
 * What nanoGPT's models of Shakespeare's characters share. Its rate in the warm-up is that of one update later, over one more: that
 * is a warm-up from learningRate / 101.
 *
 * @source github.com/karpathy/nanoGPT, model.py, train.py
 */
function nanoGpt(size: { layers: number; width: number; heads: number; block: number; dropout: number }) {
  return {
    task: 'language-model',
    model: {
      ...{ embedDim: size.width, ffnDim: 4 * size.width, heads: size.heads, decoderLayers: size.layers },
      ...{ dropout: size.dropout, attentionDropout: size.dropout, maxPositions: size.block },
      ...{ norm: 'pre', activation: 'gelu', positions: 'learned', scaleEmbeddings: false, bias: false },
      ...{ initialization: 'gpt2', shareEmbeddings: 'all' },
    },
    optimizer: {
      ...{ schedule: 'cosine', learningRate: 1e-3, minimumLearningRate: 1e-4, warmupUpdates: 100 },
      ...{
        warmupInitLearningRate: 1e-3 / 101,
        beta2: 0.99,
        weightDecay: 0.1,
        weightDecayOn: 'matrices',
        clipNorm: 1,
      },
    },
    validation: { interval: 250 },
  } as const satisfies PartialTrainOptions;
}

/** What each preset sets. The option `preset` lays a configuration over one of them, part by part. */
export const presets = {
  'iwslt14-rdrop-uni': iwslt14('uni'),
  'iwslt14-rdrop-bi': iwslt14('bi'),
  /** fairseq's transformer_wmt_en_de, the base model of Vaswani et al. 2017. */
  transformer_base: { model: { embedDim: 512, ffnDim: 2048, heads: 8, dropout: 0.1 } },
  /** fairseq's transformer_vaswani_wmt_en_de_big. */
  transformer_big: { model: { embedDim: 1024, ffnDim: 4096, heads: 16, dropout: 0.3 } },
  /** Multi30k on two cores within the hour; measured in benchmarks/results/multi30k.md. */
  multi30k: {
    model: { embedDim: 256, ffnDim: 512, heads: 4, encoderLayers: 3, decoderLayers: 3, dropout: 0.2 },
    loss: { direction: 'uni', alpha: 5 },
    optimizer: { learningRate: 1e-3, warmupUpdates: 800 },
    batches: { maxTokens: 1024 },
    maxUpdates: 0,
    maxMinutes: 45,
    validation: { interval: 1000 },
  },
  /** The demo's, and for seeing everything work in a minute. */
  tiny: {
    model: { embedDim: 64, ffnDim: 128, heads: 4, encoderLayers: 2, decoderLayers: 2, dropout: 0.1 },
    optimizer: { learningRate: 2e-3, warmupUpdates: 200 },
    batches: { maxTokens: 1024 },
    maxUpdates: 1000,
    logInterval: 50,
    validation: { beam: { beam: 1, maxLenA: 1.2, maxLenB: 10 } },
  },
  /**
   * An encoder of 2 × 128 for sentences, from scratch: TREC questions in a minute.
   */
  'classifier-small': {
    task: 'classification',
    model: {
      ...{
        embedDim: 128,
        ffnDim: 256,
        heads: 4,
        encoderLayers: 2,
        dropout: 0.2,
        norm: 'pre',
        activation: 'gelu',
      },
      ...{ pooling: 'mean', pooler: 'none', headDropout: 0.2, maxPositions: 256 },
    },
    loss: { direction: 'uni', alpha: 1, labelSmoothing: 0 },
    optimizer: {
      ...{ schedule: 'linear', learningRate: 1e-3, warmupUpdates: 100, warmupInitLearningRate: 0 },
      ...{ weightDecay: 0.01, weightDecayOn: 'matrices', clipNorm: 1 },
    },
    batches: { maxTokens: 4096, maxSentences: 64 },
    maxUpdates: 1200,
    validation: { interval: 100 },
  },
  /**
   * BERT-base, and its fine-tuning as dropreg/R-Drop does it (huggingface_transformer_src, GLUE): the KL term is summed over the
   * batch while the cross-entropy is averaged.
   */
  'classifier-bert': {
    task: 'classification',
    model: {
      ...{ embedDim: 768, ffnDim: 3072, heads: 12, encoderLayers: 12, dropout: 0.1, attentionDropout: 0.1 },
      ...{ norm: 'post', activation: 'gelu', positions: 'learned', tokenTypes: 2, embeddingNorm: true },
      ...{ scaleEmbeddings: false, normEpsilon: 1e-12, initialization: 'bert', maxPositions: 512 },
      ...{ pooling: 'first', pooler: 'tanh', headDropout: 0.1 },
    },
    loss: { direction: 'bi', alpha: 1, klReduction: 'sum', passReduction: 'mean', labelSmoothing: 0 },
    optimizer: {
      ...{ schedule: 'linear', learningRate: 2e-5, warmupUpdates: 100, warmupInitLearningRate: 0 },
      ...{ beta2: 0.999, weightDecay: 0.01, weightDecayOn: 'matrices', clipNorm: 1 },
    },
    batches: { maxTokens: 16_384, maxSentences: 32 },
    maxUpdates: 2000,
    validation: { interval: 200 },
  },
  /**
   * nanoGPT's setting for a CPU (its README; config/train_shakespeare_char.py). Without dropout two passes are one: `loss.passes` is 1.
   * For R-Drop: `model.dropout`, `loss.passes` 2 and `loss.alpha`.
   */
  'gpt-tiny': {
    ...nanoGpt({ layers: 4, width: 128, heads: 4, block: 64, dropout: 0 }),
    loss: { passes: 1, alpha: 0, labelSmoothing: 0 },
    batches: { maxTokens: 12 * 64, maxSentences: 12, tokensPerSample: 64 },
    maxUpdates: 2000,
  },
  /** nanoGPT's config/train_shakespeare_char.py, with R-Drop. */
  'gpt-small': {
    ...nanoGpt({ layers: 6, width: 384, heads: 6, block: 256, dropout: 0.2 }),
    loss: { direction: 'uni', alpha: 1, labelSmoothing: 0 },
    batches: { maxTokens: 64 * 256, maxSentences: 64, tokensPerSample: 256 },
    maxUpdates: 5000,
  },
} as const satisfies Record<PresetName, PartialTrainOptions>;

/**
 * A copy of a preset.
 *
 * @throws RdropError with the nearest name, and those that there are
 */
export function preset(
  name: unknown,
  what = 'preset',
  code: 'INVALID_ARGUMENT' | 'INVALID_CONFIG' = 'INVALID_ARGUMENT',
): PartialTrainOptions {
  if (typeof name === 'string' && Object.hasOwn(presets, name))
    return structuredClone(presets[name as PresetName]);
  const meant = typeof name === 'string' ? mostSimilar(name, presetNames) : null;
  throw new RdropError(
    code,
    `${what}: unknown preset${meant === null ? '' : `, did you mean ${meant}?`}; ` +
      `expected one of ${presetNames.join(', ')}; got ${describe(name)}`,
  );
}

/**
 * The options of a run with their preset under them and every default filled in.
 *
 * @param what the name of the options in errors
 * @throws RdropError INVALID_CONFIG
 */
export function resolveTrainOptions(options: TrainOptions, what: string): TrainConfig {
  const given = overPreset(options, what);
  const whole = isPlain(given) ? mergeOptions(defaultsOf(given), given) : given;
  const config = parseConfig(trainSchema, isPlain(whole) ? withoutKl(whole, options) : whole, what);
  checkTaskOptions(config, what);
  return config;
}

/** One pass has no KL term: what a preset or a default says of it does not count; what is given is checked. */
function withoutKl(options: Options, given: TrainOptions): Options {
  const loss = options['loss'];
  if (!isPlain(loss) || loss['passes'] !== 1) return options;
  const { alpha: _a, direction: _d, ...rest } = loss;
  const { alpha = 0, direction = 'uni' } = given.loss ?? {};
  return { ...options, loss: { ...rest, alpha, direction } };
}

/** The options laid over the preset that they name, which they name no longer. */
export function overPreset(options: object, what: string): object {
  if (typeof options !== 'object' || options === null || !('preset' in options)) return options;
  const { preset: name, ...given } = options;
  return name === undefined ? given : mergeOptions(preset(name, `${what}.preset`, 'INVALID_CONFIG'), given);
}

type Options = Record<string, unknown>;
const isPlain = (value: unknown): value is Options =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Lays configurations over one another, the last on top; objects are merged, everything else is replaced. */
export function mergeOptions(...layers: object[]): Options {
  const merged: Options = {};
  for (const layer of layers) {
    for (const [key, value] of Object.entries(layer)) {
      if (value === undefined) continue;
      const below = merged[key];
      // defineProperty, so that a key called __proto__ stays a key and is refused by the schema.
      Object.defineProperty(merged, key, {
        value: isPlain(value) ? mergeOptions(isPlain(below) ? below : {}, value) : value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
  }
  return merged;
}

/**
 * The surface of the native core (native/addon/addon.cc): the contract between TypeScript and C++. Everything here is
 * already checked and packed; options are complete, since defaults live in lib/options/index.ts alone.
 *
 * Letters: B pairs, S and T source and target tokens of a batch (eos included, no padding), V classes.
 * A ragged list of B sequences is packed: tokens [S] and offsets [B+1] with sequence i at offsets[i]..offsets[i+1].
 */

import type { NativeDistributed, NativeGroup, NativeGroupOptions } from './contract_group.js';
import type { NativeCudaLibraries, NativeInfo, NativeOpenDevice } from './contract_machine.js';

export type * from './contract_group.js';
export type * from './contract_machine.js';

/**
 * Counts the changes of this file that a core of before does not serve. The core has the same number (contract_version in
 * native/addon/addon.cc), and one with another is refused when it is opened.
 */
export const contractVersion = 3;

export interface Packed {
  tokens: Int32Array;
  offsets: Int32Array;
}

/**
 * Encoder-decoder: pairs. Decoder: source is what the network reads, target what it predicts at each position, with the same
 * offsets; one that is ignoreIndex counts for nothing. Encoder of classes: one number a target, the class from 0 on. Encoder of
 * a value: target is empty. The loss has N positions: target tokens, or sequences of an encoder.
 */
export interface PackedBatch {
  source: Packed;
  target: Packed;
  /** Other sources for pass 2; the comparison with the original uses it. */
  secondSource?: Packed;
  /** [S] the type of each source token: of an encoder with tokenTypes, which else takes 0 for all. */
  tokenTypes?: Int32Array | undefined;
  /** [B] the number that belongs to each source: of an encoder whose output is a value, whose target is empty. */
  values?: Float64Array | undefined;
}

export interface NativeLossOptions {
  direction: 'uni' | 'uni-reverse' | 'bi';
  alpha: number;
  labelSmoothing: number;
  ignoreIndex: number;
  passReduction: 'sum' | 'mean';
  /** 1: the cross-entropy of one pass; alpha, direction and passReduction have no part. Left out: 2. */
  passes?: 1 | 2 | undefined;
  /** `sum`: alpha counts once for every position of the batch that is not ignored. Left out: `mean`. */
  klReduction?: 'mean' | 'sum' | undefined;
  /** [V] factors of the cross-entropy by class. Left out or null: 1. */
  classWeights?: Float64Array | null | undefined;
}

/** Sums over the target positions, natural logarithm; tokens is the N of one pass. */
export interface NativeLoss {
  loss: number;
  crossEntropy: number;
  nll: number;
  kl: number;
  tokens: number;
}

export interface NativeModelConfig {
  /** Types of the target's dictionary, and of the source's where nothing else is said. */
  vocabSize: number;
  sourceVocabSize?: number | undefined;
  embedDim: number;
  ffnDim: number;
  heads: number;
  encoderLayers: number;
  decoderLayers: number;
  dropout: number;
  attentionDropout: number;
  activationDropout: number;
  norm: 'post' | 'pre';
  activation: 'relu' | 'gelu';
  shareEmbeddings: 'all' | 'decoder' | 'none';
  maxPositions: number;
  // ModelOptions of lib/options/model.ts says what they mean; left out they are what it says for an encoder-decoder.
  architecture?: 'encoder-decoder' | 'encoder' | 'decoder' | undefined;
  output?: 'classes' | 'value' | undefined;
  outputs?: number | undefined;
  positions?: 'sinusoidal' | 'learned' | undefined;
  tokenTypes?: number | undefined;
  scaleEmbeddings?: boolean | undefined;
  embeddingNorm?: boolean | undefined;
  normEpsilon?: number | undefined;
  bias?: boolean | undefined;
  initialization?: 'fairseq' | 'bert' | 'gpt2' | undefined;
  pooling?: 'first' | 'mean' | undefined;
  pooler?: 'none' | 'tanh' | 'relu' | undefined;
  headInputDropout?: number | undefined;
  headDropout?: number | undefined;
}

export interface NativeRuntime {
  seed: number;
  /** Device number `index`, of CUDA or of another device library, such as the emulated grid of the tests; 'cuda' is the first. */
  device: 'cpu' | 'cuda' | { library?: string; index: number };
  /** CPU: float32, float64, bfloat16. Devices: float32, tf32, bfloat16, float16. */
  precision: 'float32' | 'float64' | 'tf32' | 'bfloat16' | 'float16';
}

/** How one parameter is updated. */
export interface NativeParameterGroup {
  name: string;
  /** Its learning rate over the schedule's. 0: it stays as it is to the bit, and its gradient counts for no norm. */
  rate: number;
  /** Whether weightDecay holds for it. */
  decay: boolean;
}

export interface NativeOptimizerOptions {
  schedule: 'inverse_sqrt' | 'constant' | 'linear' | 'cosine' | 'polynomial';
  learningRate: number;
  warmupUpdates: number;
  warmupInitLearningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  clipNorm: number;
  /** Of linear, cosine and polynomial, which need both: the rate at the end, and the updates after which it is reached (1 or more). */
  minimumLearningRate?: number;
  totalUpdates?: number;
  /** Of polynomial, which needs it. */
  power?: number;
  /** One for each parameter of the model. Absent or null: all are updated alike, in one sweep. */
  groups?: NativeParameterGroup[] | null;
}

export interface NativeBeamOptions {
  beam: number;
  lengthPenalty: number;
  maxLenA: number;
  maxLenB: number;
  minLen: number;
  nBest: number;
}

export interface NativeHypothesis {
  /** Ends in eos. */
  tokens: Int32Array;
  /** Log-probability divided by length ** lengthPenalty. */
  score: number;
  /** One per token. */
  logProbabilities: Float32Array;
}

export interface NativeTranslations {
  /** nBest a source, best first. */
  hypotheses: NativeHypothesis[][];
  /** Why a device's kernels were launched one by one, not as a CUDA graph; empty: they were not. */
  graphFallbackReason: string;
}

export interface NativeGenerationOptions {
  /** Tokens generated for each prompt, eos counted. */
  maxTokens: number;
  /** Whether a text ends with its first eos. */
  untilEos: boolean;
  /** Beam search over so many texts, to the one with the highest log-probability by token; 0: the options below draw tokens. */
  beam: number;
  /** The most probable token each time: temperature, topK, topP and seed have no effect. */
  greedy: boolean;
  temperature: number;
  /** 0: no limit. */
  topK: number;
  topP: number;
  /** Only the first so many types; 0: all. */
  types: number;
  seed: number;
  /** Number of the first prompt: the random numbers of a text hang on the seed and its number alone. */
  first: number;
}

/** Behind a prompt. */
export interface NativeGeneration {
  /** Ends in eos where the text came to its end. */
  tokens: Int32Array;
  /** One per token, of the model itself: at temperature 1, among all types. */
  logProbabilities: Float32Array;
}

export type FloatArray = Float32Array | Float64Array;

/** Keeps the native model alive until it is disposed of. */
export interface NativeSnapshot {
  /** The numbers begin..end of a parameter, row-major. */
  read(name: string, begin: number, end: number): Promise<FloatArray>;
  dispose(): void;
}

/** States: ready, working, disposed. Calls on one model are queued in the order they were made. */
export interface NativeTransformer {
  readonly parameterCount: number;
  /** [name, shape] in the order of the checkpoint file; fairseq's names. */
  readonly parameterShapes: [name: string, shape: number[]][];
  /** Copies of the parameters, fairseq's names. */
  parameters(): Promise<Map<string, FloatArray>>;
  /** Replaces every parameter; names, sizes and types must match exactly. */
  setParameters(parameters: Map<string, FloatArray>): Promise<void>;
  /** The parameters as they now are, whatever happens to the model while they are read. */
  snapshot(): Promise<NativeSnapshot>;
  /** Replaces the numbers begin..end of a parameter, row-major; their type must be that of parameters(). */
  write(name: string, begin: number, end: number, values: FloatArray): Promise<void>;
  /** [T,V], dropout off; of an encoder [B,outputs]. */
  logits(batch: PackedBatch): Promise<FloatArray>;
  /** [R,D], dropout off: what the output projection or the head reads, states of the decoder or else of the encoder. */
  hidden(batch: PackedBatch): Promise<FloatArray>;
  /** Undivided gradients by fairseq's names. training: dropout on, keyed by (seed, update). */
  lossAndGradients(
    batch: PackedBatch,
    options: NativeLossOptions,
    extra: { secondSource: Packed | null; training: boolean; update: number },
  ): Promise<NativeLoss & { gradients: Map<string, FloatArray> }>;
  /** One pass, dropout off: the validation loss (α unused, kl 0). */
  evaluate(batch: PackedBatch, options: NativeLossOptions): Promise<NativeLoss>;
  translate(sources: Packed, options: NativeBeamOptions): Promise<NativeTranslations>;
  /** Of a decoder alone: goes on with each prompt, none of which is empty. */
  generate(prompts: Packed, options: NativeGenerationOptions): Promise<NativeGeneration[]>;
  dispose(): void;
}

/** What one or more updates did: sums, but for learningRate and lossScale, which are those of the last. */
export interface NativeMetrics extends NativeLoss {
  /** Of the gradient divided by tokens, before clipping. */
  gradientNorm: number;
  learningRate: number;
  steps: number;
  /** Updates left out because their gradient overflowed (float16). */
  skipped: number;
  lossScale: number;
  /** Steps recorded as CUDA graphs so far, one a bucket of shapes. */
  graphs: number;
  /** Shapes that were used more than once and are launched kernel by kernel. */
  shapesWithoutGraph: number;
  /** Why kernels are launched one by one instead; empty: they are not. */
  graphFallbackReason: string;
}

export interface NativeStep {
  /** Number of updates done, this one included. */
  update: number;
  /** Pairs, source tokens and target tokens of the update, of all ranks. */
  pairs: number;
  sourceTokens: number;
  tokens: number;
  /** That the core worked on it; on a device until it was under way. */
  seconds: number;
  /** null on a device, where a step does not wait: metrics() reads them. */
  metrics: NativeMetrics | null;
  /** Bitwise or of the flags that the ranks gave to this step. */
  flags: number;
}

/** Of an optimizer, besides the moments. */
export interface NativeCounters {
  /** Steps taken, those included that were left out. */
  update: number;
  /** Steps applied; the learning rate follows these. */
  applied: number;
  lossScale: number;
  /** The step, counted from 0, whose gradient overflowed last; -1: none did. */
  lastOverflow: number;
}

export type Moment = 'first' | 'second';

/** States: ready, stepping, disposed. Two steps at once are refused (BUSY). */
export interface NativeTrainer {
  readonly update: number;
  /**
   * One update from the summed gradients of all batches: of this rank, possibly none, and of the others. Batch i is number
   * i·W + rank of the update in the keys of dropout. flags: bits 0 to 7, for NativeStep.flags.
   */
  step(batches: PackedBatch[], flags?: number): Promise<NativeStep>;
  /** On a device: of the steps since the last call. Waits for them. */
  metrics(): Promise<NativeMetrics>;
  counters(): Promise<NativeCounters>;
  setCounters(counters: NativeCounters): Promise<void>;
  /** The numbers begin..end of a moment of a parameter, row-major; in the type of NativeTransformer.parameters(). */
  readMoment(moment: Moment, name: string, begin: number, end: number): Promise<FloatArray>;
  writeMoment(moment: Moment, name: string, begin: number, end: number, values: FloatArray): Promise<void>;
  dispose(): void;
}

export interface Native {
  /** contractVersion of the sources that the core was compiled from. */
  contract: number;
  info(): NativeInfo;
  setCudaLibraries(libraries: NativeCudaLibraries): void;
  /** Opens a CUDA device, or rejects with CUDA_UNAVAILABLE. */
  openCuda(index: number): Promise<NativeOpenDevice>;
  /** Begins the peak of openCuda's answer anew. */
  resetPeak(index: number): Promise<void>;
  /** Threads for all later work; 0 takes every core. */
  setThreads(threads: number): Promise<void>;
  /** Chooses another body of the kernels (the tests compare them); refuses one that this machine cannot run. */
  setInstructionSet(name: 'avx512' | 'avx2' | 'scalar'): void;
  /** The rate of the update that follows `updates` done ones. */
  learningRate(optimizer: NativeOptimizerOptions, updates: number): number;
  /** logits [P·N,V] for P passes, targets [N]; gradient has the logits' shape and type. */
  rdropLoss(
    logits: FloatArray | Uint16Array,
    classes: number,
    targets: Int32Array,
    options: NativeLossOptions,
  ): Promise<NativeLoss & { gradient: FloatArray | Uint16Array }>;
  /** The same with the caller waiting: on an idle engine's threads, else on the caller's own, alone. */
  rdropLossSync(
    logits: FloatArray | Uint16Array,
    classes: number,
    targets: Int32Array,
    options: NativeLossOptions,
  ): NativeLoss & { gradient: FloatArray | Uint16Array };
  /** predictions [P·N], values [N]; crossEntropy and nll are the squared errors, kl the squared difference of the passes. */
  squaredError(
    predictions: FloatArray | Uint16Array,
    values: Float64Array,
    options: NativeLossOptions,
  ): Promise<NativeLoss & { gradient: FloatArray | Uint16Array }>;
  /**
   * Seconds of the loss alone and of copying its logits to another buffer, by memcpy on all threads and by libtorch, in
   * turns on the same buffers. For benchmarks: rdropLoss spends more on its own copy of the logits than on the loss. On a
   * device both copies are the device's own, and each of the repeats is the mean of ten.
   */
  timeLoss(
    logits: FloatArray | Uint16Array,
    classes: number,
    targets: Int32Array,
    options: NativeLossOptions,
    repeats: number,
    runtime: NativeRuntime,
  ): Promise<{ loss: Float64Array; memoryCopy: Float64Array; tensorCopy: Float64Array }>;
  Transformer: {
    create(config: NativeModelConfig, runtime: NativeRuntime): Promise<NativeTransformer>;
  };
  Trainer: {
    create(
      model: NativeTransformer,
      optimizer: NativeOptimizerOptions,
      loss: NativeLossOptions,
      distributed?: NativeDistributed | null,
    ): Promise<NativeTrainer>;
  };
  Group: {
    /** Waits for all ranks. Rejects with DISTRIBUTED_UNAVAILABLE, RANK_LOST. */
    create(options: NativeGroupOptions): Promise<NativeGroup>;
  };
}

/** The training steps of the benchmark: a model, and the lengths of a batch. */

import type { NativeLossOptions, NativeModelConfig, NativeOptimizerOptions } from '../native/contract.js';
import type { BenchShape } from '../options/benchmark.js';
import type { BatchLengths } from './iwslt14.js';

export interface StepShape {
  name: string;
  model: NativeModelConfig;
  batch: BatchLengths;
  /** Steps of a turn, one after the other: more than one where waking threads and filling caches is much of a step. */
  stepsATurn: number;
}

type Sizes = [vocabSize: number, embedDim: number, ffnDim: number, heads: number, layers: number];

/** Post-norm, relu, one embedding matrix: what the peer computes. */
export const modelOf = (
  [vocabSize, embedDim, ffnDim, heads, layers]: Sizes,
  dropout = 0.3,
): NativeModelConfig => ({
  ...{ vocabSize, embedDim, ffnDim, heads, encoderLayers: layers, decoderLayers: layers, dropout },
  ...{ attentionDropout: 0, activationDropout: 0, norm: 'post', activation: 'relu' },
  ...{ shareEmbeddings: 'all', maxPositions: 1024 },
});

/** transformer_iwslt_de_en. */
export const iwslt14Sizes: Sizes = [10_152, 512, 1024, 4, 6];
export const quickSizes: Sizes = [120, 32, 64, 4, 1];

const shape = (name: string, sizes: Sizes, pairs: number, length: number, stepsATurn = 1): StepShape => ({
  name,
  model: modelOf(sizes),
  batch: { source: new Array(pairs).fill(length), target: new Array(pairs).fill(length) },
  stepsATurn,
});

const shapes: Record<BenchShape, StepShape> = {
  'iwslt14-16x24': shape('iwslt14-16x24', iwslt14Sizes, 16, 24),
  'iwslt14-48x30': shape('iwslt14-48x30', iwslt14Sizes, 48, 30),
  'multi30k-64x16': shape('multi30k-64x16', [8000, 256, 512, 4, 3], 64, 16),
  'tiny-32x12': shape('tiny-32x12', [500, 64, 128, 4, 2], 32, 12, 10),
};

/** The shapes that are asked for; with quick one small one, as its name says. */
export function stepShapes(asked: BenchShape | undefined, quick: boolean): StepShape[] {
  if (quick) return [shape('quick-3x5', quickSizes, 3, 5, 2)];
  return asked === undefined ? Object.values(shapes) : [shapes[asked]];
}

/** The paper's loss; the direction is each measurement's own. */
export const benchLoss = {
  ...{ alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1, passReduction: 'sum' },
} as const satisfies Omit<NativeLossOptions, 'direction'>;

/** fairseq's Adam at a constant rate, as the peer has it. */
export const benchOptimizer: NativeOptimizerOptions = {
  ...{ schedule: 'constant', learningRate: 5e-4, warmupUpdates: 0, warmupInitLearningRate: 0 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
};

/**
 * The matrix products of a step's forward pass as [rows, columns in, columns out, times], both passes of R-Drop; each has two
 * more on the way back. Products of one input are one. The products inside attention are left out: at these lengths they are a
 * hundredth.
 */
export function matrixProducts(model: NativeModelConfig, { source, target }: BatchLengths): number[][] {
  const { embedDim: d, ffnDim: f, vocabSize, encoderLayers, decoderLayers } = model;
  const rows = (lengths: number[]) => 2 * lengths.reduce((sum, length) => sum + length, 0);
  const [s, t] = [rows(source), rows(target)];
  return [
    [s, d, 3 * d, encoderLayers],
    [s, d, d, encoderLayers],
    [s, d, f, encoderLayers],
    [s, f, d, encoderLayers],
    [t, d, 3 * d, decoderLayers],
    [t, d, d, 3 * decoderLayers],
    [s, d, 2 * d, decoderLayers],
    [t, d, f, decoderLayers],
    [t, f, d, decoderLayers],
    [t, d, vocabSize, 1],
  ];
}

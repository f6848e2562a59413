/** The training steps of the benchmark: a model, and the lengths of a batch. */

import type { NativeLossOptions, NativeModelConfig, NativeOptimizerOptions } from '../native/contract.js';
import type { BenchShape } from '../options/benchmark.js';
import type { BatchLengths } from './iwslt14.js';

export interface StepShape {
  name: string;
  model: NativeModelConfig;
  batch: BatchLengths;
  loss: Omit<NativeLossOptions, 'direction'>;
  peer: StepPeer;
  /** Steps of a turn, one after the other: more than one where waking threads and filling caches is much of a step. */
  stepsATurn: number;
}

/** The peer's script in benchmarks/peers, and what of the network it must be told besides the model's options. */
export interface StepPeer {
  script: string;
  settings: Record<string, unknown>;
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

/** The paper's loss; the direction is each measurement's own. */
export const benchLoss = {
  ...{ alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1, passReduction: 'sum' },
} as const satisfies Omit<NativeLossOptions, 'direction'>;

const layers = (sizes: Sizes): number => sizes[4];

/** What train_step.py needs to know. */
export const translationPeer = (count: number): StepPeer => ({
  script: 'train_step.py',
  settings: { layers: count },
});

const shape = (name: string, sizes: Sizes, pairs: number, length: number, stepsATurn = 1): StepShape => ({
  name,
  model: modelOf(sizes),
  batch: { source: new Array(pairs).fill(length), target: new Array(pairs).fill(length) },
  loss: benchLoss,
  peer: translationPeer(layers(sizes)),
  stepsATurn,
});

/** Of a language model and a classifier: no smoothing, no type that stands for nothing. */
const taskLoss = { ...benchLoss, alpha: 1, labelSmoothing: 0, ignoreIndex: -100 };
const taskPeer = (network: 'gpt' | 'encoder', count: number): StepPeer => ({
  script: 'task_step.py',
  settings: { network, layers: count },
});

/** A GPT as nanoGPT has it: pre-norm, gelu, learned positions, no biases, tied; R-Drop wants dropout, which is 0.1 everywhere. */
function gpt(
  name: string,
  [vocabSize, embedDim, ffnDim, heads, count]: Sizes,
  blocks: number,
  block: number,
): StepShape {
  const lengths: number[] = new Array(blocks).fill(block);
  return {
    name,
    model: {
      ...{
        vocabSize,
        embedDim,
        ffnDim,
        heads,
        encoderLayers: 0,
        decoderLayers: count,
        architecture: 'decoder',
      },
      ...{ dropout: 0.1, attentionDropout: 0.1, activationDropout: 0, norm: 'pre', activation: 'gelu' },
      ...{ shareEmbeddings: 'all', maxPositions: block, positions: 'learned', scaleEmbeddings: false },
      ...{ bias: false, initialization: 'gpt2', normEpsilon: 1e-5 },
    },
    batch: { source: lengths, target: lengths },
    loss: taskLoss,
    peer: taskPeer('gpt', count),
    stepsATurn: embedDim < 256 ? 5 : 1,
  };
}

/** BERT with its pooler and a classifier. */
function encoder(
  name: string,
  [vocabSize, embedDim, ffnDim, heads, count]: Sizes,
  source: number[],
  outputs: number,
): StepShape {
  return {
    name,
    model: {
      ...{
        vocabSize,
        embedDim,
        ffnDim,
        heads,
        encoderLayers: count,
        decoderLayers: 0,
        architecture: 'encoder',
      },
      ...{ dropout: 0.1, attentionDropout: 0.1, activationDropout: 0, norm: 'post', activation: 'gelu' },
      ...{ shareEmbeddings: 'all', maxPositions: 512, positions: 'learned', tokenTypes: 2 },
      ...{ scaleEmbeddings: false, embeddingNorm: true, normEpsilon: 1e-12, initialization: 'bert' },
      ...{
        output: 'classes',
        outputs,
        pooling: 'first',
        pooler: 'tanh',
        headInputDropout: 0,
        headDropout: 0.1,
      },
    },
    batch: { source, target: source.map(() => 1) },
    loss: taskLoss,
    peer: taskPeer('encoder', count),
    stepsATurn: embedDim < 256 ? 5 : 1,
  };
}

/** Lengths of questions as TREC's: 6 to 18 tokens with their two ends. */
const questions = Array.from({ length: 64 }, (_, i) => 6 + ((i * 7) % 13));

const shapes: Record<BenchShape, StepShape> = {
  'iwslt14-16x24': shape('iwslt14-16x24', iwslt14Sizes, 16, 24),
  'iwslt14-48x30': shape('iwslt14-48x30', iwslt14Sizes, 48, 30),
  'multi30k-64x16': shape('multi30k-64x16', [8000, 256, 512, 4, 3], 64, 16),
  'tiny-32x12': shape('tiny-32x12', [500, 64, 128, 4, 2], 32, 12, 10),
  'gpt-4x128': gpt('gpt-4x128', [69, 128, 512, 4, 4], 12, 64),
  'gpt-6x384': gpt('gpt-6x384', [69, 384, 1536, 6, 6], 8, 256),
  'encoder-2x128': encoder('encoder-2x128', [8000, 128, 512, 4, 2], questions, 6),
  'bert-base-8x64': encoder('bert-base-8x64', [30_522, 768, 3072, 12, 12], new Array(8).fill(64), 2),
};

/** Tokens of a batch that the network reads, of one pass. */
export function tokensRead({ model, batch: { source, target } }: StepShape): number {
  const sum = (lengths: number[]) => lengths.reduce((a, b) => a + b, 0);
  return sum(source) + (model.architecture === undefined ? sum(target) : 0);
}

/** The shapes that are asked for; with quick one small one, as its name says. */
export function stepShapes(asked: BenchShape | undefined, quick: boolean): StepShape[] {
  if (quick) return [shape('quick-3x5', quickSizes, 3, 5, 2)];
  return asked === undefined ? Object.values(shapes) : [shapes[asked]];
}

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
  const { embedDim: d, ffnDim: f, vocabSize, encoderLayers, decoderLayers, architecture, outputs } = model;
  const rows = (lengths: number[]) => 2 * lengths.reduce((sum, length) => sum + length, 0);
  const [s, t] = [rows(source), rows(target)];
  const layer = (length: number, count: number) => [
    [length, d, 3 * d, count],
    [length, d, d, count],
    [length, d, f, count],
    [length, f, d, count],
  ];
  if (architecture === 'encoder') return [...layer(s, encoderLayers), [t, d, d, 1], [t, d, outputs ?? 1, 1]];
  if (architecture === 'decoder') return [...layer(t, decoderLayers), [t, d, vocabSize, 1]];
  return [
    ...layer(s, encoderLayers),
    [t, d, 3 * d, decoderLayers],
    [t, d, d, 3 * decoderLayers],
    [s, d, 2 * d, decoderLayers],
    [t, d, f, decoderLayers],
    [t, f, d, decoderLayers],
    [t, d, vocabSize, 1],
  ];
}

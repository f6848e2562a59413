// What benchmarks/gpu.mjs runs, in full and with --quick. peers/gpu.py has the same figures.
import { readBatches, sampleBatches, sum, validationLengths } from '../iwslt14/batches.mjs';

const loss = { alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1, passReduction: 'sum' };
const optimizer = {
  ...{ schedule: 'inverse_sqrt', learningRate: 5e-4, warmupUpdates: 4000, warmupInitLearningRate: 1e-7 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
};
/** Validation of the published runs: max length 1.2 · source + 10. */
const beam = { beam: 5, lengthPenalty: 1, maxLenA: 1.2, maxLenB: 10, minLen: 1, nBest: 1 };
const model = {
  ...{ dropout: 0.3, attentionDropout: 0, activationDropout: 0, norm: 'post', activation: 'relu' },
  ...{ shareEmbeddings: 'all', maxPositions: 1024 },
};

export function settingsOf({ quick, device }) {
  const batches = readBatches();
  const common = {
    ...{ quick, device, seed: 64, loss, optimizer, beam },
    precision: device === 'cuda' ? 'bfloat16' : 'float32',
  };
  if (quick) {
    // The first pairs of a few batches and a model to match: whether it runs, not how fast.
    const short = ({ source, target }) => ({ source: source.slice(0, 3), target: target.slice(0, 3) });
    const small = batches.filter((batch) => sum(batch.target.slice(0, 3)) < 40).map(short);
    return {
      ...common,
      model: {
        ...{ vocabSize: 120, embedDim: 64, ffnDim: 64, heads: 4, encoderLayers: 1, decoderLayers: 1 },
        ...model,
      },
      lossShape: { rows: 24, classes: 120, rounds: 2, repeats: 2 },
      epochBatches: small.slice(0, 12),
      sample: { batches: sampleBatches(small, 4), group: 2, passes: 2 },
      epochSeconds: { uni: 60, bi: 30 },
      validation: { lengths: validationLengths(batches, 6), maxTokens: 64 },
    };
  }
  return {
    ...common,
    model: {
      ...{ vocabSize: 10_152, embedDim: 512, ffnDim: 1024, heads: 4, encoderLayers: 6, decoderLayers: 6 },
      ...model,
    },
    lossShape: { rows: 3584, classes: 10_152, rounds: 3, repeats: 30 },
    epochBatches: batches,
    sample: { batches: sampleBatches(batches, 64), group: 8, passes: 3 },
    // Where an epoch takes longer, a part of it stands for it.
    epochSeconds: { uni: 60, bi: 30 },
    validation: { lengths: validationLengths(batches), maxTokens: 8192 },
  };
}

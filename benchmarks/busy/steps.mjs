// Steps of one training for some seconds; prints {seconds} of the mean step. Arguments: shape, precision, threads, seconds.
import { native } from '../../dist/native/binding.js';

const [shape, precision, threads, seconds] = process.argv.slice(2);
const shapes = {
  'multi30k-32x24': {
    vocabSize: 8000,
    embedDim: 256,
    ffnDim: 512,
    heads: 4,
    layers: 3,
    pairs: 32,
    tokens: 24,
  },
  'tiny-32x12': { vocabSize: 500, embedDim: 64, ffnDim: 128, heads: 4, layers: 2, pairs: 32, tokens: 12 },
};
const { layers, pairs, tokens, ...sizes } = shapes[shape];
const core = native();
await core.setThreads(Number(threads));
const model = await core.Transformer.create(
  {
    ...{ ...sizes, encoderLayers: layers, decoderLayers: layers, dropout: 0.3, attentionDropout: 0 },
    ...{ activationDropout: 0, norm: 'post', activation: 'relu', shareEmbeddings: 'all', maxPositions: 1024 },
  },
  { seed: 1, device: 'cpu', precision },
);
const trainer = await core.Trainer.create(
  model,
  {
    ...{ schedule: 'inverse_sqrt', learningRate: 5e-4, warmupUpdates: 4000, warmupInitLearningRate: 1e-7 },
    ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
  },
  { direction: 'uni', alpha: 5, labelSmoothing: 0.1, ignoreIndex: -100, passReduction: 'sum' },
);
const side = {
  tokens: Int32Array.from({ length: pairs * tokens }, (_, i) =>
    i % tokens === tokens - 1 ? 2 : 4 + ((i * 7919) % (sizes.vocabSize - 4)),
  ),
  offsets: Int32Array.from({ length: pairs + 1 }, (_, i) => i * tokens),
};
const batches = [{ source: side, target: side }];
for (let i = 0; i < 3; i++) await trainer.step(batches);
const start = performance.now();
let steps = 0;
while (performance.now() - start < Number(seconds) * 1000) {
  await trainer.step(batches);
  steps += 1;
}
process.stdout.write(
  `${JSON.stringify({ seconds: (performance.now() - start) / 1000 / steps, pairsAStep: pairs })}\n`,
);

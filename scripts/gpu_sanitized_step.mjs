// What compute-sanitizer watches: training steps with every dropout, gradients and beam search of a small model in every
// precision, once each, so that every kernel of rdrop runs on ragged shapes.
import { native } from '../dist/native/binding.js';

const config = {
  ...{ vocabSize: 203, embedDim: 64, ffnDim: 136, heads: 4, encoderLayers: 1, decoderLayers: 1 },
  ...{ dropout: 0.3, attentionDropout: 0.1, activationDropout: 0.1, norm: 'post', activation: 'relu' },
  ...{ shareEmbeddings: 'all', maxPositions: 64 },
};
const optimizer = {
  ...{ schedule: 'constant', learningRate: 1e-3, warmupUpdates: 0, warmupInitLearningRate: 0 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 1 },
};
const loss = { direction: 'bi', alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1, passReduction: 'sum' };
const beam = { beam: 3, lengthPenalty: 1, maxLenA: 0, maxLenB: 12, minLen: 1, nBest: 2 };

/** Sentences of these lengths, eos included, packed. */
function packed(lengths) {
  const offsets = Int32Array.from([0, ...lengths]);
  for (let i = 1; i < offsets.length; i++) offsets[i] += offsets[i - 1];
  const ends = new Set(offsets.subarray(1));
  const tokens = Int32Array.from({ length: offsets.at(-1) }, (_, i) =>
    ends.has(i + 1) ? 2 : 4 + ((31 * i) % (config.vocabSize - 4)),
  );
  return { tokens, offsets };
}

const batch = { source: packed([5, 1, 17, 9, 33]), target: packed([7, 2, 11, 1, 30]) };
for (const precision of ['float32', 'tf32', 'bfloat16', 'float16']) {
  const model = await native().Transformer.create(config, { seed: 1, device: 'cuda', precision });
  const trainer = await native().Trainer.create(model, optimizer, loss);
  // The second and third of a shape run as a graph.
  for (let update = 0; update < 3; update++) await trainer.step([batch]);
  const { loss: sum } = await trainer.metrics();
  if (!Number.isFinite(sum)) throw new Error(`${precision}: the loss is ${sum}`);
  await model.translate(packed([4, 9, 1]), beam);
  trainer.dispose();
  model.dispose();
}
process.stdout.write('done\n');

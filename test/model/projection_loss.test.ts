// The output projection and the loss go through the positions in chunks: a batch of several chunks is the sum of its pairs,
// each of which fits one.
import { expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { NativeLossOptions } from '../../lib/native/contract.js';
import { pack, relativeError } from '../support/fixtures/fairseq_fixtures.js';

test('a batch of several chunks is the sum of its pairs', async () => {
  // So many types that a chunk has at most 32 positions, the least; the batch has 51.
  const vocabSize = 40_000;
  const model = await native().Transformer.create(
    {
      vocabSize,
      embedDim: 8,
      ffnDim: 12,
      heads: 2,
      encoderLayers: 1,
      decoderLayers: 1,
      dropout: 0,
      attentionDropout: 0,
      activationDropout: 0,
      norm: 'post',
      activation: 'relu',
      shareEmbeddings: 'all',
      maxPositions: 32,
    },
    { seed: 3, device: 'cpu', precision: 'float64' },
  );
  const loss: NativeLossOptions = {
    direction: 'uni',
    alpha: 5,
    labelSmoothing: 0.1,
    ignoreIndex: 1,
    passReduction: 'sum',
  };
  const sentence = (length: number, first: number) =>
    Int32Array.from({ length }, (_, i) => (i + 1 < length ? 4 + ((first + i * 7919) % (vocabSize - 4)) : 2));
  const pairs = [17, 13, 20, 1].map((length, i) => ({
    source: sentence(length, 11 * i),
    second: sentence(length, 11 * i + 5),
    target: sentence(length, 1000 * i),
  }));
  const run = (chosen: typeof pairs) =>
    model.lossAndGradients(
      { source: pack(chosen.map((pair) => pair.source)), target: pack(chosen.map((pair) => pair.target)) },
      loss,
      { secondSource: pack(chosen.map((pair) => pair.second)), training: false, update: 0 },
    );
  const whole = await run(pairs);
  const parts: Awaited<ReturnType<typeof run>>[] = [];
  for (const pair of pairs) parts.push(await run([pair]));
  const sum = (figure: 'loss' | 'nll' | 'kl' | 'tokens') =>
    parts.reduce((total, part) => total + part[figure], 0);
  expect(whole.tokens).toBe(51);
  expect(whole.kl).toBeGreaterThan(1e-6);
  for (const figure of ['loss', 'nll', 'kl', 'tokens'] as const) {
    expect(relativeError([whole[figure]], [sum(figure)]), figure).toBeLessThan(1e-9);
  }
  for (const [name, gradient] of whole.gradients) {
    if (name.endsWith('k_proj.bias')) continue;
    const total = Float64Array.from(gradient, (_, i) =>
      parts.reduce((value, part) => value + part.gradients.get(name)![i]!, 0),
    );
    expect(relativeError(gradient, total), name).toBeLessThan(1e-9);
  }
  model.dispose();
});

// Beam search on a GPU against the CPU's and the original's.
import { readFileSync } from 'node:fs';
import { beforeEach, expect, test } from 'vitest';
import type { NativeBeamOptions, NativeRuntime } from '../../lib/native/contract.js';
import { modelOn, noCuda } from '../support/cuda_device.js';
import { fixture, fixturePath, floats, pack } from '../support/fixtures/fairseq_fixtures.js';

const reason = noCuda();
beforeEach((context) => {
  if (reason !== null) context.skip(reason);
});
const recorded = JSON.parse(readFileSync(fixturePath('trained_beam.json')!, 'utf8')) as {
  splits: { valid: { source: number[][] } };
};
const sources = pack(recorded.splits.valid.source.map((tokens) => Int32Array.from(tokens)));
const options: NativeBeamOptions = {
  beam: 5,
  lengthPenalty: 1,
  maxLenA: 0,
  maxLenB: 200,
  minLen: 1,
  nBest: 5,
};

async function hypotheses(device: NativeRuntime['device'], precision: NativeRuntime['precision']) {
  const weights = fixture('trained_weights')!;
  const model = await modelOn(device, precision, { maxPositions: 256 });
  await model.setParameters(
    new Map(model.parameterShapes.map(([name]) => [name, floats(weights, name) as Float32Array])),
  );
  const found = await model.translate(sources, options);
  expect(found.graphFallbackReason).toBe('');
  model.dispose();
  return found.hypotheses;
}

test("float32: the hypotheses are the CPU's", async () => {
  const [cpu, cuda] = [await hypotheses('cpu', 'float32'), await hypotheses('cuda', 'float32')];
  cpu.forEach((expected, i) => {
    expect(
      cuda[i]!.map(({ tokens }) => [...tokens]),
      `sentence ${i}`,
    ).toEqual(expected.map(({ tokens }) => [...tokens]));
    expected.forEach(({ score }, k) => {
      expect(Math.abs(cuda[i]![k]!.score - score)).toBeLessThan(1e-4);
    });
  });
});

test.each(['bfloat16', 'float16'] as const)(
  "%s: nearly every best hypothesis is the CPU's",
  async (precision) => {
    const [cpu, cuda] = [await hypotheses('cpu', 'float32'), await hypotheses('cuda', precision)];
    const same = cpu.filter(([best], i) => `${cuda[i]![0]!.tokens}` === `${best!.tokens}`);
    expect(same.length).toBeGreaterThanOrEqual(0.9 * cpu.length);
  },
);

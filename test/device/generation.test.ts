// Generation of a language model on a GPU against the CPU.
import { beforeEach, expect, test } from 'vitest';
import type { NativeModelConfig, NativeRuntime } from '../../lib/native/contract.js';
import { modelOn, noCuda } from '../support/cuda_device.js';
import { pack } from '../support/fixtures/fairseq_fixtures.js';

const reason = noCuda();
beforeEach((context) => {
  if (reason !== null) context.skip(reason);
});

const config: Partial<NativeModelConfig> = {
  ...{ architecture: 'decoder', encoderLayers: 0, decoderLayers: 2, norm: 'pre', activation: 'gelu' },
  ...{ positions: 'learned', maxPositions: 16 },
};
const options = {
  ...{ maxTokens: 12, untilEos: false, greedy: false, beam: 0, seed: 1, first: 0 },
  ...{ temperature: 1, topK: 0, topP: 1, types: 0 },
};
/** Up to 13 tokens, and one that is longer than the network can see. */
const prompts = pack(
  [1, 8, 3, 40, 13].map((length, i) => Int32Array.from({ length }, (_, at) => 4 + ((5 * at + 3 * i) % 30))),
);

async function generated(
  device: NativeRuntime['device'],
  precision: NativeRuntime['precision'],
  way: Partial<typeof options>,
) {
  const model = await modelOn(device, precision, config);
  // Far from each other, so that rounding decides nothing.
  const parameters = await model.parameters();
  for (const [name, values] of parameters)
    if (!name.includes('norm')) parameters.set(name, values.map((x) => 3 * x) as Float32Array);
  await model.setParameters(parameters);
  const found = await model.generate(prompts, { ...options, ...way });
  model.dispose();
  return found;
}

test.each([
  ['greedy', { greedy: true }],
  ['drawn', {}],
  ['beam search', { beam: 4 }],
] as const)("float32, %s: the texts are the CPU's", async (_, way) => {
  const [cpu, cuda] = [await generated('cpu', 'float32', way), await generated('cuda', 'float32', way)];
  expect(cuda.map(({ tokens }) => [...tokens])).toEqual(cpu.map(({ tokens }) => [...tokens]));
});

test.each(['bfloat16', 'float16'] as const)('%s: the same texts twice', async (precision) => {
  const first = await generated('cuda', precision, {});
  expect(await generated('cuda', precision, {})).toEqual(first);
  expect(first.every(({ tokens }) => tokens.length === options.maxTokens)).toBe(true);
});

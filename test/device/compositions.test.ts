// Every composition of the network on a GPU against the CPU.
import { beforeEach, describe, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import type { NativeRuntime } from '../../lib/native/contract.js';
import { formulaOf, lossOf, networks, randomBatchOf, withDropouts } from '../support/compositions.js';
import { largestDifference, noCuda } from '../support/cuda_device.js';

const reason = noCuda();
beforeEach((context) => {
  if (reason !== null) context.skip(reason);
});

describe.each(networks)('%s', (_, network) => {
  // What rounding to 8 or 11 bits in every layer may cost a gradient, relative to the largest of its tensor.
  test.each([
    ['float32', 1e-4],
    ['bfloat16', 2e-1],
    ['float16', 3e-2],
  ] as const)('%s', async (precision, tolerance) => {
    const config = withDropouts({
      ...network.config,
      activation: 'gelu',
      embedDim: 32,
      ffnDim: 64,
      maxPositions: 40,
    });
    const batch = randomBatchOf(config, 3, 17);
    const results = [];
    const parameters = new Map<string, Float32Array>();
    for (const [device, type] of [
      ['cpu', 'float32'],
      ['cuda', precision],
    ] as [NativeRuntime['device'], NativeRuntime['precision']][]) {
      const model = await native().Transformer.create(config, { seed: 3, device, precision: type });
      if (parameters.size === 0) {
        // Smaller than the formula's, which are for narrow networks.
        for (const [name, values] of formulaOf(model)) {
          const scale = name.endsWith('norm.weight') || name.endsWith('embedding.weight') ? 1 : 0.3;
          parameters.set(
            name,
            Float32Array.from(values, (value) => scale * value),
          );
        }
      }
      await model.setParameters(parameters);
      results.push(
        await model.lossAndGradients(batch, lossOf(network.options), {
          ...{ secondSource: null, training: true, update: 7 },
        }),
      );
      model.dispose();
    }
    const [cpu, cuda] = results as [(typeof results)[0], (typeof results)[0]];
    expect(Math.abs(cuda.loss / cpu.loss - 1)).toBeLessThan(tolerance / 5);
    expect(cuda.tokens).toBe(cpu.tokens);
    expect(largestDifference(cuda.gradients, cpu.gradients)).toBeLessThan(tolerance);
  });
});

// What a GPU's failures leave behind: a coded error, a process that goes on, a device that still works.
import { beforeEach, expect, test } from 'vitest';
import { native } from '../../lib/native/binding.js';
import { modelOn, noCuda, randomPairs } from '../support/cuda_device.js';
import { pack } from '../support/fixtures/fairseq_fixtures.js';

const reason = noCuda();
beforeEach((context) => {
  if (reason !== null) context.skip(reason);
});
const loss = { direction: 'uni', alpha: 1, labelSmoothing: 0, ignoreIndex: 1, passReduction: 'sum' } as const;

const plain = { secondSource: null, training: false, update: 0 } as const;

test('no memory: OUT_OF_MEMORY, and the device works afterwards', async () => {
  // 8 million rows of 1,024 numbers in the two passes together: 32 GiB for each of the dozens of tensors of a step.
  const wide = await modelOn('cuda', 'float32', { embedDim: 1024, heads: 8 });
  const sentence = Int32Array.from({ length: 50 }, (_, i) => (i === 49 ? 2 : 4 + (i % 36)));
  const sentences = pack(Array.from({ length: 80_000 }, () => sentence));
  const failed = wide.lossAndGradients({ source: sentences, target: sentences }, loss, plain);
  await expect(failed).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  wide.dispose();
  const model = await modelOn('cuda', 'float32');
  const result = await model.lossAndGradients(randomPairs(3, 5, 40, 1), loss, plain);
  expect(Number.isFinite(result.loss)).toBe(true);
  model.dispose();
});

test('a device that is not there: CUDA_UNAVAILABLE naming how many there are', async () => {
  const { devices } = native().info().cuda;
  await expect(native().openCuda(devices.length)).rejects.toMatchObject({
    code: 'CUDA_UNAVAILABLE',
    message: expect.stringContaining(`the driver finds ${devices.length}`),
  });
});

test('the device is what the driver says', async () => {
  const [told] = native().info().cuda.devices;
  const { name, computeCapability, multiprocessors } = await native().openCuda(0);
  expect({ name, computeCapability }).toEqual({
    name: told!.name,
    computeCapability: told!.computeCapability,
  });
  expect(multiprocessors).toBeGreaterThan(0);
});

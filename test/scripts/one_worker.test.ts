// Tests that use a GPU, or the mock of one, run one file at a time: one of them takes all of the memory.
import { expect, test, vi } from 'vitest';
import { createVitest } from 'vitest/node';

async function groups(cuda: string) {
  vi.stubEnv('RDROP_TEST_CUDA', cuda);
  vi.stubEnv('RDROP_EXPECT_CUDA', '');
  const vitest = await createVitest('test', { watch: false });
  try {
    const files = await vitest.globTestSpecifications();
    return vitest.projects.map(({ name, config }) => ({
      name,
      maxWorkers: config.maxWorkers,
      order: config.sequence.groupOrder,
      files: files.filter((file) => file.project.name === name).map((file) => file.moduleId),
    }));
  } finally {
    await vitest.close();
    vi.unstubAllEnvs();
  }
}

const ofDevice = /\/test\/device\//;

test('npm test: test/device has one worker and runs after the others, and no other group has its files', async () => {
  const all = await groups('');
  for (const { name, files } of all.filter(({ name }) => name !== 'device'))
    expect(
      files.filter((file) => ofDevice.test(file)),
      name,
    ).toEqual([]);
  const device = all.find(({ name }) => name === 'device')!;
  expect(device.files.length).toBeGreaterThan(3);
  expect(device.maxWorkers).toBe(1);
  for (const { name, order } of all.filter(({ name }) => name !== 'device'))
    expect(order, name).toBeLessThan(device.order);
});

test('npm run check:cuda: test/cuda has one worker', async () => {
  const [cuda, ...others] = await groups('1');
  expect(others).toEqual([]);
  expect(cuda).toMatchObject({ name: 'cuda', maxWorkers: 1 });
  expect(cuda!.files.length).toBeGreaterThan(10);
});

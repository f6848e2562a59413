// A package with both flavors of the addon, installed without running any script: each libtorch gets the addon that serves it,
// and the one for CUDA trains on the CPU as the usual one does, says why there is no GPU, and refuses a CUDA device.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cachedCudaLibtorch, findLibtorch, versionOf } from '../../lib/native/libtorch/probe.js';
import { type InstalledPackage, installPackage, run } from '../support/installed_package.js';
import { noFlavor } from './flavor.js';

const platform = `${process.platform}-${process.arch}`;
let made: InstalledPackage;

beforeAll(() => {
  if (noFlavor === null) made = installPackage(['--architectures', '86-real']);
}, 1_200_000);
afterAll(() => made && rmSync(made.directory, { recursive: true, force: true }));

/** 20 updates of a tiny model on the CPU, and what the core says of CUDA. */
const training = `
  import { native } from 'BINDING';
  const config = { vocabSize: 40, embedDim: 32, ffnDim: 64, heads: 4, encoderLayers: 2, decoderLayers: 2, dropout: 0.3,
    attentionDropout: 0.1, activationDropout: 0.1, norm: 'post', activation: 'relu', shareEmbeddings: 'all',
    maxPositions: 64 };
  const model = await native().Transformer.create(config, { seed: 3, device: 'cpu', precision: 'float32' });
  const trainer = await native().Trainer.create(model,
    { schedule: 'constant', learningRate: 1e-3, warmupUpdates: 0, warmupInitLearningRate: 0, beta1: 0.9, beta2: 0.98,
      epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
    { direction: 'bi', alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1, passReduction: 'sum' });
  const pack = (length) => {
    const tokens = Int32Array.from({ length: 4 * length }, (_, i) => (i % length === length - 1 ? 2 : 4 + ((7 * i) % 36)));
    return { tokens, offsets: Int32Array.from([0, 1, 2, 3, 4], (i) => i * length) };
  };
  const losses = [];
  for (let update = 0; update < 20; update++) {
    const batch = { source: pack(5 + (update % 3)), target: pack(6) };
    losses.push((await trainer.step([batch])).metrics.loss);
  }
  const refusal = await native().openCuda(0).then(() => null, ({ code, message }) => ({ code, message }));
  console.log(JSON.stringify({ losses, info: native().info(), refusal }));
`;

interface Trained {
  losses: number[];
  info: { compiledAgainst: string; cuda: { driver: string | null } };
  refusal: { code: string; message: string } | null;
}

const without = { LIBTORCH: '', LIBTORCH_USE_PYTORCH: '', RDROP_PREBUILD: '' };

function trainedWith(libtorch: string): Trained {
  const program = training.replace('BINDING', join(made.installed, 'dist/native/binding.js'));
  const env = { ...process.env, ...without, RDROP_LIBTORCH: libtorch };
  return JSON.parse(
    run(process.execPath, ['--input-type=module', '-e', program], made.project, env),
  ) as Trained;
}

test('holds both flavors and nothing that only compiles', (context) => {
  if (noFlavor !== null) return context.skip(noFlavor);
  const prebuilds = join(made.installed, 'prebuilds');
  expect(readdirSync(prebuilds).sort()).toEqual([platform, `${platform}-cuda`]);
  expect(readdirSync(join(prebuilds, `${platform}-cuda`)).sort()).toEqual([
    'librdrop_core.so',
    'librdrop_cuda.so',
    'librdrop_distributed.so',
    'rdrop.node',
  ]);
  for (const name of ['native', 'cmake', 'CMakeLists.txt', 'scripts'])
    expect(existsSync(join(made.installed, name))).toBe(false);
});

test('the flavor for CUDA is taken for the CUDA build of libtorch, and trains on the CPU as the usual one', (context) => {
  if (noFlavor !== null) return context.skip(noFlavor);
  const place = cachedCudaLibtorch();
  const usual = trainedWith(findLibtorch().directory);
  const cuda = trainedWith(place);
  expect(usual.info.compiledAgainst).toMatch(versionOf(findLibtorch().directory)!);
  expect(cuda.info.compiledAgainst).toMatch(versionOf(place)!);
  usual.losses.forEach((loss, i) => {
    expect(Math.abs(cuda.losses[i]! / loss - 1), `update ${i + 1}`).toBeLessThan(1e-4);
  });
  if (cuda.info.cuda.driver !== null) return;
  expect(cuda.refusal?.code).toBe('CUDA_UNAVAILABLE');
  expect(cuda.refusal?.message).toContain('no NVIDIA driver');
}, 120_000);

test('doctor tells of both, and setup --cuda is no longer in vain', (context) => {
  if (noFlavor !== null) return context.skip(noFlavor);
  const bin = join(made.installed, 'dist/cli/main.js');
  const env = { ...process.env, ...without, RDROP_LIBTORCH: cachedCudaLibtorch() };
  const told = run(process.execPath, [bin, 'doctor'], made.project, env);
  expect(told).toContain('libtorch with CUDA');
  expect(told).toContain(`✓ ${join(made.installed, 'prebuilds', `${platform}-cuda`, 'rdrop.node')}`);
  expect(told).toContain(`· ${join(made.installed, 'prebuilds', platform, 'rdrop.node')}`);
  // It gets as far as looking for pip, and downloads nothing.
  const bare = { ...process.env, PATH: '', RDROP_CACHE: join(made.directory, 'cache') };
  expect(() => run(process.execPath, [bin, 'setup', '--cuda'], made.project, bare)).toThrow(/TOOL_MISSING/);
}, 60_000);

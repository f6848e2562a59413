// npm run check:cuda: what must hold on a machine without a GPU for the addon of npm run build:cuda. It opens with the
// CUDA build of libtorch, says why CUDA cannot be used, refuses a CUDA device with CUDA_UNAVAILABLE, and trains on the
// CPU as the usual addon does. Compiles what is not compiled, which takes minutes; npm test leaves it out for that.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureAll, main, root, StepError, say } from './steps.mjs';
import { ensureCuda, ensureCudaLibtorch, requireNvcc } from './steps_cuda.mjs';

/** Runs in a process of its own: 20 updates of a tiny model on the CPU, and what the core says of CUDA. */
const training = `
  import { native } from './dist/binding.js';
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
    losses.push((await trainer.step([batch])).figures.loss);
  }
  const refusal = await native().openCuda(0).then(() => null, ({ code, message }) => ({ code, message }));
  console.log(JSON.stringify({ losses, info: native().info(), refusal }));
`;

function trained(env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', training], {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  if (status !== 0) throw new StepError(`the training ended with status ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

const expect = (condition, message) => {
  if (!condition) throw new StepError(message);
};

await main(async () => {
  await ensureAll();
  await requireNvcc();
  const libtorch = await ensureCudaLibtorch();
  await ensureCuda(libtorch, {
    directory: '.cmake-cuda',
    architectures: '86-real',
    core: true,
    output: 'build/cuda',
  });
  const usual = trained({ RDROP_LIBTORCH: '', LIBTORCH: '', LIBTORCH_USE_PYTORCH: '' });
  const cuda = trained({ RDROP_LIBTORCH: libtorch.directory, LIBTORCH_USE_PYTORCH: '' });
  expect(
    cuda.info.compiledAgainst.startsWith(libtorch.version),
    `expected an addon for ${libtorch.version}, got one for ${cuda.info.compiledAgainst}`,
  );
  usual.losses.forEach((loss, i) => {
    const difference = Math.abs(cuda.losses[i] / loss - 1);
    expect(difference < 1e-4, `update ${i + 1}: loss ${cuda.losses[i]} instead of ${loss}`);
  });
  say(`losses of 20 updates agree: ${usual.losses.at(-1)} and ${cuda.losses.at(-1)} in the last`);
  if (cuda.info.cuda.driver === null) {
    expect(
      cuda.refusal?.code === 'CUDA_UNAVAILABLE',
      `CUDA was not refused: ${JSON.stringify(cuda.refusal)}`,
    );
    expect(cuda.refusal.message.includes('no NVIDIA driver'), `unclear: ${cuda.refusal.message}`);
    say(`CUDA is refused: ${cuda.refusal.message}`);
  }
  const { stdout } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), 'doctor'], {
    cwd: root,
    env: { ...process.env, RDROP_LIBTORCH: libtorch.directory },
    encoding: 'utf8',
  });
  expect(stdout.includes('libtorch with CUDA'), `rdrop doctor does not tell of CUDA:\n${stdout}`);
  process.stdout.write(stdout);
});

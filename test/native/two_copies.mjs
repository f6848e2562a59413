// Computes with copies of the package in one process. Arguments: the directories of the copies. Each computes a loss and
// trains a small model, all at the same time: first on the main thread, then each in a worker of its own, then on the main
// thread again. Prints one JSON line: digests of the bits that each arrived at, and the core libraries that are open.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const config = {
  ...{ vocabSize: 500, embedDim: 64, ffnDim: 128, heads: 4, encoderLayers: 2, decoderLayers: 2 },
  ...{ dropout: 0.3, attentionDropout: 0, activationDropout: 0, norm: 'post', activation: 'relu' },
  ...{ shareEmbeddings: 'all', maxPositions: 64 },
};
const optimizer = {
  ...{ schedule: 'constant', learningRate: 5e-4, warmupUpdates: 0, warmupInitLearningRate: 0 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
};
const loss = { direction: 'uni', alpha: 5, labelSmoothing: 0.1, ignoreIndex: -100, passReduction: 'sum' };
const side = {
  tokens: Int32Array.from({ length: 16 * 12 }, (_, i) => (i % 12 === 11 ? 2 : 4 + ((i * 7919) % 496))),
  offsets: Int32Array.from({ length: 17 }, (_, i) => i * 12),
};

async function compute(root) {
  const url = (file) => pathToFileURL(join(root, 'dist', file));
  const { rdropLoss } = await import(url('index.js'));
  const { native } = await import(url('native/binding.js'));
  const digest = createHash('sha256');
  const logits = Float32Array.from({ length: 2 * 64 * 100 }, (_, i) => 4 * Math.sin(i));
  const { loss: value, gradient } = await rdropLoss(logits, 100, new Int32Array(64).fill(7), loss);
  digest.update(Float64Array.of(value)).update(gradient);
  const model = await native().Transformer.create(config, { seed: 1, device: 'cpu', precision: 'float32' });
  const trainer = await native().Trainer.create(model, optimizer, loss);
  for (let step = 0; step < 5; step++) await trainer.step([{ source: side, target: side }]);
  for (const [name, values] of [...(await model.parameters())].sort()) digest.update(name).update(values);
  return digest.digest('hex');
}

function inWorker(root) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { root } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

if (isMainThread) {
  const roots = process.argv.slice(2);
  const main = await Promise.all(roots.map(compute));
  const workers = await Promise.all(roots.map(inWorker));
  const again = await Promise.all(roots.map(compute));
  const cores = new Set(readFileSync('/proc/self/maps', 'utf8').match(/\/.*\/librdrop_core\.so$/gm));
  process.stdout.write(
    `${JSON.stringify({ digests: [...main, ...workers, ...again], cores: [...cores] })}\n`,
  );
} else {
  parentPort.postMessage(await compute(workerData.root));
}

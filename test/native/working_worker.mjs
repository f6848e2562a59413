// A worker that is in one state of the core until somebody ends it. It says 'ready' when it is in it.
import { parentPort, workerData } from 'node:worker_threads';

const dist = new URL('../../dist/', import.meta.url);
const library = await import(new URL('index.js', dist));
const { native, openNative } = await import(new URL('native/binding.js', dist));

const config = { vocabSize: 50, embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1 };
const loss = { direction: 'bi', alpha: 1 };
const batch = { source: [Int32Array.of(5, 6, 2)], target: [Int32Array.of(5, 7, 2)] };
const logits = Float32Array.from({ length: 2 * 64 * 100 }, (_, i) => Math.sin(i));
const targets = new Int32Array(64).fill(7);
const optimizer = {
  ...{ schedule: 'constant', learningRate: 1e-3, warmupUpdates: 0, warmupInitLearningRate: 0 },
  ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 0, clipNorm: 0 },
};
const packed = { tokens: Int32Array.of(5, 6, 2), offsets: Int32Array.of(0, 3) };
/** A parameter whose moment is read and written. */
const moment = ['encoder.layers.0.fc1.bias', 0, 32];
const complete = { ...loss, labelSmoothing: 0.1, ignoreIndex: -1, passReduction: 'sum' };
const model = () => library.Transformer.create(config, { device: 'cpu', seed: 1 });
const nativeModel = () =>
  native().Transformer.create(
    {
      ...{ ...config, dropout: 0.1, attentionDropout: 0, activationDropout: 0, norm: 'post' },
      ...{ activation: 'relu', shareEmbeddings: 'all', maxPositions: 64 },
    },
    { seed: 1, device: 'cpu', precision: 'float32' },
  );

/** Each: what is made before 'ready', then what is done again and again. */
const states = {
  load: () => async () => openNative(),
  create: () => async () => (await model()).dispose(),
  async work() {
    const made = await model();
    return () =>
      Promise.all([
        made.logits(batch),
        made.parameters(),
        made.lossAndGradients(batch, loss),
        made.evaluate(batch, loss),
        made.translate(batch.source, { beam: 2 }),
        library.rdropLoss(logits, 100, targets, loss),
        made.logits({ source: [Int32Array.of(5, 600, 2)], target: batch.target }).catch(() => {}),
      ]);
  },
  async step() {
    const trainer = await native().Trainer.create(await nativeModel(), optimizer, complete);
    return async () => {
      await trainer.step([{ source: packed, target: packed }]);
      await trainer.setCounters(await trainer.counters());
      await trainer.writeMoment('first', ...moment, await trainer.readMoment('first', ...moment));
    };
  },
  sync: () => async () => library.rdropLossSync(logits, 100, targets, loss),
  threads: () => async () => native().setThreads(1 + Math.floor(Math.random() * 3)),
  // The core calls back into JavaScript for the entries, and there the environment ends.
  async inside() {
    const made = await nativeModel();
    return () => made.setParameters({ entries: () => process.exit(0) });
  },
};

const again = await states[workerData.state]();
parentPort.postMessage('ready');
for (;;) {
  await again();
  // States that never wait would let no message through.
  if (workerData.state === 'sync' || workerData.state === 'load') await new Promise(setImmediate);
}

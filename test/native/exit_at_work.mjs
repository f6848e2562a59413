// Ends in the way that its argument names while the engine has work.
import { Worker } from 'node:worker_threads';
import { Transformer } from '../../dist/index.js';

const sizes = { vocabSize: 500, embedDim: 128, ffnDim: 256, heads: 2, encoderLayers: 2, decoderLayers: 2 };
const model = await Transformer.create(sizes, { device: 'cpu', seed: 1 });
const source = Array.from({ length: 32 }, () =>
  Int32Array.from({ length: 30 }, (_, i) => (i < 29 ? 5 + i : 2)),
);
const work = () => model.lossAndGradients({ source, target: source }, { direction: 'bi', alpha: 1 });
const [how] = process.argv.slice(2);

await work();
for (let i = 0; i < (how === 'workers' ? 2 : 20); ++i) work().catch(() => {});
if (how === 'workers') {
  const start = () =>
    new Promise((resolve) => {
      const options = { workerData: { state: 'work' } };
      new Worker(new URL('./working_worker.mjs', import.meta.url), options).once('message', resolve);
    });
  await Promise.all([start(), start()]);
  process.exit(7);
}
setTimeout(() => {
  if (how === 'exit') process.exit(7);
  if (how === 'reallyExit') process.reallyExit(7);
  if (how === 'throw') throw new Error('thrown on purpose');
  if (how === 'reject') Promise.reject(new Error('rejected on purpose'));
}, 50);

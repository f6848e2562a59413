// Starts workers that use the core and terminates each at a random instant. Arguments: the states, separated by commas;
// workers at a time; rounds; seed. Prints one JSON line. A process of its own: what it looks for ends the process.
import { Worker } from 'node:worker_threads';

const [states, workers, rounds, seed] = process.argv.slice(2);
const names = states.split(',');

/** mulberry32: an even number in [0, 1). */
let counter = Number(seed) | 0;
function random() {
  counter = (counter + 0x6d2b79f5) | 0;
  let t = Math.imul(counter ^ (counter >>> 15), 1 | counter);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}

const counts = { terminated: 0, ended: 0, failed: [] };

async function one(state) {
  const worker = new Worker(new URL('./working_worker.mjs', import.meta.url), { workerData: { state } });
  let ready = false;
  const started = new Promise((resolve) => {
    worker.once('message', () => {
      ready = true;
      resolve();
    });
    worker.once('exit', resolve);
    worker.once('error', (error) => {
      counts.failed.push(`${state}: ${error.code ?? ''} ${error.message}`);
      resolve();
    });
  });
  // Half of them while they load, the others at work.
  if (state !== 'load' && random() < 0.5) await started;
  await new Promise((resolve) => {
    setTimeout(resolve, random() * (ready ? 30 : 400));
  });
  const code = await worker.terminate();
  counts[code === 1 ? 'terminated' : 'ended'] += 1;
}

for (let round = 0; round < Number(rounds); ++round) {
  await Promise.all(
    Array.from({ length: Number(workers) }, (_, i) => one(names[(i + round) % names.length])),
  );
}
process.stdout.write(`${JSON.stringify(counts)}\n`);

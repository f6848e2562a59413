// Steps of one small training; prints {waiting, slept, loss, errors} as JSON; slept: steps before which they slept. Arguments:
//   until-sleeping PRECISION [COUNT]   steps until the threads that wait have slept for 20, at most 10 s; or COUNT steps
//   limits as|nproc COUNT   lowers a limit of this process, asks for COUNT threads, then for 2, and steps
//   none as                 lowers it so far that not even the engine can start, and calls it twice
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { native } from '../../dist/native/binding.js';

const [how, limit, count] = process.argv.slice(2);
const core = native();
const answer = { waiting: [], slept: 0, loss: [], errors: [] };

async function attempt(call) {
  try {
    await call();
  } catch ({ code, message }) {
    answer.errors.push({ code, message });
  }
}

/** Lowers a limit of this process; what it holds by now stays. */
function lower() {
  const kilobytes = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  const one = limit === 'as' ? [`--as=${(kilobytes + 3 * 1024 * 1024) * 1024}`] : ['--nproc=40'];
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(process.pid), ...one], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  // Root has no limit of processes: become nobody.
  if (limit === 'nproc') process.setuid(65534);
}

const create = () =>
  core.Transformer.create(
    {
      ...{ vocabSize: 500, embedDim: 64, ffnDim: 128, heads: 4, encoderLayers: 2, decoderLayers: 2 },
      ...{ dropout: 0.3, attentionDropout: 0, activationDropout: 0, norm: 'post', activation: 'relu' },
      ...{ shareEmbeddings: 'all', maxPositions: 64 },
    },
    { seed: 1, device: 'cpu', precision: how === 'until-sleeping' ? limit : 'float32' },
  );

if (how !== 'until-sleeping') lower();
if (how === 'limits') await attempt(() => core.setThreads(Number(count)));
if (how === 'none') {
  await attempt(() => core.setThreads(0));
  await attempt(create);
  process.stdout.write(JSON.stringify(answer));
  process.exit(0);
}
await core.setThreads(how === 'until-sleeping' ? 0 : 2);

const trainer = await core.Trainer.create(
  await create(),
  {
    ...{ schedule: 'constant', learningRate: 5e-4, warmupUpdates: 0, warmupInitLearningRate: 0 },
    ...{ beta1: 0.9, beta2: 0.98, epsilon: 1e-8, weightDecay: 1e-4, clipNorm: 0 },
  },
  { direction: 'uni', alpha: 5, labelSmoothing: 0.1, ignoreIndex: -100, passReduction: 'sum' },
);
const side = {
  tokens: Int32Array.from({ length: 32 * 12 }, (_, i) => (i % 12 === 11 ? 2 : 4 + ((i * 7919) % 496))),
  offsets: Int32Array.from({ length: 33 }, (_, i) => i * 12),
};
const start = performance.now();
const untilSleeping = how === 'until-sleeping' && !count;
const steps = untilSleeping ? Infinity : how === 'until-sleeping' ? Number(count) : 20;
while (answer.loss.length < steps && answer.slept < 20 && performance.now() - start < 10_000) {
  if (untilSleeping && core.info().waiting === 'sleeping') answer.slept += 1;
  const { metrics } = await trainer.step([{ source: side, target: side }]);
  answer.loss.push(metrics.loss);
  const { waiting } = core.info();
  if (!answer.waiting.includes(waiting)) answer.waiting.push(waiting);
}
process.stdout.write(JSON.stringify(answer));

// Training beside K other programs that want a core each: ours with its default number of threads, the same with libgomp
// waiting as it does by itself (GOMP_SPINCOUNT at its default, which rdrop then leaves alone), and ours with one thread a
// free core, in turns. quiet (K 0): spinning ÷ ours, at least 0.98. Beside others: one thread a free core ÷ ours, at
// least 0.8.
//
//   node benchmarks/busy.mjs [--rounds 5] [--seconds 3] [--busy 0,1,2] [--shapes multi30k-32x24,tiny-32x12]
//                            [--precisions bfloat16,float32] [--before 'chrt -f 5'] [--out FILE]
//
// --before stands before each measured program, to keep what else runs on the machine away from it (chrt for a quiet
// row; beside busy programs it would keep those away as well). Prints one JSON array of rows.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { processorName } from '../dist/util/processor.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    busy: { type: 'string', default: '0,1,2' },
    shapes: { type: 'string', default: 'multi30k-32x24,tiny-32x12' },
    precisions: { type: 'string', default: 'bfloat16,float32' },
    before: { type: 'string', default: '' },
    out: { type: 'string' },
  },
});
const list = (text) => text.split(',').filter(Boolean);
const cores = availableParallelism();
const program = fileURLToPath(new URL('./busy/steps.mjs', import.meta.url));
const before = values.before.split(' ').filter(Boolean);

function seconds(shape, precision, threads, variables) {
  const args = [program, shape, precision, String(threads), values.seconds];
  const [command, ...rest] = [...before, process.execPath, ...args];
  const env = { ...process.env, ...variables };
  for (const name of ['OMP_WAIT_POLICY', 'GOMP_SPINCOUNT']) if (!(name in variables)) delete env[name];
  const { stdout, stderr, status } = spawnSync(command, rest, { encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${command} ${rest.join(' ')}: ${stderr}`);
  return JSON.parse(stdout).seconds;
}

/** The value below which a share of the sorted numbers lies. */
const quantile = (numbers, share) =>
  numbers.toSorted((a, b) => a - b)[Math.round(share * (numbers.length - 1))];

const rows = [];
for (const shape of list(values.shapes)) {
  for (const precision of list(values.precisions)) {
    for (const busy of list(values.busy).map(Number)) {
      const free = Math.max(1, cores - busy);
      const sides = {
        ours: () => seconds(shape, precision, 0, {}),
        spinning: () => seconds(shape, precision, 0, { GOMP_SPINCOUNT: '300000' }),
        oneThreadAFreeCore: () => seconds(shape, precision, free, {}),
      };
      const others = Array.from({ length: busy }, () => spawn(process.execPath, ['-e', 'for (;;);']));
      const times = { ours: [], spinning: [], oneThreadAFreeCore: [] };
      try {
        for (let round = 0; round < Number(values.rounds); round++) {
          const names = Object.keys(sides);
          for (const name of round % 2 ? names.reverse() : names) times[name].push(sides[name]());
        }
      } finally {
        for (const other of others) other.kill('SIGKILL');
      }
      const ratio = (name) => times[name].map((value, i) => value / times.ours[i]);
      const judged = busy === 0 ? 'spinning' : 'oneThreadAFreeCore';
      rows.push({
        ...{ shape, precision, busy, threads: cores, freeCores: free },
        oursSeconds: quantile(times.ours, 0.5),
        spinningSeconds: quantile(times.spinning, 0.5),
        oneThreadAFreeCoreSeconds: quantile(times.oneThreadAFreeCore, 0.5),
        timesAsFastAsSpinning: quantile(ratio('spinning'), 0.5),
        ratioTo: judged,
        ratio: quantile(ratio(judged), 0.5),
        spread: [quantile(ratio(judged), 0.1), quantile(ratio(judged), 0.9)],
        ...{ rounds: Number(values.rounds), secondsATurn: Number(values.seconds), before: values.before },
        ...{ device: processorName(), cores, node: process.versions.node, loadAverage: loadavg()[0] },
        date: new Date().toISOString().slice(0, 10),
      });
      process.stderr.write(`${shape} ${precision} busy ${busy}: ${rows.at(-1).ratio.toFixed(3)}\n`);
    }
  }
}
const json = `${JSON.stringify(rows, null, 2)}\n`;
if (values.out) writeFileSync(values.out, json);
process.stdout.write(json);

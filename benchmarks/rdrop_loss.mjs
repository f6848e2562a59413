// Time of the fused loss with its gradient against copying the logits, and against fairseq's composition in PyTorch, eager
// and compiled (peers/rdrop_loss.py). All sides take turns, on the same numbers; correctness is checked before time.
//
//   node benchmarks/rdrop_loss.mjs [--rows 2048] [--classes 10152] [--threads 2] [--rounds 7] [--repeats 3] [--out FILE]
//
// Ours is timed inside the addon (timeLoss): rdropLoss copies the logits twice on their way, which takes longer than the
// loss. RDROP_PYTHON names a Python that has torch (python3 when unset). The peer's allocator keeps its memory (no mmap, no
// trim, huge pages), without which page faults take most of its time. Prints one JSON array of rows.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { native } from '../dist/binding.js';

const directions = ['uni', 'uni-reverse', 'bi'];

/** What keeps glibc from giving memory back and taking it anew in each step. */
const tunedAllocator = {
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
  MALLOC_TOP_PAD_: String(2 ** 28),
  MALLOC_ARENA_MAX: '1',
  GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
};

/** Normal numbers (Box-Muller over a linear congruential generator): a network's logits, both passes alike but not equal. */
function makeInput({ rows, classes, seed }) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const half = rows * classes;
  const logits = new Float32Array(2 * half);
  for (let i = 0; i < half; i++) {
    logits[i] = 2 * normal();
    logits[half + i] = logits[i] + 0.5 * (uniform() - 0.5);
  }
  const targets = Int32Array.from({ length: rows }, () => Math.floor(uniform() * classes));
  return { logits, targets };
}

function startPeer(settings) {
  const script = fileURLToPath(new URL('peers/rdrop_loss.py', import.meta.url));
  const child = spawn(process.env.RDROP_PYTHON ?? 'python3', [script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...tunedAllocator },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the peer ended early');
    return JSON.parse(value);
  };
  return { ask, hello: ask(settings), stop: () => child.stdin.end() };
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '2048' },
    classes: { type: 'string', default: '10152' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '7' },
    repeats: { type: 'string', default: '3' },
    out: { type: 'string' },
  },
});
const [rows, classes, threads, rounds, repeats] = [
  ...[values.rows, values.classes, values.threads, values.rounds, values.repeats].map(Number),
];
const settings = { rows, classes, threads, seed: 64, alpha: 5, labelSmoothing: 0.1, ignoreIndex: 1 };
const directory = mkdtempSync(join(tmpdir(), 'rdrop-bench-'));
try {
  const { logits, targets } = makeInput(settings);
  const files = { logits: join(directory, 'logits'), targets: join(directory, 'targets') };
  writeFileSync(files.logits, logits);
  writeFileSync(files.targets, targets);
  await native().setThreads(threads);
  const options = (direction) => ({
    ...{ direction, alpha: settings.alpha, labelSmoothing: settings.labelSmoothing },
    ...{ ignoreIndex: settings.ignoreIndex, passReduction: 'sum' },
  });
  const peer = startPeer({ ...settings, ...files });
  const { version } = await peer.hello;

  const errors = new Map();
  for (const direction of directions) {
    const { loss, gradient } = await native().rdropLoss(logits, classes, targets, options(direction));
    const file = join(directory, 'gradient');
    writeFileSync(file, gradient);
    const found = await peer.ask({ check: file, direction, loss });
    if (!(found.gradientError <= 1e-5 && found.lossError <= 1e-5)) {
      throw new Error(`${direction}: wrong before it is fast: ${JSON.stringify(found)}`);
    }
    errors.set(direction, found);
  }

  /** Side → seconds of every repetition. */
  const times = new Map();
  const note = (side, seconds) => times.set(side, [...(times.get(side) ?? []), ...seconds]);
  for (let round = 0; round < rounds; round++) {
    for (const direction of directions) {
      const ours = await native().timeLoss(logits, classes, targets, options(direction), repeats, {
        ...{ seed: settings.seed, device: 'cpu', precision: 'float32' },
      });
      note(`rdrop ${direction}`, ours.loss);
      note('copy by memcpy -', ours.memoryCopy);
      note('copy by libtorch -', ours.tensorCopy);
      for (const form of ['eager', 'compile']) {
        const { seconds } = await peer.ask({ time: form, direction, repeats: Math.min(repeats, 2) });
        note(`torch ${form} ${direction}`, seconds);
      }
    }
  }
  peer.stop();

  // Well above the number of threads: something else was running, and only the ratios mean anything.
  const loadAverage = loadavg()[0];
  const { compiledAgainst, instructionSet } = native().info();
  const conditions = {
    ...{
      ...settings,
      dtype: 'float32',
      device: cpus()[0].model,
      cores: cpus().length,
      node: process.versions.node,
    },
    ...{
      libtorch: compiledAgainst,
      peer: version,
      instructionSet,
      loadAverage,
      date: new Date().toISOString().slice(0, 10),
    },
  };
  const median = (side) =>
    quantile(
      times.get(side).toSorted((a, b) => a - b),
      0.5,
    );
  const table = [...times].map(([name, seconds]) => {
    const side = name.slice(0, name.lastIndexOf(' '));
    const direction = name.slice(name.lastIndexOf(' ') + 1);
    const sorted = seconds.toSorted((a, b) => a - b);
    const row = {
      side,
      direction: direction === '-' ? null : direction,
      medianSeconds: quantile(sorted, 0.5),
    };
    Object.assign(row, {
      p10: quantile(sorted, 0.1),
      p90: quantile(sorted, 0.9),
      repetitions: sorted.length,
    });
    if (side === 'rdrop') {
      Object.assign(row, {
        copies: row.medianSeconds / median('copy by memcpy -'),
        libtorchCopies: row.medianSeconds / median('copy by libtorch -'),
        timesAsFastAsEager: median(`torch eager ${direction}`) / row.medianSeconds,
        timesAsFastAsCompiled: median(`torch compile ${direction}`) / row.medianSeconds,
        ...errors.get(direction),
      });
    }
    return { ...row, ...conditions };
  });
  const text = `${JSON.stringify(table, null, 2)}\n`;
  if (values.out) writeFileSync(values.out, text);
  process.stdout.write(text);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

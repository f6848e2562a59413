// Tiny Shakespeare by characters in nanoGPT's CPU setting: the same training by `rdrop train --preset gpt-tiny` with one pass and by
// nanoGPT's own train.py, whole commands in turn, and the loss of both on the whole validation part.
//
//   node benchmarks/shakespeare.mjs --text tinyshakespeare.txt[.gz] --nanogpt DIRECTORY [--python python3] [--rounds 2]
//                                   [--threads 0] [--out FILE]
//
// --nanogpt is a checkout of github.com/karpathy/nanoGPT, which is copied and not changed. nanoGPT's setting (its README, "I only have a
// macbook"): 4 layers of 128, 4 heads, blocks of 64, 12 a batch, 2,000 updates, dropout 0. Ours validates where nanoGPT does, every
// 250 updates. A loss is the cross-entropy in nats a character on the whole validation part, by blocks of 64 that do not see one
// another; nanoGPT's own figure, an estimate from 20 batches, stands beside it. Prints one JSON document.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { commit, median } from '../dist/benchmark/measure.js';
import { processorName } from '../dist/util/processor.js';

const { values } = parseArgs({
  options: {
    text: { type: 'string' },
    nanogpt: { type: 'string' },
    python: { type: 'string', default: process.env['RDROP_PYTHON'] ?? 'python3' },
    rounds: { type: 'string', default: '2' },
    threads: { type: 'string', default: '0' },
    out: { type: 'string' },
  },
});
if (values.text === undefined || values.nanogpt === undefined) {
  console.error('expected --text FILE and --nanogpt DIRECTORY');
  process.exit(2);
}

const block = 64;
const work = mkdtempSync(join(tmpdir(), 'shakespeare-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));

const bytes = readFileSync(values.text);
const text = (values.text.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
const cut = Math.floor(text.length * 0.9);
const parts = { train: text.slice(0, cut), val: text.slice(cut) };
const characters = [...new Set(text)].sort();

function run(command, args, options = {}) {
  const began = performance.now();
  const { stdout, stderr, status } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    ...options,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.slice(-2000)}`);
  return { stdout, seconds: (performance.now() - began) / 1000 };
}

/** nanoGPT's files of a data set: numbers of characters, and how many kinds there are. */
function prepareNanoGpt() {
  const there = join(work, 'nanogpt');
  cpSync(values.nanogpt, there, { recursive: true, filter: (path) => !path.endsWith('/.git') });
  const data = join(there, 'data', 'shakespeare_char');
  mkdirSync(data, { recursive: true });
  const number = new Map(characters.map((character, i) => [character, i]));
  for (const [name, part] of Object.entries(parts)) {
    writeFileSync(
      join(data, `${name}.bin`),
      Uint16Array.from(part, (character) => number.get(character)),
    );
  }
  const meta = `import pickle; pickle.dump({"vocab_size": ${characters.length}}, open("meta.pkl", "wb"))`;
  run(values.python, ['-c', meta], { cwd: data });
  return there;
}

const environment =
  values.threads === '0'
    ? process.env
    : { ...process.env, OMP_NUM_THREADS: values.threads, MKL_NUM_THREADS: values.threads };

/** The loss of nanoGPT's last checkpoint on the whole validation part. */
const evaluation = `
import sys, numpy, torch
from model import GPT, GPTConfig
found = torch.load(sys.argv[1], weights_only=False)
model = GPT(GPTConfig(**found["model_args"])); model.load_state_dict(found["model"]); model.eval()
data = torch.from_numpy(numpy.fromfile(sys.argv[2], dtype=numpy.uint16).astype(numpy.int64))
blocks = (len(data) - 1) // ${block}
x, y = data[: blocks * ${block}].view(blocks, ${block}), data[1 : blocks * ${block} + 1].view(blocks, ${block})
with torch.no_grad():
    losses = [model(a, b)[1].item() * len(a) for a, b in zip(x.split(64), y.split(64))]
print(sum(losses) / blocks)
`;

function nanoGpt(there, seed) {
  const settings = {
    ...{
      device: 'cpu',
      compile: 'False',
      eval_iters: 20,
      log_interval: 100,
      block_size: block,
      batch_size: 12,
    },
    ...{ n_layer: 4, n_head: 4, n_embd: 128, max_iters: 2000, lr_decay_iters: 2000, dropout: '0.0' },
    ...{ out_dir: 'out', always_save_checkpoint: 'True' },
  };
  // train.py has its seed in its text.
  const script = readFileSync(join(there, 'train.py'), 'utf8').replace(
    'manual_seed(1337',
    `manual_seed(${1336 + seed}`,
  );
  writeFileSync(join(there, 'train_seed.py'), script);
  const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const { stdout, seconds } = run(
    values.python,
    ['train_seed.py', 'config/train_shakespeare_char.py', ...flags],
    {
      cwd: there,
      env: environment,
    },
  );
  const estimated = Number(/step 2000: train loss [\d.]+, val loss ([\d.]+)/.exec(stdout)?.[1]);
  const checkpoint = join(there, 'out', 'ckpt.pt');
  const validation = join(there, 'data', 'shakespeare_char', 'val.bin');
  // nanoGPT's model says how large it is before that.
  const printed = run(values.python, ['-c', evaluation, checkpoint, validation], { cwd: there }).stdout;
  const loss = Number(printed.trimEnd().split('\n').at(-1));
  return { seconds, loss, estimated };
}

const rdrop = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));

function prepareOurs() {
  const data = join(work, 'data');
  for (const [name, part] of Object.entries(parts)) writeFileSync(join(work, `${name}.txt`), part);
  const files = ['--train', join(work, 'train.txt'), '--valid', join(work, 'val.txt')];
  run(process.execPath, [
    rdrop,
    'prepare',
    '--task',
    'language-model',
    ...files,
    '--pieces',
    'characters',
    '--out',
    data,
  ]);
  return data;
}

function ours(data, seed, round) {
  const out = join(work, `run-${round}`);
  const { seconds } = run(process.execPath, [
    ...[rdrop, 'train', '--task', 'language-model', '--preset', 'gpt-tiny', '--data', data, '--run', out],
    ...['--seed', String(seed), '--threads', values.threads, '--set', 'validation.interval=250'],
  ]);
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trimEnd().split('\n').map(JSON.parse);
  const last = lines.findLast(({ type }) => type === 'validation');
  return { seconds, loss: last.nll * Math.LN2, update: last.update };
}

const there = prepareNanoGpt();
const data = prepareOurs();
const found = { ours: [], nanoGpt: [] };
for (let round = 0; round < Number(values.rounds); round++) {
  const seed = round + 1;
  const turns = [
    () => found.ours.push(ours(data, seed, round)),
    () => found.nanoGpt.push(nanoGpt(there, seed)),
  ];
  for (const turn of round % 2 === 0 ? turns : turns.toReversed()) turn();
  console.error(JSON.stringify({ round, ours: found.ours.at(-1), nanoGpt: found.nanoGpt.at(-1) }));
}
const row = {
  name: 'Tiny Shakespeare, characters, 2,000 updates of 12 blocks of 64, one pass',
  ...found,
  ratio: median(found.nanoGpt.map(({ seconds }, i) => seconds / found.ours[i].seconds)),
  lossDifference: median(found.ours.map(({ loss }, i) => loss - found.nanoGpt[i].loss)),
  conditions: {
    ...{ seconds: 'the whole command', loss: 'nats a character', threads: Number(values.threads) },
    torch: run(values.python, ['-c', 'import torch; print(torch.__version__)']).stdout.trim(),
    nanoGpt: 'github.com/karpathy/nanoGPT',
    ...{
      device: processorName(),
      cores: cpus().length,
      node: process.versions.node,
      loadAverage: loadavg()[0],
    },
    ...{ date: new Date().toISOString(), commit: commit() },
  },
};
const document = `${JSON.stringify(row, null, 2)}\n`;
if (values.out !== undefined) writeFileSync(values.out, document);
process.stdout.write(document);

// Lowers a limit of this process (as, fsize, nofile), works, and prints what each piece of work gave as JSON: 'value', or
// the code of its RdropError. Arguments: the limit; a directory to write into.
import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Bpe, Transformer } from '../../dist/index.js';
import { chartDrawer } from '../../dist/report/charts/draw.js';

const [limit, directory] = process.argv.slice(2);
const runtime = { device: 'cpu', seed: 1 };
const sizes = { vocabSize: 500, embedDim: 64, ffnDim: 128, heads: 2, encoderLayers: 1, decoderLayers: 1 };
const short = { source: [Int32Array.of(5, 2)], target: [Int32Array.of(5, 2)] };
const codes = Bpe.parse('#version: 0.2\na b\n', 'codes');
const answer = {};

async function attempt(name, work) {
  try {
    await work();
    answer[name] = 'value';
  } catch (error) {
    answer[name] = error.name === 'RdropError' ? error.code : String(error);
  }
}

function lower(...args) {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(process.pid), ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
}

const file = join(directory, 'model.safetensors');
let model;
if (limit === 'nofile') {
  // Before anything was loaded that the library loads when it is first needed.
  lower('--nofile=128');
  const held = [];
  for (;;) {
    try {
      held.push(openSync('/dev/null'));
    } catch {
      break;
    }
  }
  await attempt('create', () => Transformer.create(sizes, runtime));
  await attempt('load a part', () => codes.with({ glossaries: ['a'] }));
  await attempt('load another', chartDrawer);
  for (const each of held.splice(0)) closeSync(each);
  await attempt('load a part again', () => codes.with({ glossaries: ['a'] }));
  await attempt('load another again', chartDrawer);
  await attempt('create again', async () => {
    model = await Transformer.create(sizes, runtime);
  });
  for (;;) {
    try {
      held.push(openSync('/dev/null'));
    } catch {
      break;
    }
  }
  await attempt('save', () => model.save(file));
  for (const each of held) closeSync(each);
} else {
  model = await Transformer.create(sizes, runtime);
  await model.logits(short);
}
if (limit === 'fsize') {
  lower('--fsize=65536');
  await attempt('save', () => model.save(file));
}
if (limit === 'as') {
  const kilobytes = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
  lower(`--as=${(kilobytes + 300 * 1024) * 1024}`);
  const large = Int32Array.from({ length: 1000 }, (_, i) => (i < 999 ? 5 : 2));
  const many = { source: Array(400).fill(large), target: Array(400).fill(large) };
  await attempt('create', () => Transformer.create({ ...sizes, vocabSize: 500_000, embedDim: 512 }, runtime));
  await attempt('lossAndGradients', () => model.lossAndGradients(many, { direction: 'uni', alpha: 1 }));
  await attempt('logits', () => model.logits(many));
}
await attempt('small', () => model.logits(short));
rmSync(file, { force: true });
process.stdout.write(JSON.stringify(answer));

// Time of learning and applying byte pair encoding, end to end: process, reading and writing. With --peer DIR (a checkout of
// rsennrich/subword-nmt) its Python takes turns with ours; codes and segmentation must be the same bytes before time counts.
//
//   node benchmarks/bpe.mjs --text FILE [--merges 10000] [--rounds 3] [--peer DIR] [--out FILE]
//
// FILE is tokenised text, plain. RDROP_PYTHON names the peer's Python (python3 when unset). Each side runs on one core: the
// processes are bound to the first one where taskset is there. Prints one JSON array of rows.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    text: { type: 'string' },
    merges: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    peer: { type: 'string' },
    out: { type: 'string' },
  },
});
if (values.text === undefined) throw new Error('--text FILE: expected a file of tokenised text');
const { text, merges, peer } = values;

const python = process.env.RDROP_PYTHON ?? 'python3';
const bound = spawnSync('taskset', ['-c', '0', 'true']).status === 0;
const oneCore = bound ? ['taskset', '-c', '0'] : [];

/** Runs a program from a file to a file; seconds by the wall clock. */
function time(command, input, output) {
  const [program, ...args] = [...oneCore, ...command];
  const files = [openSync(input, 'r'), openSync(output, 'w')];
  const start = performance.now();
  const env = { ...process.env, PYTHONIOENCODING: 'utf-8', PYTHONWARNINGS: 'ignore' };
  const { status, stderr } = spawnSync(program, args, { stdio: [...files, 'pipe'], env });
  const seconds = (performance.now() - start) / 1000;
  for (const file of files) closeSync(file);
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  return seconds;
}

const rdrop = [process.execPath, fileURLToPath(new URL('../dist/cli/main.js', import.meta.url)), 'bpe'];
const sides = {
  rdrop: {
    learn: [...rdrop, 'learn', '--merges', merges],
    apply: (codes) => [...rdrop, 'apply', '--codes', codes],
  },
};
if (peer !== undefined) {
  const script = (name) => [python, join(peer, 'subword_nmt', name)];
  sides['subword-nmt'] = {
    learn: [...script('learn_bpe.py'), '-s', merges],
    apply: (codes) => [...script('apply_bpe.py'), '-c', codes],
  };
}

const directory = mkdtempSync(join(tmpdir(), 'rdrop-bench-'));
try {
  const times = new Map();
  const note = (side, stage, seconds) =>
    times.set(`${side} ${stage}`, [...(times.get(`${side} ${stage}`) ?? []), seconds]);
  for (let round = 0; round < Number(values.rounds); round++) {
    const made = Object.entries(sides).map(([side, { learn, apply }]) => {
      const [codes, pieces] = ['codes', 'pieces'].map((name) => join(directory, `${side}.${name}`));
      note(side, 'learn', time(learn, text, codes));
      note(side, 'apply', time(apply(codes), text, pieces));
      return [codes, pieces].map((file) => readFileSync(file));
    });
    for (const other of made.slice(1)) {
      if (!other.every((bytes, i) => bytes.equals(made[0][i]))) throw new Error('the two sides differ');
    }
  }

  const median = (name) => {
    const sorted = times.get(name)?.toSorted((a, b) => a - b);
    return sorted?.[Math.floor(sorted.length / 2)];
  };
  const content = readFileSync(text, 'utf8');
  const conditions = {
    lines: content.split('\n').length - 1,
    words: content.split(/[ \n]+/).filter(Boolean).length,
    merges: readFileSync(join(directory, 'rdrop.codes'), 'utf8').split('\n').length - 2,
    sameBytes: peer === undefined ? null : true,
    oneCore: bound,
    device: cpus()[0].model,
    node: process.versions.node,
    peer:
      peer === undefined
        ? null
        : `subword-nmt ${execFileSync('git', ['-C', peer, 'rev-parse', '--short', 'HEAD']).toString().trim()}, ` +
          execFileSync(python, ['--version']).toString().trim(),
    loadAverage: loadavg()[0],
    date: new Date().toISOString().slice(0, 10),
  };
  const rows = [...times].map(([name, seconds]) => {
    const [side, stage] = name.split(' ');
    const row = {
      side,
      stage,
      medianSeconds: median(name),
      min: Math.min(...seconds),
      max: Math.max(...seconds),
    };
    const theirs = median(`subword-nmt ${stage}`);
    if (side === 'rdrop' && theirs !== undefined) row.timesAsFast = theirs / row.medianSeconds;
    return { ...row, rounds: seconds.length, ...conditions };
  });
  const json = `${JSON.stringify(rows, null, 2)}\n`;
  if (values.out) writeFileSync(values.out, json);
  process.stdout.write(json);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

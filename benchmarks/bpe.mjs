// Time of learning and applying byte pair encoding, end to end: process, reading and writing. With --peer DIR (a checkout of
// rsennrich/subword-nmt) its Python takes turns with ours; codes and segmentation must be the same bytes before time counts.
//
//   node benchmarks/bpe.mjs --text FILE [--merges 10000] [--rounds 3] [--peer DIR] [--out FILE]
//
// FILE is tokenized text, plain. The medians are of the wall clock and of the time that the core worked (cpuSeconds), which
// other programs lengthen less. Needs bash. RDROP_PYTHON names the peer's Python (python3 when unset). Each side runs on one
// core: the processes are bound to the first one where taskset is there. Prints one JSON array of rows.
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { processorName } from '../dist/util/processor.js';
import { childEnvironment } from '../dist/util/programs.js';

const { values } = parseArgs({
  options: {
    text: { type: 'string' },
    merges: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '3' },
    peer: { type: 'string' },
    out: { type: 'string' },
  },
});
if (values.text === undefined) throw new Error('--text FILE: expected a file of tokenized text');
const { text, merges, peer } = values;

// Nothing of the current directory is started.
process.env.PATH = childEnvironment().PATH;
const python = process.env.RDROP_PYTHON ?? 'python3';
const bound = spawnSync('taskset', ['-c', '0', 'true']).status === 0;
const oneCore = bound ? ['taskset', '-c', '0'] : [];

/** Runs a program from a file to a file; seconds by the wall clock, and those that its core worked for it. */
function time(command, input, output) {
  const files = [openSync(input, 'r'), openSync(output, 'w')];
  const timed = ['-c', 'TIMEFORMAT="%R %U %S"; time "$@"', 'bash', ...oneCore, ...command];
  const env = { ...process.env, LC_ALL: 'C.UTF-8', PYTHONIOENCODING: 'utf-8', PYTHONWARNINGS: 'ignore' };
  const { status, stderr } = spawnSync('bash', timed, { stdio: [...files, 'pipe'], env });
  for (const file of files) closeSync(file);
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  const [wall, user, system] = stderr.toString().trim().split('\n').at(-1).split(' ').map(Number);
  return { wall, cpu: user + system };
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

  const median = (name, clock) => {
    const sorted = times
      .get(name)
      ?.map((seconds) => seconds[clock])
      .toSorted((a, b) => a - b);
    return sorted?.[Math.floor(sorted.length / 2)];
  };
  const content = readFileSync(text, 'utf8');
  const conditions = {
    lines: content.split('\n').length - 1,
    words: content.split(/[ \n]+/).filter(Boolean).length,
    merges: readFileSync(join(directory, 'rdrop.codes'), 'utf8').split('\n').length - 2,
    sameBytes: peer === undefined ? null : true,
    oneCore: bound,
    device: processorName(),
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
    const wall = seconds.map((each) => each.wall);
    const row = { side, stage, medianSeconds: median(name, 'wall') };
    Object.assign(row, { min: Math.min(...wall), max: Math.max(...wall), cpuSeconds: median(name, 'cpu') });
    const theirs = median(`subword-nmt ${stage}`, 'cpu');
    if (side === 'rdrop' && theirs !== undefined) row.timesLessCpu = theirs / row.cpuSeconds;
    return { ...row, rounds: seconds.length, ...conditions };
  });
  const json = `${JSON.stringify(rows, null, 2)}\n`;
  if (values.out) writeFileSync(values.out, json);
  process.stdout.write(json);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

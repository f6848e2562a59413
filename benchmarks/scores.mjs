// Time of the scores of a corpus, in this process: BLEU, chrF2, chrF2++, TER, and both tests over sentences against a second system.
//
//   node benchmarks/scores.mjs --ref FILE [--rounds 9] [--out FILE]
//
// FILE holds one sentence a line, plain. The systems are made of it: of every sentence some words are dropped, doubled or
// exchanged with the next, by a generator with a fixed seed. The metrics take turns. Prints one JSON array of rows.
import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import {
  bleu,
  bleuMetric,
  chrf,
  chrfMetric,
  pairedApproximateRandomization,
  pairedBootstrap,
  ter,
  terMetric,
} from '../dist/index.js';
import { processorName } from '../dist/util/processor.js';

const { values } = parseArgs({
  options: {
    ref: { type: 'string' },
    rounds: { type: 'string', default: '9' },
    out: { type: 'string' },
  },
});
if (values.ref === undefined) throw new Error('--ref FILE: expected a file with one sentence a line');
const references = readFileSync(values.ref, 'utf8').trimEnd().split('\n');

/** Park and Miller's generator. */
function below(seed) {
  let state = seed;
  return (count) => {
    state = (state * 48271) % 2147483647;
    return state % count;
  };
}

function perturbed(seed) {
  const draw = below(seed);
  return references.map((line) => {
    const words = line.split(' ');
    for (let i = 0; i + 1 < words.length; i++) {
      const what = draw(12);
      if (what === 0) words.splice(i, 1);
      else if (what === 1) words.splice(i, 0, words[i]);
      else if (what === 2) [words[i], words[i + 1]] = [words[i + 1], words[i]];
    }
    return words.join(' ');
  });
}

const [system, baseline] = [perturbed(1), perturbed(2)];
const metrics = [bleuMetric(), chrfMetric(), terMetric()];
const corpus = { hypotheses: system, baseline, references, metrics };
const work = {
  BLEU: () => bleu(system, references),
  chrF2: () => chrf(system, references),
  'chrF2++': () => chrf(system, references, { wordOrder: 2 }),
  TER: () => ter(system, references),
  'paired bootstrap (1,000; BLEU, chrF2, TER)': () => pairedBootstrap(corpus),
  'approximate randomization (10,000; BLEU, chrF2, TER)': () => pairedApproximateRandomization(corpus),
};

const times = Object.fromEntries(Object.keys(work).map((name) => [name, []]));
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const [name, run] of Object.entries(work)) {
    const began = performance.now();
    await run();
    // The first round warms the compiler up.
    if (round > 0) times[name].push(performance.now() - began);
  }
}

const rounded = (value) => Number(value.toFixed(1));
const rows = Object.entries(times).map(([name, all]) => {
  const sorted = all.toSorted((a, b) => a - b);
  return {
    name,
    sentences: references.length,
    milliseconds: rounded(sorted[Math.floor(sorted.length / 2)]),
    spread: [rounded(sorted[0]), rounded(sorted.at(-1))],
    rounds: all.length,
    conditions: {
      node: process.version,
      processor: processorName(),
      load: loadavg().map(rounded),
      date: new Date().toISOString().slice(0, 10),
    },
  };
});
const text = `${JSON.stringify(rows, null, 2)}\n`;
if (values.out !== undefined) writeFileSync(values.out, text);
process.stdout.write(text);

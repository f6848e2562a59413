// Records batches.txt: the batches of one epoch of IWSLT'14 De-En, as lengths alone.
//
//   node benchmarks/iwslt14/record_batches.mjs DIRECTORY
//
// DIRECTORY holds train.source.lengths.u16.gz and train.target.lengths.u16.gz: tokens of every training pair after Moses and
// 10,000 joint merges, eos included, uint16 in corpus order. Pairs of equal lengths are counted, so the file does not
// depend on the order of the pairs; the order of the batches is that of epoch 1 of seed 64.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { planBatches } from '../../dist/index.js';

const directory = process.argv[2];
if (directory === undefined) throw new Error('expected the directory of the lengths');

function lengthsOf(side) {
  const bytes = gunzipSync(readFileSync(join(directory, `train.${side}.lengths.u16.gz`)));
  return Int32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
}

const [source, target] = [lengthsOf('source'), lengthsOf('target')];
const batches = planBatches(source, target, { maxTokens: 4096, multipleOf: 8, seed: 64, epoch: 1 });
const lines = batches.map((batch) => {
  const counts = new Map();
  for (const pair of batch) {
    const lengths = `${source[pair]}:${target[pair]}`;
    counts.set(lengths, (counts.get(lengths) ?? 0) + 1);
  }
  return [...counts].map(([lengths, count]) => `${lengths}:${count}`).join(' ');
});
const header = [
  "# The batches of an epoch of IWSLT'14 De-En (maxTokens 4096, multipleOf 8, seed 64, epoch 1), one a line.",
  '# source:target:pairs, lengths in tokens with eos. Written by record_batches.mjs.',
];
writeFileSync(new URL('batches.txt', import.meta.url), `${[...header, ...lines].join('\n')}\n`);

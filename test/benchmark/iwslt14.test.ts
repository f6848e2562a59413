import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { groupPairs } from '../../lib/data/batches.js';
import { packageRoot } from '../../lib/native/binding.js';

interface Lengths {
  source: number[];
  target: number[];
}

const { readBatches, validationLengths, tokenSource, stratified, sampleBatches } = (await import(
  new URL('../../benchmarks/iwslt14/batches.mjs', import.meta.url).href
)) as {
  readBatches: () => Lengths[];
  validationLengths: (batches: Lengths[]) => number[];
  tokenSource: (
    seed: number,
    types?: number,
  ) => (lengths: number[]) => { tokens: Int32Array; offsets: Int32Array };
  stratified: (batches: Lengths[], count: number) => Lengths[];
  sampleBatches: (batches: Lengths[], count: number) => Lengths[];
};
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

describe("the recorded batches of IWSLT'14", () => {
  const batches = readBatches();
  const key = (batch: Lengths) =>
    batch.source
      .map((length, i) => `${length}:${batch.target[i]}`)
      .sort()
      .join();

  it('are the published epoch', () => {
    expect(batches.length).toBe(1102);
    expect(sum(batches.map(({ source }) => source.length))).toBe(160_239);
    expect(sum(batches.map(({ source }) => sum(source)))).toBe(4_035_591);
    expect(sum(batches.map(({ target }) => sum(target)))).toBe(3_949_114);
  });

  it('are those of planBatches', (context) => {
    const directory = join(packageRoot, '..', 'shared', 'data', 'iwslt14');
    if (!existsSync(directory)) context.skip('../shared/data/iwslt14 is not there');
    const lengths = (side: string) => {
      const bytes = gunzipSync(readFileSync(join(directory, `train.${side}.lengths.u16.gz`)));
      return Int32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(2 * i));
    };
    const [source, target] = [lengths('source'), lengths('target')];
    const planned = groupPairs(source, target, { maxTokens: 4096, multipleOf: 8, seed: 1 }).map((batch) => ({
      source: Array.from(batch, (pair) => source[pair]!),
      target: Array.from(batch, (pair) => target[pair]!),
    }));
    expect(batches.map(key).sort()).toEqual(planned.map(key).sort());
  });

  it('give samples of their own sizes and a validation set of the published size', () => {
    const size = ({ source, target }: Lengths) => sum(source) + sum(target);
    const mean = (of: Lengths[]) => sum(of.map(size)) / of.length;
    expect(stratified(batches, 64).length).toBe(64);
    expect(Math.abs(mean(stratified(batches, 64)) / mean(batches) - 1)).toBeLessThan(0.005);
    const lengths = validationLengths(batches);
    expect(lengths.length).toBe(7283);
    expect(Math.abs(sum(lengths) / 7283 / (4_035_591 / 160_239) - 1)).toBeLessThan(0.005);
  });

  it('are filled with tokens that end in eos', () => {
    const { tokens, offsets } = tokenSource(64)([1, 3, 2]);
    expect([...offsets]).toEqual([0, 1, 4, 6]);
    expect([tokens[0], tokens[3], tokens[5]]).toEqual([2, 2, 2]);
    for (const at of [1, 2, 4]) {
      expect(tokens[at]!).toBeGreaterThanOrEqual(4);
      expect(tokens[at]!).toBeLessThan(10_152);
    }
    expect(tokenSource(65)([30]).tokens).not.toEqual(tokenSource(64)([30]).tokens);
  });
  it('are, sampled and filled, those of the Python peers', () => {
    const recorded = JSON.parse(
      readFileSync(new URL('../fixtures/benchmarks/sample.json', import.meta.url), 'utf8'),
    ) as { batches: number[][]; tokensOfThree: string };
    const sample = sampleBatches(batches, 64);
    expect(sample.map(({ source, target }) => [source.length, sum(source), sum(target)])).toEqual(
      recorded.batches,
    );
    const next = tokenSource(64);
    const hash = createHash('sha256');
    for (const { source, target } of sample.slice(0, 3)) {
      for (const lengths of [source, target]) {
        const { tokens, offsets } = next(lengths);
        for (let i = 0; i < lengths.length; i++) {
          hash.update(`${tokens.slice(offsets[i], offsets[i + 1]).join(' ')}\n`);
        }
      }
    }
    expect(hash.digest('hex')).toBe(recorded.tokensOfThree);
  });
});

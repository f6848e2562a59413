import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderTheory, theoryLead, writeDropoutMoments } from '../../lib/theory/report.js';
import { type DropoutMoments, dropoutMoments } from '../../lib/theory/theory.js';
import { chartsOf, expectSelfContained, expectWellFormed, rowsOf } from '../support/html.js';
import { scratchDirectory } from '../support/scratch.js';
import { makeReversalData, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let result: DropoutMoments;
beforeAll(async () => {
  place = await workplace();
  const data = join(place.path, 'data');
  await makeReversalData(data);
  const model = { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 2, decoderLayers: 1, dropout: 0.3 };
  result = await dropoutMoments({ model, data, batches: 2, maxTokens: 48, pairs: 8, threads: 1, level: 0.9 });
});
afterAll(() => place.remove());

const groups = [
  'embeddings',
  'encoder self-attention',
  'encoder ffn',
  'decoder self-attention',
  'cross-attention',
  'decoder ffn',
  'layer norms',
];

describe('the report of the theory', () => {
  it('has the divergences, the groups for both objectives, the layers and the conditions', async () => {
    const { html, markdown } = await renderTheory(result);
    expectSelfContained(html);
    expectWellFormed(html);
    const divergence = rowsOf(html, 'Divergence of the two passes');
    expect(divergence.map(([name]) => name)).toEqual([
      'uni: D(P1‖P2)',
      'uni-reverse: D(P2‖P1)',
      'bi: half the sum',
      'D(P1‖P2) − D(P2‖P1)',
    ]);
    const { uni, difference } = result.divergence;
    expect(Number(divergence[0]![1])).toBeCloseTo(uni.mean, 3);
    const [low, high] = divergence[0]![2]!.split(' to ').map(Number);
    expect(low).toBeCloseTo(uni.low, 3);
    expect(high).toBeCloseTo(uni.high, 3);
    expect(html).toContain('90 % interval');
    expect(html).toContain(`p = ${difference.randomizationP.toFixed(3)}`);
    for (const [caption, objective] of [
      ['Gradient of the KL term alone', 'kl'],
      ['Gradient of the whole loss, CE + 5·KL', 'loss'],
    ] as const) {
      const rows = rowsOf(html, caption);
      expect(rows.map(([name]) => name)).toEqual([...groups, 'all']);
      rows.forEach((row, i) => {
        const { varianceRatio, expectedRatio, uni, parameters } = result.gradients[objective][i]!;
        expect(row[1]).toBe(parameters.toLocaleString('en-US'));
        expect(Number(row[5]) / uni.variance).toBeCloseTo(1, 3);
        const [ratio, from, to] = row[7]!.match(/[\d.]+/g)!.map(Number);
        expect(ratio).toBeCloseTo(varianceRatio.ratio!, 2);
        expect(from).toBeCloseTo(varianceRatio.low!, 2);
        expect(to).toBeCloseTo(varianceRatio.high!, 2);
        expect(row[8]).toContain(expectedRatio.ratio!.toFixed(3));
      });
    }
    const layers = rowsOf(html, 'Variance ratio uni/bi by layer');
    expect(layers.map(([layer, group]) => `${layer} ${group}`)).toContain('encoder.layers.1 encoder ffn');
    expect(layers).toHaveLength(2 * 3 + 4);
    const conditions = new Map(rowsOf(html, 'Conditions').map(([key, value]) => [key, value]));
    expect(conditions.get('parameters')).toBe('seed 1, as initialized');
    expect(conditions.get('mask pairs')).toBe('8 for each of 2 batches');
    expect(conditions.get('node')).toBe(process.version);
    expect(conditions.get('device')).toBe('cpu');
    expect(markdown).toContain('are in [theory.html](theory.html)');
    expect(markdown).toContain('## Gradient of the KL term alone');
  });

  it('draws estimates with running means, ratios and norms', async () => {
    const { html } = await renderTheory(result);
    const charts = chartsOf(html);
    expect(charts.map(({ label }) => label)).toEqual([
      'Expected divergence by direction',
      'Variance ratio uni to bi by parameter group',
      'Norm and noise of the gradient by parameter group',
    ]);
    const [divergence, ratios, norms] = charts.map(({ wide }) => wide) as [string, string, string];
    for (const text of ['uni', 'uni-reverse', 'bi', 'draws in the running mean']) {
      expect(divergence).toContain(`>${text}</text>`);
    }
    // A line of running means for each direction: eight draws, seven segments.
    expect(divergence.match(/ d="M-?[\d.]+ -?[\d.]+(L-?[\d.]+ -?[\d.]+){7}"/g)).toHaveLength(3);
    for (const svg of [ratios, norms]) {
      for (const text of [...groups, 'all', 'KL term alone', 'CE + 5·KL'])
        expect(svg).toContain(`>${text}</text>`);
      expect(svg).not.toMatch(/NaN|Infinity/);
    }
  });

  it('says so when the interval misses 0', async () => {
    const difference = { ...result.divergence.difference, containsZero: false };
    const missed = { ...result, divergence: { ...result.divergence, difference } };
    expect(theoryLead(result).join(' ')).toContain('contains 0');
    expect(theoryLead(missed).join(' ')).toContain('does not contain 0');
    expect((await renderTheory(missed)).markdown).toContain(
      'does not contain 0, as chance alone has it in 10 %',
    );
  });

  it('writes three files, the JSON with everything', async () => {
    const directory = join(scratchDirectory(), 'new', 'out');
    const paths = await writeDropoutMoments(result, directory);
    expect(paths).toEqual({
      html: join(directory, 'theory.html'),
      markdown: join(directory, 'theory.md'),
      json: join(directory, 'theory.json'),
    });
    expect(JSON.parse(await readFile(paths.json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(result)));
    const { html, markdown } = await renderTheory(result);
    expect(await readFile(paths.html, 'utf8')).toBe(html);
    expect(await readFile(paths.markdown, 'utf8')).toBe(markdown);
    const file = join(scratchDirectory(), 'file');
    await writeFile(file, '');
    await expect(writeDropoutMoments(result, join(file, 'out'))).rejects.toMatchObject({
      code: 'FILE_UNWRITABLE',
    });
    expect(existsSync(join(file, 'out'))).toBe(false);
  });
});

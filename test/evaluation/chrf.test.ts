import { describe, expect, it } from 'vitest';
import { chrf, chrfMetric } from '../../lib/evaluation/chrf.js';
import { compared, corpora, evaluationFixture, segments } from '../support/fixtures/sacrebleu_fixtures.js';

describe('chrF against sacreBLEU 2.6.0', () => {
  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    '%s: score, name and signature',
    async (_, corpus) => {
      const rows = await compared('CHRF', corpus);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        expect(Math.abs(row.ours - row.theirs), row.context).toBeLessThan(1e-9);
        expect(row.name).toBe(row.theirName);
        expect(row.signature).toBe(row.theirSignature);
      }
    },
  );

  it('counts the n-grams of every hard segment alike', () => {
    const { corpora: texts } = evaluationFixture<{
      corpora: { name: string; hypotheses: string[]; references: string[][] }[];
    }>('bleu.json');
    const hard = texts.find(({ name }) => name === 'hard');
    if (hard === undefined) throw new Error('no hard corpus');
    const metric = chrfMetric({ wordOrder: 2 });
    hard.hypotheses.forEach((hypothesis, i) => {
      const references = hard.references.map((stream) => stream[i] as string);
      expect(metric.segment(hypothesis, references), hypothesis).toEqual(segments.hard['chrF2++']?.[i]);
    });
  });

  it('is a function of a corpus', async () => {
    const score = await chrf(['abc'], ['abd'], { charOrder: 1, beta: 1 });
    expect(score).toEqual({
      name: 'chrF1',
      score: expect.closeTo(200 / 3, 9),
      signature: 'nrefs:1|case:mixed|eff:yes|nc:1|nw:0|space:no|version:2.6.0',
    });
  });
});

describe('chrf refuses', () => {
  it('bad options, texts of different lengths and an aborted signal', async () => {
    await expect(chrf(['a'], ['a'], { charOrder: 0 })).rejects.toThrow(/chrf.charOrder/);
    await expect(chrf(['a'], ['a'], { order: 3 } as object)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(chrf(['a', 'b'], ['a'])).rejects.toMatchObject({ code: 'LINE_COUNT_MISMATCH' });
    await expect(chrf(['a'], ['a'], {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

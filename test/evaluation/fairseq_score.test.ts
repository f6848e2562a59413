import { describe, expect, it } from 'vitest';
import { splitCompounds } from '../../lib/evaluation/compound_split.js';
import { type FairseqScore, fairseqMetric, fairseqScore } from '../../lib/evaluation/fairseq_score.js';
import { corpusStatistics } from '../../lib/evaluation/metric.js';
import { checkedSegments } from '../../lib/evaluation/segments.js';
import { evaluationFixture } from '../support/fixtures/sacrebleu_fixtures.js';

interface Options {
  order: number;
  ignoreCase: boolean;
  compoundSplit: boolean;
}

const { corpora, splits } = evaluationFixture<{
  corpora: {
    name: string;
    hypotheses: string[];
    references: string[];
    cases: (FairseqScore & { options: Options })[];
  }[];
  splits: { lines: string[]; split: string[] };
}>('fairseq_score.json');

describe('splitting compounds', () => {
  it('does what perl does with bytes', () => {
    expect(splits.lines.map(splitCompounds)).toEqual(splits.split);
  });
});

describe('fairseqScore against fairseq-score', () => {
  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    '%s: the statistics, the score and the line it prints',
    async (_, { hypotheses, references, cases }) => {
      for (const { options, ...truth } of cases) {
        const result = fairseqScore(hypotheses, references, options);
        expect(result.text).toBe(truth.text);
        for (const key of ['counts', 'totals', 'systemLength', 'referenceLength'] as const) {
          expect(result[key], key).toEqual(truth[key]);
        }
        expect(Math.abs(result.score - truth.score)).toBeLessThan(1e-9);
        expect(Math.abs(result.brevityPenalty - truth.brevityPenalty)).toBeLessThan(1e-9);
        result.precisions.forEach((precision, n) => {
          expect(Math.abs(precision - (truth.precisions[n] ?? Number.NaN))).toBeLessThan(1e-9);
        });
        const metric = fairseqMetric(options);
        const { sums } = await corpusStatistics(metric, checkedSegments(hypotheses, references, 'test'));
        expect(metric.score(sums)).toBe(result.score);
      }
    },
  );

  it('rounds a precision in the middle to the even digit, as Python does', () => {
    // 1 of 16 unigrams is 6.25 %.
    const system = ['a', ...Array.from({ length: 14 }, (_, i) => `x${i}`)].join(' ');
    expect(fairseqScore([`${system} y`], ['a b c'], { order: 1 }).text).toMatch(/^BLEU1 = 6.25, 6.2 /);
  });
});

describe('fairseqScore refuses', () => {
  const code = (call: () => unknown) => {
    try {
      call();
    } catch (error) {
      return `${(error as { code?: string }).code}: ${(error as Error).message}`;
    }
    return 'nothing thrown';
  };
  it('unequal numbers of sentences, which the original cuts off', () => {
    expect(code(() => fairseqScore(['a', 'b'], ['a']))).toMatch(/^LINE_COUNT_MISMATCH: .*\(2\), got 1$/);
  });
  it('several references, no text and unknown options', () => {
    expect(code(() => fairseqScore(['a'], [['a'], ['b']] as unknown as string[]))).toMatch(
      /^INVALID_ARGUMENT: .*one reference.*got 2$/,
    );
    expect(code(() => fairseqScore([], []))).toMatch(/^INVALID_ARGUMENT: .*hypotheses/);
    expect(code(() => fairseqScore(['a'], [3 as unknown as string]))).toMatch(/^INVALID_ARGUMENT: .*got 3$/);
    expect(code(() => fairseqScore(['a'], ['a'], { order: 5 }))).toMatch(
      /^INVALID_ARGUMENT: fairseqScore.order/,
    );
    expect(code(() => fairseqScore(['a'], ['a'], { smooth: true } as object))).toMatch(
      /^INVALID_ARGUMENT: .*smooth/,
    );
  });
});

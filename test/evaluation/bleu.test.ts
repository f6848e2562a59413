import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bleu, formatBleu } from '../../lib/evaluation/bleu.js';
import { bleuTokenisers, trimEnd } from '../../lib/evaluation/bleu_tokenise.js';

type Tokenize = keyof typeof bleuTokenisers;

interface Case {
  tokenize: Tokenize;
  lowercase: boolean;
  references: number;
  score: number;
  precisions: number[];
  brevityPenalty: number;
  systemLength: number;
  referenceLength: number;
  counts: number[];
  totals: number[];
  signature: string;
  text: string;
}

interface Recorded {
  corpora: { name: string; hypotheses: string[]; references: string[][]; cases: Case[] }[];
  tokens: { lines: string[] } & Record<Tokenize, string[][]>;
}

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/evaluation/bleu.json', import.meta.url), 'utf8'),
) as Recorded;

describe('tokenisers against sacreBLEU', () => {
  for (const name of ['13a', 'none', 'intl', 'char'] as const) {
    it(`${name} splits every hard string alike`, () => {
      recorded.tokens.lines.forEach((line, i) => {
        const context = JSON.stringify(line);
        expect({ context, tokens: bleuTokenisers[name](trimEnd(line)) }).toEqual({
          context,
          tokens: recorded.tokens[name][i],
        });
      });
    });
  }
});

describe('bleu against sacreBLEU 2.6.0', () => {
  for (const corpus of recorded.corpora) {
    it(`${corpus.name}: score, counts and signature`, () => {
      for (const truth of corpus.cases) {
        const { tokenize, lowercase } = truth;
        const streams = corpus.references.slice(0, truth.references);
        const result = bleu(corpus.hypotheses, streams, { tokenize, lowercase });
        expect(result.signature).toBe(truth.signature);
        expect(result.counts).toEqual(truth.counts);
        expect(result.totals).toEqual(truth.totals);
        expect(result.systemLength).toBe(truth.systemLength);
        expect(result.referenceLength).toBe(truth.referenceLength);
        expect(Math.abs(result.score - truth.score)).toBeLessThan(1e-9);
        expect(Math.abs(result.brevityPenalty - truth.brevityPenalty)).toBeLessThan(1e-9);
        result.precisions.forEach((precision, n) => {
          expect(Math.abs(precision - (truth.precisions[n] ?? Number.NaN))).toBeLessThan(1e-9);
        });
        // Python rounds 6.25 to 6.2, toFixed to 6.3: the line is compared where no such tie occurs.
        if (corpus.name === 'multi30k') expect(formatBleu(result)).toBe(truth.text);
      }
    });
  }

  it('takes one stream of references as it takes an array of one stream', () => {
    const { hypotheses, references } = recorded.corpora[0] as Recorded['corpora'][number];
    const stream = references[0] as string[];
    expect(bleu(hypotheses, stream)).toEqual(bleu(hypotheses, [stream]));
  });

  it('scores 1,000 sentences in well under 100 ms', () => {
    const { hypotheses, references } = recorded.corpora[0] as Recorded['corpora'][number];
    const many = (lines: string[]) => Array.from({ length: 1000 }, (_, i) => `${lines[i % 60]} ${i}`);
    const system = many(hypotheses);
    const reference = many(references[0] as string[]);
    bleu(system, reference);
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      bleu(system, reference);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(100);
  });

  it('does not slow down on long runs of spaces', () => {
    const line = `a${' '.repeat(200_000)}b`;
    const start = performance.now();
    for (const tokenize of ['13a', 'none', 'intl', 'char'] as const) bleu([line], [line], { tokenize });
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe('bleu refuses', () => {
  const code = (call: () => unknown) => {
    try {
      call();
    } catch (error) {
      return `${(error as { code?: string }).code}: ${(error as Error).message}`;
    }
    return 'nothing thrown';
  };
  it('streams of different lengths, naming both counts', () => {
    expect(code(() => bleu(['a', 'b'], ['a']))).toMatch(/^LINE_COUNT_MISMATCH: .*\(2\), got 1$/);
    expect(code(() => bleu(['a'], [['a'], ['a', 'b']]))).toMatch(/^LINE_COUNT_MISMATCH: .*references\[1\]/);
  });
  it('nothing to compare, and what is not text', () => {
    expect(code(() => bleu([], []))).toMatch(/^INVALID_ARGUMENT: .*hypotheses/);
    expect(code(() => bleu(['a'], []))).toMatch(/^INVALID_ARGUMENT: .*references/);
    expect(code(() => bleu(['a', 5 as unknown as string], ['a', 'b']))).toMatch(
      /^INVALID_ARGUMENT: .*hypotheses\[1\].*got 5$/,
    );
  });
  it('unknown tokenisers and options', () => {
    expect(code(() => bleu(['a'], ['a'], { tokenize: 'zh' as 'intl' }))).toMatch(
      /^INVALID_ARGUMENT: bleu.tokenize/,
    );
    expect(code(() => bleu(['a'], ['a'], { smooth: 'floor' } as object))).toMatch(
      /^INVALID_ARGUMENT: .*smooth/,
    );
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bleu, formatBleu } from '../../lib/evaluation/bleu.js';
import { bleuTokenizers, trimEnd } from '../../lib/evaluation/bleu_tokenizer.js';
import { compared, corpora } from '../support/fixtures/sacrebleu_fixtures.js';

type Tokenize = keyof typeof bleuTokenizers;

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

describe('tokenizers against sacreBLEU', () => {
  for (const name of ['13a', 'none', 'intl', 'char'] as const) {
    it(`${name} splits every hard string alike`, () => {
      recorded.tokens.lines.forEach((line, i) => {
        const context = JSON.stringify(line);
        expect({ context, tokens: bleuTokenizers[name](trimEnd(line)) }).toEqual({
          context,
          tokens: recorded.tokens[name][i],
        });
      });
    });
  }
});

it('a word of more signs than a call takes arguments is cut like any other', () => {
  for (const tokenize of Object.values(bleuTokenizers)) {
    expect(tokenize(`${'.'.repeat(3)}a${'.'.repeat(3)}`).join('')).toBe('...a...');
    expect(tokenize('.'.repeat(300_000)).join('').length).toBe(300_000);
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
        expect(formatBleu(result)).toBe(truth.text);
      }
    });
  }

  it('takes one stream of references as it takes an array of one stream', () => {
    const { hypotheses, references } = recorded.corpora[0] as Recorded['corpora'][number];
    const stream = references[0] as string[];
    expect(bleu(hypotheses, stream)).toEqual(bleu(hypotheses, [stream]));
  });

  it.each(corpora.map((each) => [each.name, each] as const))(
    '%s: other smoothings and orders',
    async (_, each) => {
      const rows = await compared('BLEU', each);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        expect(Math.abs(row.ours - row.theirs), row.context).toBeLessThan(1e-9);
        expect(row.signature).toBe(row.theirSignature);
      }
    },
  );

  it('passes every option from bleu on, and gives counts without the smoothing', () => {
    const { hypotheses, references } = recorded.corpora[0] as Recorded['corpora'][number];
    const plain = bleu(hypotheses, references);
    const smoothed = bleu(hypotheses, references, {
      smoothMethod: 'add-k',
      smoothValue: 3,
      maxNgramOrder: 5,
    });
    expect(smoothed.counts.slice(0, 4)).toEqual(plain.counts);
    expect(smoothed.precisions[1]).toBeCloseTo(
      (100 * ((plain.counts[1] as number) + 3)) / ((plain.totals[1] as number) + 3),
      9,
    );
    expect(smoothed.precisions.length).toBe(5);
    expect(bleu(['a b'], ['a b'], { effectiveOrder: true }).score).toBeCloseTo(100, 9);
    expect(bleu(['a b'], ['a b']).score).toBe(0);
  });

  it('leaves out references that are null', () => {
    const score = bleu(
      ['a b c d', 'e f g h'],
      [
        ['a b c d', null],
        ['x', 'e f g h'],
      ],
    );
    expect(score.score).toBeCloseTo(100, 9);
    expect(score.signature).toMatch(/^nrefs:var\|/);
    expect(bleu(['a b c d'], [[null], ['a b c d']]).signature).toMatch(/^nrefs:1\|/);
  });

  it.each(['13a', 'none', 'intl', 'char'] as const)('ends on a long run of spaces: %s', (tokenize) => {
    // Quadratic time would not end within the limit of a test.
    const line = `a${' '.repeat(1_000_000)}b`;
    expect(bleu([line], [line], { tokenize }).systemLength).toBe(2);
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
  it('a sentence that no stream has a reference for', () => {
    expect(
      code(() =>
        bleu(
          ['a', 'b'],
          [
            ['a', null],
            ['x', null],
          ],
        ),
      ),
    ).toMatch(/^INVALID_ARGUMENT: bleu: references\[0..1\]\[1\]: expected a string in one of them, got null/);
    expect(code(() => bleu(['a'], [null] as unknown as string[]))).toMatch(/^INVALID_ARGUMENT: .*got null/);
    expect(code(() => bleu(['a'], [[undefined as unknown as null]]))).toMatch(
      /^INVALID_ARGUMENT: .*string or null, got nothing/,
    );
  });
  it('a smoothing value that would have no effect', () => {
    expect(code(() => bleu(['a'], ['a'], { smoothValue: 1 }))).toMatch(/^INVALID_ARGUMENT: bleu.smoothValue/);
    expect(code(() => bleu(['a'], ['a'], { smoothMethod: 'none', smoothValue: 1 }))).toMatch(/smoothValue/);
  });
  it('unknown tokenizers and options', () => {
    expect(code(() => bleu(['a'], ['a'], { tokenize: 'zh' as 'intl' }))).toMatch(
      /^INVALID_ARGUMENT: bleu.tokenize/,
    );
    expect(code(() => bleu(['a'], ['a'], { smooth: 'floor' } as object))).toMatch(
      /^INVALID_ARGUMENT: .*smooth/,
    );
  });
});

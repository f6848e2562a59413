// Figures of classification, regression and language models, against scikit-learn, scipy and the definitions.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { classificationScores } from '../../lib/evaluation/classification.js';
import { pearson, regressionScores, spearman } from '../../lib/evaluation/correlation.js';
import { languageModelScores } from '../../lib/evaluation/language_model.js';
import type { TaskScore } from '../../lib/evaluation/task_score.js';

interface Recorded {
  classification: {
    name: string;
    classes: number;
    expected: number[];
    predicted: number[];
    accuracy: number;
    macro_f1: number;
    matthews: number;
    f1: number | null;
    per_class: [number, number, number, number][];
    confusion: number[][];
  }[];
  regression: {
    name: string;
    expected: number[];
    predicted: number[];
    pearson: number | null;
    spearman: number | null;
    mse: number | null;
  }[];
}
const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/evaluation/tasks.json', import.meta.url), 'utf8'),
) as Recorded;

const byName = (scores: readonly TaskScore[]) =>
  Object.fromEntries(scores.map(({ name, score }) => [name, score]));

describe('classification against scikit-learn 1.9.1', () => {
  it.each(recorded.classification)('$name', (row) => {
    const labels = Array.from({ length: row.classes }, (_, c) => `class ${c}`);
    const { scores, classes, confusion } = classificationScores(row.predicted, row.expected, labels);
    expect(confusion).toEqual(row.confusion);
    classes.forEach(({ label, precision, recall, f1, examples }, c) => {
      expect(label).toBe(labels[c]);
      const theirs = row.per_class[c]!;
      [precision, recall, f1, examples].forEach((ours, k) => {
        expect(Math.abs(ours - theirs[k]!), `${label} ${k}`).toBeLessThan(1e-14);
      });
    });
    const { accuracy, macro_f1, matthews, f1 } = byName(scores);
    expect(accuracy).toBe(row.accuracy);
    expect(Math.abs(macro_f1! - row.macro_f1)).toBeLessThan(1e-14);
    expect(Math.abs(matthews! - row.matthews)).toBeLessThan(1e-14);
    if (row.f1 === null) expect(f1).toBeUndefined();
    else expect(Math.abs(f1! - row.f1)).toBeLessThan(1e-14);
  });

  it('has signatures, and refuses what is no class', () => {
    const { scores } = classificationScores([0, 1], Int32Array.of(1, 1), ['no', 'yes']);
    expect(scores.map(({ name, signature }) => `${name} ${signature}`)).toEqual([
      'accuracy examples:2|classes:2',
      'macro_f1 examples:2|classes:2|average:macro|labels:occurring|undefined:0',
      'matthews examples:2|classes:2|undefined:0',
      'f1 examples:2|classes:2|positive:yes|undefined:0',
    ]);
    expect(() => classificationScores([0, 2], [0, 1], ['a', 'b'])).toThrow(
      'predicted[1]: expected a class from 0 to 1, got 2',
    );
    expect(() => classificationScores([0], [0.5], ['a', 'b'])).toThrow('expected[0]');
    expect(() => classificationScores([0], [0, 1], ['a', 'b'])).toThrow(
      expect.objectContaining({ code: 'LINE_COUNT_MISMATCH' }),
    );
    expect(() => classificationScores([], [], ['a'])).toThrow('expected at least one item');
  });
});

describe('regression against scipy 1.17.1', () => {
  it.each(recorded.regression)('$name', (row) => {
    const scores = byName(regressionScores(row.predicted, Float64Array.from(row.expected)));
    for (const name of ['pearson', 'spearman'] as const) {
      const theirs = row[name];
      if (theirs === null) expect(scores[name]).toBeNaN();
      else expect(Math.abs(scores[name]! - theirs), name).toBeLessThan(1e-13);
    }
    if (row.mse !== null) expect(Math.abs(scores['mse']! - row.mse)).toBeLessThanOrEqual(1e-14 * row.mse);
  });

  it('refuses what has no correlation', () => {
    expect(() => pearson([1], [1])).toThrow('expected at least two items, got 1');
    expect(() => spearman([1, Number.NaN], [1, 2])).toThrow(expect.objectContaining({ code: 'NON_FINITE' }));
    expect(() => spearman([1, 2], [1])).toThrow(expect.objectContaining({ code: 'LINE_COUNT_MISMATCH' }));
  });
});

describe('a language model', () => {
  it('of a uniform distribution has the perplexity of its classes and the bits of its characters', () => {
    const [tokens, classes] = [7, 32];
    const scores = languageModelScores({ nll: tokens * Math.log(classes), tokens, characters: 14 });
    expect(scores).toEqual([
      { name: 'perplexity', score: expect.closeTo(32, 12), signature: 'tokens:7' },
      { name: 'bits_per_character', score: expect.closeTo(2.5, 12), signature: 'characters:14' },
    ]);
    expect(() => languageModelScores({ nll: 1, tokens: 0, characters: 1 })).toThrow('tokens');
  });
});

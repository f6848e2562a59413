/** How commands say what a validation and a test split gave: BLEU of a translation, the figures of other tasks by their names. */
import type { ValidationMetrics } from '../../training/metrics.js';
import type { RunResult } from '../../training/run_directory.js';

const two = (value: number | null | undefined): string => (value == null ? '-' : value.toFixed(2));

/** The figure that the task is judged by, alone. */
export function validationFigure({ bleu, scores }: ValidationMetrics): string {
  return two(scores === undefined ? bleu : Object.values(scores)[0]);
}

/** 'BLEU 31.20'; of other tasks every figure, 'accuracy 87.20, macro_f1 85.11'. */
export function validationText({ bleu, scores }: ValidationMetrics): string {
  if (scores === undefined) return `BLEU ${two(bleu)}`;
  return Object.entries(scores)
    .map(([name, value]) => `${name} ${two(value)}`)
    .join(', ');
}

/** 'test BLEU 31.20', null without a test split. */
export function testText({ testScore, testBleu }: RunResult): string | null {
  if (testScore) return `test ${testScore.name} ${two(testScore.score)}`;
  return testBleu ? `test BLEU ${two(testBleu.score)}` : null;
}

/** The best validation's figure, alone. */
export const bestFigure = ({ validScore, validBleu }: RunResult): string =>
  two(validScore?.value ?? validBleu);

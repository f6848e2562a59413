/** How commands say what a validation and a test split gave: BLEU of a translation, the figures of other tasks by their names. */
import type { ValidationMetrics } from '../../training/metrics.js';
import type { RunResult } from '../../training/run/run_directory.js';
import { figureText } from './figure_text.js';

/** 'BLEU 31.20'; of other tasks every figure, 'accuracy 0.872, macro_f1 0.8511'; 'BLEU -' where none was measured. */
export function validationText({ bleu, scores }: ValidationMetrics): string {
  if (scores !== undefined)
    return Object.entries(scores)
      .map(([name, value]) => figureText(name, value))
      .join(', ');
  return bleu === null ? 'BLEU -' : figureText('BLEU', bleu);
}

/** The figure that the task is judged by, with its name. */
export function validationFigure({ bleu, scores }: ValidationMetrics): string {
  const [first] = Object.entries(scores ?? {});
  if (first !== undefined) return figureText(...first);
  return bleu === null ? '-' : figureText('BLEU', bleu);
}

/** 'test BLEU 31.20', null without a test split. */
export function testText({ testScore, testBleu }: RunResult): string | null {
  if (testScore) return `test ${figureText(testScore.name, testScore.score)}`;
  return testBleu ? `test ${figureText('BLEU', testBleu.score)}` : null;
}

/** The best validation's figure, with its name. */
export function bestFigure({ validScore, validBleu }: RunResult): string {
  if (validScore) return figureText(validScore.name, validScore.value);
  return validBleu === null ? '-' : figureText('BLEU', validBleu);
}

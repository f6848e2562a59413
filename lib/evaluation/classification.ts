import { RdropError } from '../util/errors.js';
import { checkSameLength, type TaskScore } from './task_score.js';

/** How one class was predicted. */
export interface ClassScore {
  label: string;
  /** Of the examples predicted as this class, the fraction that are; 0 where none was predicted. */
  precision: number;
  /** Of the examples of this class, the fraction predicted as it; 0 where there are none. */
  recall: number;
  /** Harmonic mean of both; 0 where both are 0. */
  f1: number;
  /** Examples of this class. */
  examples: number;
}

export interface ClassificationResult {
  /** accuracy, macro_f1, matthews and, of two classes, f1 of the second one. */
  scores: TaskScore[];
  /** One a class, in the order of `labels`. */
  classes: ClassScore[];
  /** [expected][predicted]: how many examples. */
  confusion: number[][];
}

/**
 * Accuracy, F1 and Matthews's correlation of predicted classes, equal to scikit-learn's accuracy_score, f1_score (its default labels:
 * those that occur, expected or predicted; 0 where a ratio has no denominator) and matthews_corrcoef (0 where one side is constant).
 *
 * @param predicted a class an example, 0 to C-1
 * @param expected likewise
 * @param labels names of the C classes
 * @throws RdropError INVALID_ARGUMENT, LINE_COUNT_MISMATCH
 */
export function classificationScores(
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  labels: readonly string[],
): ClassificationResult {
  checkSameLength(predicted, expected, 'classificationScores');
  const confusion = labels.map(() => labels.map(() => 0));
  for (let i = 0; i < expected.length; i++) {
    for (const [name, list] of [['predicted', predicted] as const, ['expected', expected] as const]) {
      if (Number.isInteger(list[i]) && (list[i] as number) >= 0 && (list[i] as number) < labels.length)
        continue;
      throw new RdropError(
        'INVALID_ARGUMENT',
        `classificationScores: ${name}[${i}]: expected a class from 0 to ${labels.length - 1}, got ${list[i]}`,
      );
    }
    (confusion[expected[i] as number] as number[])[predicted[i] as number]!++;
  }
  const classes = labels.map((label, at) => classScore(label, at, confusion));
  const occurring = classes.filter(({ examples }, at) => examples > 0 || columnSum(confusion, at) > 0);
  const correct = labels.reduce((sum, _, at) => sum + confusion[at]![at]!, 0);
  const described = `examples:${expected.length}|classes:${labels.length}`;
  const scores: TaskScore[] = [
    { name: 'accuracy', score: correct / expected.length, signature: described },
    {
      name: 'macro_f1',
      score: occurring.reduce((sum, { f1 }) => sum + f1, 0) / occurring.length,
      signature: `${described}|average:macro|labels:occurring|undefined:0`,
    },
    { name: 'matthews', score: matthews(confusion), signature: `${described}|undefined:0` },
  ];
  if (labels.length === 2)
    scores.push({
      name: 'f1',
      score: classes[1]!.f1,
      signature: `${described}|positive:${labels[1]}|undefined:0`,
    });
  return { scores, classes, confusion };
}

const rowSum = (confusion: readonly (readonly number[])[], at: number): number =>
  confusion[at]!.reduce((sum, count) => sum + count, 0);
const columnSum = (confusion: readonly (readonly number[])[], at: number): number =>
  confusion.reduce((sum, row) => sum + row[at]!, 0);

function classScore(label: string, at: number, confusion: readonly (readonly number[])[]): ClassScore {
  const hits = confusion[at]![at]!;
  const [examples, predicted] = [rowSum(confusion, at), columnSum(confusion, at)];
  const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return {
    label,
    precision: ratio(hits, predicted),
    recall: ratio(hits, examples),
    f1: ratio(2 * hits, examples + predicted),
    examples,
  };
}

/** @see Gorodkin 2004, equation 8 for any number of classes; sklearn.metrics.matthews_corrcoef */
function matthews(confusion: readonly (readonly number[])[]): number {
  const expected = confusion.map((_, at) => rowSum(confusion, at));
  const predicted = confusion.map((_, at) => columnSum(confusion, at));
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, at) => sum + x * b[at]!, 0);
  const examples = expected.reduce((sum, count) => sum + count, 0);
  const correct = confusion.reduce((sum, row, at) => sum + row[at]!, 0);
  const covariance = correct * examples - dot(expected, predicted);
  const ofExpected = examples * examples - dot(expected, expected);
  const ofPredicted = examples * examples - dot(predicted, predicted);
  if (ofExpected === 0 || ofPredicted === 0) return 0;
  return covariance / Math.sqrt(ofExpected) / Math.sqrt(ofPredicted);
}

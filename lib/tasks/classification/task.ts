/** Classification: a text, or a pair, and its label; accuracy. */
import { join } from 'node:path';
import { readLabels } from '../../data/tasks/task_splits.js';
import { classificationScores } from '../../evaluation/classification.js';
import type { LossOptions } from '../../options/loss.js';
import type { TrainConfig } from '../../options/training.js';
import { RdropError } from '../../util/errors.js';
import { directed, shown } from '../scores.js';
import type { Examples } from '../sequences/examples.js';
import { type Head, sequenceTask } from '../sequences/task.js';
import type { Task } from '../task.js';
import { classLosses, probabilitiesOf } from './class_losses.js';

const name = 'classification';

/** @throws RdropError ONE_CLASS where there is nothing to tell apart, and as readLabels() */
async function labelsOf(directory: string): Promise<string[]> {
  const labels = await readLabels(directory);
  if (labels.length > 1) return labels;
  throw new RdropError(
    'ONE_CLASS',
    `${join(directory, 'labels.txt')}: expected at least two labels, got ${JSON.stringify(labels[0])} alone`,
  );
}

/**
 * The weights of the classes: as they are given, or n / (C · examples of the class), as scikit-learn's `class_weight='balanced'`.
 *
 * @throws RdropError INVALID_CONFIG for another number of weights than classes; ONE_CLASS for balanced weights where a class has no
 *   example
 */
function weightsOf(
  given: TrainConfig['loss']['classWeights'],
  { classes }: Examples,
  labels: readonly string[],
): number[] | undefined {
  if (given === undefined) return undefined;
  if (given !== 'balanced') {
    if (given.length === labels.length) return given;
    throw new RdropError(
      'INVALID_CONFIG',
      `loss.classWeights: expected "balanced" or ${labels.length} numbers, one for each of ${labels.join(', ')}, got ${given.length}`,
    );
  }
  const counts = labels.map(() => 0);
  for (const each of classes) counts[each]!++;
  const none = counts.indexOf(0);
  if (none < 0) return counts.map((count) => classes.length / (labels.length * count));
  throw new RdropError(
    'ONE_CLASS',
    `loss.classWeights: expected examples of every class for "balanced", got none of ${JSON.stringify(labels[none])} in training`,
  );
}

const classes: Head = {
  name,
  lossUnit: Math.LN2,
  directed: true,
  files: ['labels.txt'],
  labels: labelsOf,

  loss(config, train, labels): LossOptions {
    const { classWeights, ...loss } = config.loss;
    const weights = weightsOf(classWeights, train, labels as string[]);
    return { ...loss, ...(weights !== undefined && { classWeights: weights }) };
  },

  judge(outputs, examples, given, loss) {
    const labels = given as readonly string[];
    const width = labels.length;
    const probabilities = probabilitiesOf(outputs, width);
    const predicted = Int32Array.from(examples.classes, (_, at) => largest(outputs, width * at, width));
    const { scores } = classificationScores(predicted, examples.classes, labels);
    return {
      ...classLosses(outputs, examples.classes, width, loss),
      scores: directed(name, scores),
      predicted: (at) => labels[predicted[at]!]!,
      expected: (at) => labels[examples.classes[at]!]!,
      columns: labels.map((label) => `p(${label})`),
      cells: (at) => labels.map((_, k) => shown(probabilities[width * at + k]!)),
    };
  },

  prediction(outputs, given) {
    const labels = given as readonly string[];
    const probabilities = probabilitiesOf(outputs, labels.length);
    return {
      label: labels[largest(outputs, 0, labels.length)]!,
      probabilities: Object.fromEntries(labels.map((label, k) => [label, probabilities[k]!])),
    };
  },
};

/** The place of the largest of so many numbers; of equal ones the first. */
function largest(values: Float64Array, from: number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (values[from + k]! > values[from + best]!) best = k;
  return best;
}

export const classification: Task = sequenceTask(classes);

/** Regression: a text, or a pair, and a number; Pearson's correlation. */
import { regressionScores } from '../../evaluation/correlation.js';
import { directed, lossOf, shown } from '../scores.js';
import { type Head, sequenceTask } from '../sequences/task.js';
import type { Task } from '../task.js';

const name = 'regression';

const value: Head = {
  name,
  // A squared error is no log-probability.
  lossUnit: 1,
  directed: false,
  files: [],
  labels: async () => null,

  loss: lossOf,

  judge(outputs, { values }) {
    const scores = regressionScores(outputs, values);
    const mse = scores.find((each) => each.name === 'mse')!.score;
    return {
      loss: mse,
      nll: mse,
      scores: directed(name, scores),
      predicted: (at) => shown(outputs[at]!),
      expected: (at) => shown(values[at]!),
      columns: [],
      cells: () => [],
    };
  },

  prediction: ([predicted]) => ({ value: predicted as number }),
};

export const regression: Task = sequenceTask(value);

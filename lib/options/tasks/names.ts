/** What there is to train for, and the figures that each task is judged by. */

export const taskNames = ['translation', 'language-model', 'classification', 'regression'] as const;
/**
 * What a network is trained for. `translation`: sentence pairs, an encoder and a decoder. `language-model`: running text, a decoder.
 * `classification`: texts or pairs of texts with a label, an encoder. `regression`: the same with a number.
 */
export type TaskName = (typeof taskNames)[number];

/** A figure that a validation has. */
export interface TaskMetric {
  name: string;
  /** Whether the largest or the smallest is the best. */
  mode: 'max' | 'min';
}

const loss: TaskMetric = { name: 'loss', mode: 'min' };

/** What `validation.metric` may name, by task; the first is what picks the best checkpoint unless something else is asked for. */
export const taskMetrics = {
  translation: [{ name: 'bleu', mode: 'max' }, loss],
  'language-model': [{ name: 'perplexity', mode: 'min' }, { name: 'bits_per_character', mode: 'min' }, loss],
  classification: [
    { name: 'accuracy', mode: 'max' },
    { name: 'macro_f1', mode: 'max' },
    { name: 'matthews', mode: 'max' },
    { name: 'f1', mode: 'max' },
    loss,
  ],
  regression: [
    { name: 'pearson', mode: 'max' },
    { name: 'spearman', mode: 'max' },
    { name: 'mse', mode: 'min' },
    loss,
  ],
} as const satisfies Record<TaskName, readonly TaskMetric[]>;

/** The name of a metric of some task. */
export type TaskMetricName = (typeof taskMetrics)[TaskName][number]['name'];

/** Each name once. */
export const taskMetricNames: readonly TaskMetricName[] = [
  ...new Set(taskNames.flatMap((task) => taskMetrics[task].map(({ name }) => name))),
];

/** Them as errors name them: 'bleu' or 'loss'. */
export const metricsText = (task: TaskName): string =>
  taskMetrics[task].map(({ name }) => `'${name}'`).join(' or ');

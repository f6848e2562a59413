import type { TaskScore as Figure } from '../evaluation/task_score.js';
import type { LossOptions } from '../options/loss.js';
import { type TaskName, taskMetrics } from '../options/tasks/names.js';
import type { TrainConfig } from '../options/training.js';
import type { TaskScore } from './task.js';

/** The loss of a task without classes: weights of theirs are refused. */
export const lossOf = ({ loss: { classWeights: _, ...loss } }: Pick<TrainConfig, 'loss'>): LossOptions =>
  loss;

/** Figures of a task with what is better of each. */
export const directed = (task: TaskName, figures: readonly Figure[]): TaskScore[] =>
  figures.map((figure) => {
    const metric = taskMetrics[task].find(({ name }) => name === figure.name);
    return { ...figure, higherIsBetter: metric?.mode === 'max' };
  });

/** By name, as a line of metrics has them. What is not defined, such as a correlation of constant predictions, is left out. */
export const byName = (figures: readonly Figure[]): Record<string, number> =>
  Object.fromEntries(figures.flatMap(({ name, score }) => (Number.isFinite(score) ? [[name, score]] : [])));

/** A few places of so many, evenly spaced. */
export function spaced(total: number, most = 8): number[] {
  const count = Math.min(most, total);
  return Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * total) / count));
}

/** A number as a table of predictions has it. */
export const shown = (value: number): string => String(Number(value.toPrecision(8)));

/** A text in a cell of such a table. */
export const cell = (text: string): string => text.replace(/[\t\r\n]/g, ' ');

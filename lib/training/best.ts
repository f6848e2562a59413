/** Which validation picks the best checkpoint, and what it changes in the state of the run. */
import type { TrainConfig } from '../options/training.js';
import type { Task } from '../tasks/task.js';
import type { TrainingState } from './checkpoint.js';
import type { ValidationMetrics } from './metrics.js';
import { hookMetric } from './validation_hook.js';

/** What picks the best checkpoint of a run. */
export interface ChosenMetric {
  name: string;
  mode: 'max' | 'min';
  /** Given by the hook `validate`. */
  ofHook: boolean;
  /** Whether of equal ones the later is the best. */
  laterWins: boolean;
}

export function chosenMetric(config: TrainConfig, task: Task): ChosenMetric {
  const laterWins = task.laterWins(config);
  const ofHook = hookMetric(config);
  if (ofHook !== null) return { ...ofHook, ofHook: true, laterWins };
  const { metric: name } = config.validation;
  const { mode } = task.metrics.find((each) => each.name === name)!;
  return { name: name as string, mode, ofHook: false, laterWins };
}

type Best = NonNullable<TrainingState['best']>;

/** Undefined where a figure is not defined, as a correlation of constant predictions. */
function measured(line: ValidationMetrics, { name, ofHook }: ChosenMetric): number | undefined {
  if (ofHook) return line.metrics?.[name];
  return line.scores?.[name] ?? ownValue(line, name);
}

/** Loss and BLEU stand under their own names. */
const ownValue = (of: { loss: number; bleu: number | null }, name: string): number | undefined =>
  (name === 'loss' ? of.loss : name === 'bleu' ? of.bleu : undefined) ?? undefined;

/** The value that a checkpoint was the best by. */
export const bestValue = (best: Best, { name, ofHook }: ChosenMetric): number | undefined =>
  best.metric ?? (ofHook ? undefined : ownValue(best, name));

/** Whether a validation is better than the best so far. What has no value is worse than what has one. */
function isBetter(value: number | undefined, best: number | undefined, chosen: ChosenMetric): boolean {
  if (value === undefined) return false;
  if (best === undefined) return true;
  if (value === best) return chosen.laterWins;
  return chosen.mode === 'max' ? value > best : value < best;
}

/** What a validation changes in the state, once the checkpoint that follows it stands; and whether it is the best so far. */
export function afterValidation(
  line: ValidationMetrics,
  state: TrainingState,
  chosen: ChosenMetric,
): { best: boolean; found: Pick<TrainingState, 'lastValidated' | 'sinceBest' | 'best'> } {
  const { update, loss, bleu } = line;
  const value = measured(line, chosen);
  const best = state.best === null || isBetter(value, bestValue(state.best, chosen), chosen);
  const metric = chosen.ofHook || ownValue(line, chosen.name) === undefined ? value : undefined;
  return {
    best,
    found: {
      lastValidated: update,
      sinceBest: best ? 0 : state.sinceBest + 1,
      best: best ? { update, loss, bleu, ...(metric !== undefined && { metric }) } : state.best,
    },
  };
}

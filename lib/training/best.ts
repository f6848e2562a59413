/** Which validation picks the best checkpoint, and what it changes in the state of the run. */
import type { TrainConfig } from '../options/training.js';
import type { TrainingState } from './checkpoint.js';
import type { ValidationMetrics } from './metrics.js';
import { chosenMetric } from './validation_hook.js';

type Validated = { loss: number; bleu: number | null };

/**
 * Whether a validation is better than the best so far: a higher BLEU, or a lower loss, or by the metric of the hook that
 * `validation.metric` names. Of equal ones the earlier stays the best, but for fairseq's BLEU.
 */
function isBetter(
  found: Validated & { metrics?: Record<string, number> },
  best: Validated & { metric?: number | undefined },
  { metric, bleu: mode }: TrainConfig['validation'],
): boolean {
  if (typeof metric !== 'string') {
    const value = found.metrics?.[metric.name] as number;
    if (best.metric === undefined) return true;
    return metric.mode === 'max' ? value > best.metric : value < best.metric;
  }
  if (found.bleu === null) return found.loss < best.loss;
  if (found.bleu > (best.bleu ?? Number.NEGATIVE_INFINITY)) return true;
  // Of equal ones fairseq keeps the later (checkpoint_utils.py, is_better).
  return mode === 'fairseq' && found.bleu === best.bleu;
}

/** What a validation changes in the state, once the checkpoint that follows it stands; and whether it is the best so far. */
export function afterValidation(
  line: ValidationMetrics,
  state: TrainingState,
  config: TrainConfig,
): { best: boolean; found: Pick<TrainingState, 'lastValidated' | 'sinceBest' | 'best'> } {
  const { update, loss, bleu } = line;
  const best = state.best === null || isBetter(line, state.best, config.validation);
  const chosen = chosenMetric(config);
  const metric = chosen === null ? undefined : line.metrics?.[chosen.name];
  return {
    best,
    found: {
      lastValidated: update,
      sinceBest: best ? 0 : state.sinceBest + 1,
      best: best ? { update, loss, bleu, ...(metric !== undefined && { metric }) } : state.best,
    },
  };
}

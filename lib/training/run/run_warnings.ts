import type { TrainConfig } from '../../options/training.js';
import type { TaskData } from '../../tasks/task.js';
import type { RdropWarning } from '../../util/warnings.js';

/** The warnings of a run before its first update: it trains, but perhaps not what was meant. */
export function runWarnings(
  { loss }: Pick<TrainConfig, 'loss'>,
  { warnings: ofData, network }: Pick<TaskData, 'warnings' | 'network'>,
): RdropWarning[] {
  const warnings: RdropWarning[] = [...ofData];
  const rates = ['dropout', 'attentionDropout', 'activationDropout'] as const;
  const ofHead = network.architecture === 'encoder' ? (['headDropout', 'headInputDropout'] as const) : [];
  const names = [...rates, ...ofHead];
  if (loss.alpha === 0 || names.some((name) => network[name] !== 0)) return warnings;
  const listed = names.map((name) => `model.${name}`);
  warnings.push({
    code: 'NO_DROPOUT',
    message:
      `loss.alpha is ${loss.alpha}, but ${listed.slice(0, -1).join(', ')} and ${listed.at(-1)} are all 0: both passes ` +
      'are the same, the KL term is 0 throughout, and this trains without R-Drop',
  });
  return warnings;
}

import type { TrainConfig } from '../config.js';
import { unfitTokenizer } from '../evaluation/unfit_tokenizer.js';
import type { RdropWarning } from '../util/warnings.js';
import type { RunData } from './run_data.js';

/** What a run is told before its first update: it trains, but perhaps not what was meant. */
export function runWarnings(
  { model, loss, validation }: Pick<TrainConfig, 'model' | 'loss' | 'validation'>,
  { valid, test }: Pick<RunData, 'valid' | 'test'>,
): RdropWarning[] {
  const warnings: RdropWarning[] = [];
  const { dropout, attentionDropout, activationDropout } = model;
  if (loss.alpha > 0 && dropout === 0 && attentionDropout === 0 && activationDropout === 0) {
    warnings.push({
      code: 'NO_DROPOUT',
      message:
        `loss.alpha is ${loss.alpha}, but model.dropout, model.attentionDropout and model.activationDropout are all 0: both passes ` +
        'are the same, the KL term is 0 throughout, and this trains without R-Drop',
    });
  }
  // What the test split is judged by, and validation where BLEU picks the checkpoint.
  const judged = test ?? (validation.metric === 'bleu' ? valid : null);
  const unfit =
    judged === null
      ? null
      : unfitTokenizer(judged.references, {
          tokenize: '13a',
          instead:
            'report "BLEU char", which stands in result.json as well (rdrop report --metric "BLEU char", rdrop score --tokenize char), ' +
            'and consider validation.metric "loss" to pick the best checkpoint',
        });
  if (unfit !== null) warnings.push(unfit);
  return warnings;
}

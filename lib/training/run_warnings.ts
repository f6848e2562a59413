import { unfitTokenizer } from '../evaluation/unfit_tokenizer.js';
import type { TrainConfig } from '../options/training.js';
import { piecesWarning } from '../text/pieces/find_pieces.js';
import type { RdropWarning } from '../util/warnings.js';
import type { RunData } from './run_data.js';

/** The warnings of a run before its first update: it trains, but perhaps not what was meant. */
export function runWarnings(
  { model, loss, validation }: Pick<TrainConfig, 'model' | 'loss' | 'validation'>,
  { pipeline, valid, test, warnings: lengths }: Pick<RunData, 'pipeline' | 'valid' | 'test' | 'warnings'>,
): RdropWarning[] {
  const warnings: RdropWarning[] = [...lengths];
  const { dropout, attentionDropout, activationDropout } = model;
  if (loss.alpha > 0 && dropout === 0 && attentionDropout === 0 && activationDropout === 0) {
    warnings.push({
      code: 'NO_DROPOUT',
      message:
        `loss.alpha is ${loss.alpha}, but model.dropout, model.attentionDropout and model.activationDropout are all 0: both passes ` +
        'are the same, the KL term is 0 throughout, and this trains without R-Drop',
    });
  }
  const { bpe, config } = pipeline;
  if (bpe === null && config.pieces === undefined) {
    const consequence =
      'BLEU counts them as words, since the data were prepared before anyone asked; prepare them again, which joins them';
    const cut = piecesWarning(valid.references, 'references of validation', consequence);
    if (cut !== null) warnings.push(cut);
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

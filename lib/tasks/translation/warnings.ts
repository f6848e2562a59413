import { unfitTokenizer } from '../../evaluation/unfit_tokenizer.js';
import type { TrainConfig } from '../../options/training.js';
import { piecesWarning } from '../../text/pieces/find_pieces.js';
import type { RdropWarning } from '../../util/warnings.js';
import type { RunData } from './run_data.js';

/** What the text of a run says against its BLEU. */
export function textWarnings(
  { validation }: Pick<TrainConfig, 'validation'>,
  { pipeline, valid, test }: Pick<RunData, 'pipeline' | 'valid' | 'test'>,
): RdropWarning[] {
  const warnings: RdropWarning[] = [];
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

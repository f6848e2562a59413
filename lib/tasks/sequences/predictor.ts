import { cutSequence } from '../../data/long_sequences.js';
import { type OverlongCount, overlongWarning, tooLong } from '../../data/overlong.js';
import type { TrainConfig } from '../../options/training.js';
import type { EncodedText, TaskText } from '../../text/tasks/task_text.js';
import { YieldTimer } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { warn } from '../../util/warnings.js';
import type { PredictedText, Predicting, Prediction } from '../task.js';
import { sequenceOutputs } from './outputs.js';

/** Predicts raw texts; null for one that `skip` leaves out. */
export function predictor(
  text: TaskText,
  { model: { maxPositions, tokenTypes }, batches }: TrainConfig,
  predictionOf: (outputs: Float64Array) => Prediction,
): Predicting {
  return async (model, texts, { name, line, overlong: policy, signal, onProgress }) => {
    const breaks = new YieldTimer('encoding', signal);
    const encoded: (EncodedText | null)[] = [];
    let long: OverlongCount | null = null;
    for (const [i, each] of texts.entries()) {
      const place = `${name}:${line + i}`;
      const found = encodedText(text, each, place);
      if (breaks.due()) await breaks.take();
      const { length } = found.tokens;
      if (length <= maxPositions) {
        encoded.push(found);
        continue;
      }
      const limit = { most: maxPositions, option: 'model.maxPositions' };
      if (policy === 'refuse')
        throw tooLong(place, limit, length, 'overlong "truncate" or "skip" (--overlong)');
      long = long ?? { policy, count: 0, first: place, tokens: length };
      long.count++;
      const cut = (tokens: Int32Array) => cutSequence(tokens, maxPositions);
      encoded.push(policy === 'skip' ? null : { tokens: cut(found.tokens), types: cut(found.types) });
    }
    if (long !== null) warn(overlongWarning(long, texts.length, maxPositions));
    const read = encoded.filter((each) => each !== null);
    const outputs = await sequenceOutputs(
      model,
      {
        sequences: read.map(({ tokens }) => tokens),
        types: tokenTypes > 1 ? read.map(({ types }) => types) : null,
      },
      { maxTokens: batches.maxTokens, signal, onProgress },
    );
    const width = outputs.length / read.length;
    let at = 0;
    return encoded.map((each) => {
      if (each === null) return null;
      const own = outputs.subarray(width * at, width * (at + 1));
      at++;
      return predictionOf(own);
    });
  };
}

function encodedText(text: TaskText, given: PredictedText, place: string): EncodedText {
  const parts = typeof given === 'string' ? [given] : given;
  const wanted = text.config.pairs === true ? 2 : 1;
  if (parts.length !== wanted) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${place}: expected ${wanted === 2 ? 'two texts, as the run was trained on pairs' : 'one text'}, got ${parts.length}`,
    );
  }
  const empty = parts.findIndex((part) => part.trim() === '');
  if (empty >= 0)
    throw new RdropError(
      'INVALID_ARGUMENT',
      `${place}: expected a text, got ${wanted === 2 ? `an empty ${empty === 0 ? 'first' : 'second'} one` : 'an empty line'}`,
    );
  return text.encode(parts[0] as string, parts[1]);
}

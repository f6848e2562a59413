import { RdropError } from '../util/errors.js';
import type { TaskScore } from './task_score.js';

/** What a language model makes of a text. */
export interface LanguageModelSums {
  /** Sum over the predicted tokens of -log P, natural logarithm. */
  nll: number;
  /** Predicted tokens, eos included where lines end in one. */
  tokens: number;
  /** Characters (code points) of the raw text, line ends included. */
  characters: number;
}

/**
 * perplexity, e^(nll / tokens), and bits_per_character, nll / (characters · ln 2). Perplexities are comparable between models of the
 * same pieces alone, bits per character between all models of the same text.
 *
 * @throws RdropError INVALID_ARGUMENT
 */
export function languageModelScores({ nll, tokens, characters }: LanguageModelSums): TaskScore[] {
  for (const [name, value] of Object.entries({ tokens, characters })) {
    if (Number.isFinite(value) && value > 0) continue;
    throw new RdropError(
      'INVALID_ARGUMENT',
      `languageModelScores.${name}: expected a number above 0, got ${value}`,
    );
  }
  return [
    { name: 'perplexity', score: Math.exp(nll / tokens), signature: `tokens:${tokens}` },
    {
      name: 'bits_per_character',
      score: nll / (characters * Math.LN2),
      signature: `characters:${characters}`,
    },
  ];
}

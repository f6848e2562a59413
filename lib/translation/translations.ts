/** A hypothesis as text. */
export interface TextHypothesis {
  text: string;
  /** Token ids; the last is eos. Empty for an empty line. */
  tokens: Int32Array;
  /** Log-probability divided by length ** lengthPenalty. */
  score: number;
  /** One per token. */
  logProbabilities: Float32Array;
}

/** The best hypothesis of a line. */
export interface Translation extends TextHypothesis {
  /** Where the line was too long: of its first tokens alone, or empty. */
  overlong?: 'truncated' | 'skipped';
}

/** A line whose `nBest` best hypotheses were asked for; all of them, the best first, which also stands in front. */
export interface NBestTranslation extends Translation {
  hypotheses: TextHypothesis[];
}

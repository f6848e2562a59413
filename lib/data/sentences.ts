/** Sentences by their number: an array of them, or a SentenceStore. */
export interface Sentences {
  readonly length: number;
  at(index: number): Int32Array | undefined;
}

/** Tokens of each. */
export const lengthsOf = (sentences: Sentences): Int32Array =>
  Int32Array.from({ length: sentences.length }, (_, i) => sentences.at(i)!.length);

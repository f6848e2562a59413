/** Part of a prepared directory. */
export type Split = 'train' | 'valid' | 'test';

/** Both sides of a parallel corpus: pair i is source[i] and target[i]. */
export interface Pairs<T> {
  /** One item a sentence. */
  source: T[];
  /** Their translations, item for item. */
  target: T[];
}

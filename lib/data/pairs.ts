/** Part of a prepared directory. */
export type Split = 'train' | 'valid' | 'test';

/** Both sides of a parallel corpus: pair i is source[i] and target[i]. */
export interface Pairs<T> {
  source: T[];
  target: T[];
}

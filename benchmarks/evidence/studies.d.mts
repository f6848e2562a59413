/** The plan of one study. */
export interface Study {
  metric: string;
  conditions: string[];
  seeds: number[];
  tuningSeeds: number[];
  tuningUpdates?: number;
  /** Of a corpus only the first so many pairs, and the number of merges learned from them. */
  pairs?: number;
  merges?: number;
  /** Options of training that all runs share. */
  train: Record<string, unknown>;
  /** Of each condition the options that are tuned, with the values of each. */
  settings: Record<string, Record<string, unknown[]>>;
}
export const studies: Record<'demo' | 'trec' | 'shakespeare' | 'multi30k', Study>;

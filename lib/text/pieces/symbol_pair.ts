/** Ids of symbols stay below this, so that a pair of them is one exact number. */
const pairBase = 2 ** 26;

export const pairOf = (first: number, second: number): number => first * pairBase + second;

export const symbolsOf = (pair: number): [first: number, second: number] => [
  Math.floor(pair / pairBase),
  pair % pairBase,
];

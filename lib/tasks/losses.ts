import type { NativeLoss } from '../native/contract.js';

/** Losses per target position. */
export interface TokenLosses {
  loss: number;
  nll: number;
  kl: number;
  crossEntropy: number;
}

/** @param unit that each is divided by besides: ln 2, so that they are in bits, as fairseq prints them; 1 where they are none */
export function perToken(
  { loss, nll, kl, crossEntropy, tokens }: NativeLoss,
  unit: number = Math.LN2,
): TokenLosses {
  const by = tokens * unit;
  return { loss: loss / by, nll: nll / by, kl: kl / by, crossEntropy: crossEntropy / by };
}

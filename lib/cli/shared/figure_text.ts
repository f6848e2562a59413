/** A figure as people read it: BLEU with two decimals, the others with as many digits as say something. */
export const figureText = (name: string, value: number): string =>
  /^bleu$/i.test(name) ? `BLEU ${value.toFixed(2)}` : `${name} ${Number(value.toPrecision(5))}`;

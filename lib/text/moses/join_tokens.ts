/** What detokenizer.perl and its port in sacremoses have in common: how tokens become text, one after another. */

const closing = /^[,.?!:;\\%}\])]+$/;
const quotation = /^['"„“`]+$/;
const doubleQuotation = /^[„“”]+$/;

/** Where the two differ. */
export interface JoiningRules {
  english: boolean;
  /** Tokens that belong to the one after them. */
  opening: RegExp;
  /** Chinese, Japanese or Korean, which have no spaces between words. */
  isCjk: (character: string) => boolean;
  /** Whether an English token is the end of the word before it, as `'s`. */
  contracts: (token: string, previous: string, index: number) => boolean;
}

/** Joins tokens whose entities are resolved. Spaces at the ends, and several beside each other, are left to the caller. */
export function joinTokens(tokens: readonly string[], rules: JoiningRules): string {
  const { english, opening, contracts } = rules;
  const isCjk = (character = '') => character >= '\u1100' && rules.isCjk(character);
  const quotes = new Map<string, number>();
  let text = '';
  let space = ' ';
  const toTheLeft = (token: string) => {
    text += token;
    space = ' ';
  };
  const toTheRight = (token: string) => {
    text += space + token;
    space = '';
  };
  for (const [i, token] of tokens.entries()) {
    const previous = tokens[i - 1] ?? '';
    if (token >= '\u1100' && isCjk([...token][0])) {
      if (!isCjk([...previous].at(-1))) text += space;
      toTheLeft(token);
    } else if (opening.test(token)) {
      toTheRight(token);
    } else if (closing.test(token) || (english && contracts(token, previous, i))) {
      toTheLeft(token);
    } else if (quotation.test(token)) {
      const kind = doubleQuotation.test(token) ? '"' : token;
      const count = quotes.get(kind) ?? 0;
      if (count % 2 === 0 && english && token === "'" && previous.endsWith('s')) {
        // The apostrophe of "the Jones' house" opens no quotation.
        toTheLeft(token);
      } else {
        quotes.set(kind, count + 1);
        if (count % 2 === 0) toTheRight(token);
        else toTheLeft(token);
      }
    } else {
      text += space;
      toTheLeft(token);
    }
  }
  return text;
}

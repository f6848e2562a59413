/**
 * Splits compounds at hyphens, as the tables of WMT'14 and dropreg/R-Drop do before they score tokenized text: `a-b`
 * becomes `a ##AT##-##AT## b`.
 *
 * Equal to `s{(\S)-(\S)}{$1 ##AT##-##AT## $2}g` of perl on UTF-8 read as bytes (scripts/compound_split_bleu.sh): \S is
 * every byte but the six white space characters of ASCII, so U+00A0 or U+3000 are no space here. Matches do not overlap,
 * so `a-b-c` keeps its second hyphen; but of a character of several bytes only the first belongs to the match, so
 * `a-é-c` is split twice.
 */
export function splitCompounds(line: string): string {
  return line.replace(hyphen, '$1 ##AT##-##AT## $2');
}

const space = ' \\t-\\r';
const hyphen = new RegExp(`([^${space}])-(?:([^${space}\\x80-\\uffff])|(?=[\\x80-\\uffff]))`, 'g');

/**
 * Lower case as Perl's lc gives it (Moses's lowercase.perl): Unicode's full mapping, but each character by itself,
 * so that a capital sigma at the end of a word becomes σ and not ς.
 */
export function lowercase(line: string): string {
  return line.replaceAll('Σ', 'σ').toLowerCase();
}

const isOuter = (code: number) => code === 32 || code === 10 || code === 13;

/** Where a line begins and ends without the spaces, CR and LF around it, which subword-nmt strips; begin = end if none is left. */
export function innerRange(line: string): [begin: number, end: number] {
  let begin = 0;
  let end = line.length;
  while (begin < end && isOuter(line.charCodeAt(begin))) begin++;
  while (end > begin && isOuter(line.charCodeAt(end - 1))) end--;
  return [begin, end];
}

/** A line without the spaces, CR and LF around it. (A regular expression takes quadratic time on inner runs of spaces.) */
export function trimLine(line: string): string {
  return line.slice(...innerRange(line));
}

/**
 * The lines of a text that is in memory, as LineSplitter finds them in a file: without a byte-order mark at the beginning and without
 * the CR of CR LF; what ends in LF has no empty line behind it.
 */
export function textLines(text: string): string[] {
  const lines = (text.startsWith('\ufeff') ? text.slice(1) : text).split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

/** Changes of single letters (one left out, added, replaced, or two exchanged) that make one word of another. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let k = 1; k <= b.length; k++) {
      const same = a[i - 1] === b[k - 1] ? 0 : 1;
      let least = Math.min(
        (above[k] as number) + 1,
        (row[k - 1] as number) + 1,
        (above[k - 1] as number) + same,
      );
      if (i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1])
        least = Math.min(least, (before[k - 2] as number) + 1);
      row.push(least);
    }
    before = above;
    above = row;
  }
  return above[b.length] as number;
}

const plain = (word: string): string => word.toLowerCase().replace(/[-_]/g, '');

/** The word that was probably meant, or null: at most two fifths of its letters differ; case, - and _ count for nothing. */
export function mostSimilar(word: string, words: readonly string[]): string | null {
  const wanted = plain(word.slice(0, 100));
  let best: { word: string; distance: number } | null = null;
  for (const each of words) {
    const found = distance(wanted, plain(each));
    if (
      found <= Math.max(1, Math.floor(0.4 * each.length)) &&
      found < each.length &&
      (best === null || found < best.distance)
    )
      best = { word: each, distance: found };
  }
  return best?.word ?? null;
}

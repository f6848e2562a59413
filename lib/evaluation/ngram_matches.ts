/**
 * Adds to `counts[n - 1]` the n-grams (n = 1..counts.length) of `system` that are matched: as often as the alternative
 * with most of an n-gram has it, since each match uses one up.
 *
 * N-grams are the nodes of a tree whose edges are numbered symbols; `children` maps (parent, symbol) to a node, 0 is the
 * root. Small whole numbers make far cheaper keys than joined strings, and the system's text leaves the tree at its
 * first symbol that no alternative continues with.
 */
export function addNgramMatches<T>(
  system: readonly T[],
  alternatives: readonly (readonly T[])[],
  counts: number[],
): void {
  const maxOrder = counts.length;
  const symbolIds = new Map<T, number>();
  for (const symbols of alternatives) {
    for (const symbol of symbols) if (!symbolIds.has(symbol)) symbolIds.set(symbol, symbolIds.size);
  }
  const children = new Map<number, number>();
  const available = [0];
  for (const symbols of alternatives) {
    const ids = symbols.map((symbol) => symbolIds.get(symbol) as number);
    const own = new Array<number>(available.length).fill(0);
    for (let start = 0; start < ids.length; start++) {
      let node = 0;
      for (let at = start; at < ids.length && at < start + maxOrder; at++) {
        const key = node * symbolIds.size + (ids[at] as number);
        node = children.get(key) ?? own.length;
        if (node === own.length) {
          children.set(key, node);
          own.push(1);
        } else own[node] = (own[node] as number) + 1;
      }
    }
    own.forEach((count, node) => {
      available[node] = Math.max(available[node] ?? 0, count);
    });
  }

  const ids = system.map((symbol) => symbolIds.get(symbol));
  for (let start = 0; start < ids.length; start++) {
    let node: number | undefined = 0;
    for (let order = 0; order < maxOrder; order++) {
      const id = ids[start + order];
      if (id === undefined) break;
      node = children.get(node * symbolIds.size + id);
      if (node === undefined) break;
      const left = available[node] as number;
      if (left === 0) continue;
      available[node] = left - 1;
      counts[order] = (counts[order] as number) + 1;
    }
  }
}

/** N-grams of order n in a sequence of that length. */
export const ngramTotal = (length: number, n: number): number => Math.max(0, length - n + 1);

/** The occurrence of a part, from `start` to before `end`. */
interface Occurrence {
  start: number;
  end: number;
}

/**
 * Replaces parts of a text, all occurrences of the first part, then of what is left all of the second, and so on; what was
 * put in is not searched. The time grows with the text and the parts, not with their product (Aho, Corasick 1975).
 *
 * @param parts all different, none empty.
 * @param substitute what stands for part i.
 */
export function replaceInOrder(
  text: string,
  parts: readonly string[],
  substitute: (part: number) => string,
): string {
  const found = findAll(text, parts);
  const taken = new Uint8Array(text.length);
  const replaced: (Occurrence & { part: number })[] = [];
  found.forEach((occurrences, part) => {
    for (const { start, end } of occurrences) {
      // What was taken before lies nowhere inside: see findAll().
      if (taken[start] === 1 || taken[end - 1] === 1) continue;
      taken.fill(1, start, end);
      replaced.push({ start, end, part });
    }
  });
  replaced.sort((a, b) => a.start - b.start);
  let result = '';
  let at = 0;
  for (const { start, end, part } of replaced) {
    result += text.slice(at, start) + substitute(part);
    at = end;
  }
  return result + text.slice(at);
}

/**
 * Every occurrence of each part, from left to right; those of one part may overlap. A part that holds an earlier one has
 * none: the earlier one has been replaced by then.
 */
function findAll(text: string, parts: readonly string[]): Occurrence[][] {
  const next = new Map<number, number>();
  const failure = [0];
  /** The part that ends at a node, and the nearest node on its way of failures where one ends; -1 for none. */
  const ending = [-1];
  const shorter = [-1];
  const depth = [0];
  const parents: [parent: number, unit: number][] = [[0, 0]];
  const step = (node: number, unit: number) => next.get(node * 65536 + unit);
  parts.forEach((part, index) => {
    let node = 0;
    for (let i = 0; i < part.length; i++) {
      const unit = part.charCodeAt(i);
      let child = step(node, unit);
      if (child === undefined) {
        child = failure.push(0) - 1;
        ending.push(-1);
        shorter.push(-1);
        depth.push(depth[node]! + 1);
        parents.push([node, unit]);
        next.set(node * 65536 + unit, child);
      }
      node = child;
    }
    ending[node] = index;
  });
  const follow = (from: number, unit: number): number => {
    for (let node = from; ; node = failure[node]!) {
      const child = step(node, unit);
      if (child !== undefined) return child;
      if (node === 0) return 0;
    }
  };
  const byDepth = Array.from(failure.keys()).sort((a, b) => depth[a]! - depth[b]!);
  for (const node of byDepth) {
    if (depth[node]! < 2) continue;
    const [parent, unit] = parents[node]!;
    const back = follow(failure[parent]!, unit);
    failure[node] = back;
    shorter[node] = ending[back]! >= 0 ? back : shorter[back]!;
  }
  const earliest: number[] = [];
  for (const node of byDepth) {
    const own = ending[node]! >= 0 ? ending[node]! : parts.length;
    earliest[node] = shorter[node]! >= 0 ? Math.min(own, earliest[shorter[node]!]!) : own;
  }
  const holdsEarlier = parts.map((part, index) => {
    let node = 0;
    for (let i = 0; i < part.length; i++) {
      node = follow(node, part.charCodeAt(i));
      if (earliest[node]! < index) return true;
    }
    return false;
  });
  const found = parts.map((): Occurrence[] => []);
  let node = 0;
  for (let at = 0; at < text.length; at++) {
    node = follow(node, text.charCodeAt(at));
    for (let end = ending[node]! >= 0 ? node : shorter[node]!; end >= 0; end = shorter[end]!) {
      const part = ending[end]!;
      if (!holdsEarlier[part]) found[part]!.push({ start: at + 1 - depth[end]!, end: at + 1 });
    }
  }
  return found;
}

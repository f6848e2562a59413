import { expect } from 'vitest';

/** What a browser would load or run: nothing may be there. */
export function expectSelfContained(html: string): void {
  const found = [
    /https?:.*/i,
    /<[^>]*\s(src|srcset|href|xlink:href|action|data)\s*=.*/i,
    /<(script|link|img|iframe|object|embed|base|form)\b.*/i,
    /(@import|url\((?!#)).*/i,
  ].flatMap((pattern) => pattern.exec(html)?.[0].slice(0, 80) ?? []);
  expect(found).toEqual([]);
}

/** Every element that is opened is closed, in order (void elements of the head aside). */
export function expectWellFormed(html: string): void {
  const open: string[] = [];
  for (const [, end, name, attributes] of html.matchAll(/<(\/?)([a-zA-Z][\w]*)((?:\s+[^<>]*)?)>/g)) {
    if (name === 'meta' || attributes?.endsWith('/')) continue;
    if (end) expect(open.pop()).toBe(name);
    else open.push(name as string);
  }
  expect(open).toEqual([]);
}

/** The cells of a table's body, found by its caption. */
export const rowsOf = (html: string, caption: string) => {
  const from = html.indexOf(`<caption>${caption}</caption>`);
  expect(from).toBeGreaterThan(0);
  const body = html.slice(html.indexOf('<tbody>', from), html.indexOf('</tbody>', from));
  return [...body.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...(row as string).matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) => cell),
  );
};

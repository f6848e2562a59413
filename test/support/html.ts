import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

const bundle = readFileSync(new URL('../../dist/report/echarts.js', import.meta.url), 'utf8');
const script = /<script type="module">(.*?)<\/script>/s;
const chartData = /<script type="application\/json" id="charts">(.*?)<\/script>/s;

/** The page without its one script and the charts' data. */
const withoutScripts = (html: string) => html.replace(script, '').replace(chartData, '');

/** What a browser would load or run: nothing may be there but the one script, which the policy names, and links to files beside. */
export function expectSelfContained(html: string): void {
  expect(script.exec(html)?.[1]).toBe(bundle);
  const hash = createHash('sha256').update(bundle).digest('base64');
  expect(html).toContain(`"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; `);
  chartsOf(html);
  const rest = withoutScripts(html).replaceAll(/<a href="\.{1,2}\/[^":]*">/g, '<a>');
  const found = [
    /https?:.*/i,
    /<[^>]*\s(src|srcset|href|xlink:href|action|data|on\w+)\s*=.*/i,
    /<(script|link|img|iframe|object|embed|base|form)\b.*/i,
    /(@import|url\((?!#)).*/i,
  ].flatMap((pattern) => pattern.exec(rest)?.[0].slice(0, 80) ?? []);
  expect(found).toEqual([]);
}

/** Every element that is opened is closed, in order (void elements of the head aside). */
export function expectWellFormed(html: string): void {
  const open: string[] = [];
  for (const [, end, name, attributes] of withoutScripts(html).matchAll(
    /<(\/?)([a-zA-Z][\w]*)((?:\s+[^<>]*)?)>/g,
  )) {
    if (name === 'meta' || attributes?.endsWith('/')) continue;
    if (end) expect(open.pop()).toBe(name);
    else open.push(name as string);
  }
  expect(open).toEqual([]);
}

/** The charts of a page, each drawn for the page's width and for a telephone, with the data of the live one. */
export function chartsOf(html: string): { label: string; wide: string; narrow: string; data: string }[] {
  const drawn = (name: string) => [
    ...html.matchAll(
      new RegExp(`<div class="static ${name}">\\n(<svg role="img" aria-label="([^"]+)".*?</svg>)`, 'gs'),
    ),
  ];
  const [wide, narrow] = [drawn('wide'), drawn('narrow')];
  const data = JSON.parse(chartData.exec(html)?.[1] ?? '[]') as unknown[];
  expect(narrow).toHaveLength(wide.length);
  expect(data).toHaveLength(wide.length);
  return wide.map(([, svg, label], i) => ({
    label: label as string,
    wide: svg as string,
    narrow: narrow[i]?.[1] as string,
    data: JSON.stringify(data[i]),
  }));
}

/** The cells of a table's body, found by its caption. */
export const rowsOf = (html: string, caption: string) => {
  const from = html.indexOf(`<caption>${caption}</caption>`);
  expect(from).toBeGreaterThan(0);
  const body = html.slice(html.indexOf('<tbody>', from), html.indexOf('</tbody>', from));
  return [...body.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...(row as string).matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, cell]) =>
      cell?.replaceAll(/<\/?span[^>]*>/g, ''),
    ),
  );
};

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const markdownIn = (directory: string) =>
  readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md') && !name.startsWith('api'))
    .map((name) => join(directory, name));
const pages = [
  ...['README.md', 'CONTRIBUTING.md'],
  ...markdownIn('docs'),
  ...readdirSync(join(root, 'benchmarks/results'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `benchmarks/results/${name}`),
];

const withoutBlocks = (text: string) => text.replace(/^```.*?^```/gms, '');

/** Paths of this tree that a page names in backticks: whole ones, without blanks, wildcards and placeholders. */
function namedPaths(text: string): string[] {
  return [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)]
    .map(([, code = '']) => code.split(' ')[0] ?? '')
    .filter((code) => /^(lib|native|test|scripts|benchmarks|docs|examples)\/[\w./-]+$/.test(code))
    .filter((code) => !code.startsWith('native/ops/op/'));
}

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string) =>
  heading
    .replaceAll('`', '')
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');
const anchorsOf = (text: string) =>
  new Set([...withoutBlocks(text).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading)));

/** Links of a page to this tree that lead nowhere. */
function deadLinks(page: string, text: string): string[] {
  return [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : normalize(join(dirname(page), file));
      if (!existsSync(join(root, target))) return true;
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(read(target)).has(anchor);
    });
}

describe.each(pages)('%s', (page) => {
  const text = read(page);

  it('names only paths that exist', () => {
    expect(namedPaths(text).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it('has only links that lead somewhere', () => {
    expect(deadLinks(page, text)).toEqual([]);
  });
});

describe('the checks of this file', () => {
  it('see a path and a link that do not exist', () => {
    expect(namedPaths('`lib/none.ts`, `lib/index.ts`, `test/x.test.ts -t name`, `lib`')).toEqual([
      ...['lib/none.ts', 'lib/index.ts', 'test/x.test.ts'],
    ]);
    expect(
      deadLinks('docs/a.md', '[a](none.md) [b](../README.md#none) [c](../README.md#install) [d](https://x)'),
    ).toEqual([...['none.md', '../README.md#none']]);
  });
});

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

it('is one file under 700 KB that names no place of the network but the namespaces of XML', () => {
  const bundle = file('dist/report/echarts.js');
  expect(Buffer.byteLength(bundle)).toBeLessThan(700_000);
  expect(bundle).not.toMatch(/[^\x20-\x7e\n\t]/);
  expect(bundle).not.toMatch(/<\/script|<!--|^import\b|\bfrom"/i);
  expect([...new Set(bundle.match(/https?:\/\/[^"'`\s]*/g))].sort()).toEqual([
    'http://www.w3.org/1999/xlink',
    'http://www.w3.org/2000/svg',
    'http://www.w3.org/2000/xmlns/',
    'http://www.w3.org/XML/1998/namespace',
  ]);
  expect(file('dist/report/echarts.LICENSE.txt')).toMatch(/Apache License[\s\S]*Baidu Inc/);
});

it('leaves the package with at most 20 packages to install', () => {
  const { packages } = JSON.parse(file('package-lock.json')) as {
    packages: Record<string, { dev?: boolean }>;
  };
  const installed = Object.entries(packages).filter(([path, { dev }]) => path !== '' && !dev);
  expect(installed.length).toBeGreaterThan(5);
  expect(installed.length).toBeLessThanOrEqual(20);
});

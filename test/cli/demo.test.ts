import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { textTable } from '../../lib/cli/shared/text_table.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const rdrop = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-demo-cli-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

interface Printed {
  results: { name: string; result: { updates: number; testBleu: { score: number } } }[];
  comparisons: { a: string; b: string; meanDifference: number; signedRank: object }[];
  html: string;
}

describe('rdrop demo --quick', () => {
  it('goes from nothing to a report, reuses what is there, and refuses what is not its own', async () => {
    const out = join(root, 'demo');
    const first = rdrop('demo', '--quick', '--out', out, '--json');
    expect(first.stderr).toContain('bi-64: finished');
    expect(first.status).toBe(0);
    const printed = JSON.parse(first.stdout) as Printed;
    expect(printed.results.map(({ name }) => name)).toEqual([
      'baseline-63',
      'uni-63',
      'bi-63',
      'baseline-64',
      'uni-64',
      'bi-64',
    ]);
    // A fair comparison: as many updates for every condition.
    expect(new Set(printed.results.map(({ result }) => result.updates)).size).toBe(1);
    expect(printed.comparisons.map(({ a, b }) => `${a}-${b}`)).toEqual([
      'uni-baseline',
      'bi-baseline',
      'uni-bi',
    ]);
    expect(await readFile(printed.html, 'utf8')).toContain('<svg');

    const result = join(out, 'sweep', 'uni-63', 'result.json');
    const before = await stat(result);
    const second = rdrop('demo', '--quick', '--out', out);
    expect(second.status).toBe(0);
    expect((await stat(result)).mtimeMs).toBe(before.mtimeMs);
    expect(second.stderr).not.toContain('begins');
    expect(second.stdout).toMatch(/^baseline +\d+\.\d\d +\d+\.\d\d/m);
    for (const text of ["Cohen's d", 'rank-sum', 'signed-rank', 'interval', 'report.html']) {
      expect(second.stdout).toContain(text);
    }

    const other = rdrop('demo', '--out', out);
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(/^rdrop: RUN_EXISTS: .*demo\.json/m);
  }, 240_000);

  it('starts over with --fresh, and removes nothing but what a demo made', async () => {
    const out = join(root, 'fresh');
    const { openDemo } = await import('../../lib/demo/demo.js');
    await openDemo({ directory: out, quick: true });
    await writeFile(join(out, 'mine.txt'), 'kept');
    await writeFile(join(out, 'data', 'dict.txt'), 'changed');
    await openDemo({ directory: out, quick: true, fresh: true });
    expect(await readFile(join(out, 'data', 'dict.txt'), 'utf8')).not.toBe('changed');
    expect(existsSync(join(out, 'mine.txt'))).toBe(true);
  });
});

describe('rdrop sweep', () => {
  const refused = (args: string[], text: RegExp) => {
    const { status, stdout, stderr } = rdrop('sweep', '--out', join(root, 'sweep'), ...args);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(text);
  };

  it('refuses seeds, directions, presets and data that make no sense, and makes no directory', () => {
    const data = ['--data', root];
    refused([...data, '--seeds', '1,-2'], /INVALID_CONFIG: sweep\.seeds\.1/);
    refused([...data, '--seeds', '7,7'], /INVALID_CONFIG: sweep\.seeds/);
    refused([...data, '--directions', 'uni,sideways'], /INVALID_CONFIG: sweep\.directions\.1/);
    refused([...data, '--parallel', '1.5'], /INVALID_CONFIG: sweep\.parallel/);
    refused([...data, '--preset', 'huge'], /INVALID_ARGUMENT: preset/);
    refused([...data, '--set', 'lossalpha=1'], /INVALID_CONFIG: .*lossalpha/);
    refused(['--data', join(root, 'nowhere')], /FILE_NOT_FOUND: .*nowhere/);
    expect(existsSync(join(root, 'sweep'))).toBe(false);
  });
});

describe('a table in text', () => {
  it('aligns the first column to the left and the others to the right', () => {
    const table = {
      caption: 'C',
      head: ['direction', 'x'],
      rows: [
        ['baseline', '1.00'],
        ['ä', '−12.00'],
      ],
      notes: ['n'],
    };
    expect(textTable(table)).toEqual([
      'C',
      '-----------------',
      'direction       x',
      '-----------------',
      'baseline     1.00',
      'ä          −12.00',
      '-----------------',
      '  n',
    ]);
  });
});

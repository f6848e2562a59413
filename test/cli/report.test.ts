import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { reportCommand } from '../../lib/cli/report.js';

let directory: string;
let printed: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rdrop-report-'));
  printed = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  for (const [condition, score] of Object.entries({ uni: 31.25, bi: 30.5 })) {
    const path = join(directory, condition);
    await mkdir(path);
    const files = {
      'config.json': { seed: 7, loss: { direction: condition, alpha: 5 } },
      'result.json': { seconds: 12, testBleu: { score, signature: 'nrefs:1' } },
    };
    for (const [name, value] of Object.entries(files))
      await writeFile(join(path, name), JSON.stringify(value));
  }
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true, force: true });
});

const report = (...args: string[]) => reportCommand().parseAsync(args, { from: 'user' });

describe('rdrop report', () => {
  it('writes beside a single run and prints where', async () => {
    await report(join(directory, 'uni'));
    const [html, markdown] = ['report.html', 'report.md'].map((name) => join(directory, 'uni', name));
    expect(printed.join('')).toBe(`${html}\n${markdown}\n`);
    expect(await readdir(join(directory, 'uni'))).toEqual(
      expect.arrayContaining(['report.html', 'report.md']),
    );
  });

  it('compares several runs in --out and prints one JSON document', async () => {
    const out = join(directory, 'out');
    await report(join(directory, 'uni'), join(directory, 'bi'), '--out', out, '--json');
    expect(JSON.parse(printed.join(''))).toEqual({
      html: join(out, 'report.html'),
      markdown: join(out, 'report.md'),
    });
  });

  it('refuses a figure that no run has, and writes nothing', async () => {
    const path = join(directory, 'uni');
    await expect(report(path, '--metric', 'TER')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await readdir(path)).not.toContain('report.html');
  });

  it('asks where to write when several are given', async () => {
    await expect(report(join(directory, 'uni'), join(directory, 'bi'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('--out'),
    });
    expect(printed).toEqual([]);
  });
});

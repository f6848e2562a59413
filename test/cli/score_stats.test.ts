import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { scoreCommand } from '../../lib/cli/score.js';
import { statsCommand } from '../../lib/cli/stats.js';

let directory: string;
let printed: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rdrop-score-'));
  printed = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(directory, { recursive: true, force: true });
});

/** Runs a command; what it printed, or the code and message of what it threw. */
async function run(command: Command, ...args: string[]): Promise<string> {
  printed = [];
  command.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
  return printed.join('');
}

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe('rdrop score', () => {
  it('prints one JSON document with the fields of the contract', async () => {
    const hyp = await file('hyp', 'the cat sat on the mat\na dog\n');
    const ref = await file('ref', 'The cat sat on the mat\na dog\n');
    const out = await run(scoreCommand(), '--hyp', hyp, '--ref', ref, '--lowercase', '--json');
    const document = JSON.parse(out) as Record<string, unknown>;
    expect(document).toEqual({
      score: expect.closeTo(100, 9),
      precisions: [100, 100, 100, 100],
      brevityPenalty: 1,
      systemLength: 8,
      referenceLength: 8,
      signature: 'nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.6.0',
    });
  });

  it('takes several references and another tokeniser', async () => {
    const hyp = await file('hyp', 'a b c d\n');
    const one = await file('one', 'a b x y\n');
    const two = await file('two', 'x y c d\n');
    const score = async (...refs: string[]) => {
      const args = refs.flatMap((ref) => ['--ref', ref]);
      const out = await run(scoreCommand(), '--hyp', hyp, ...args, '--tokenize', 'char', '--json');
      return JSON.parse(out) as { precisions: number[]; signature: string };
    };
    expect((await score(one)).precisions[0]).toBe(50);
    const both = await score(one, two);
    expect(both.precisions[0]).toBe(100);
    expect(both.signature).toContain('nrefs:2|case:mixed|eff:no|tok:char');
  });

  it("prints sacreBLEU's line for people", async () => {
    const hyp = await file('hyp', 'a b c d e\n');
    const out = await run(scoreCommand(), '--hyp', hyp, '--ref', hyp);
    expect(out).toBe(
      'BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 100.00 100.0/100.0/100.0/100.0 ' +
        '(BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)\n',
    );
  });

  it('refuses empty, unequal, missing and invalid files, naming them', async () => {
    const two = await file('two', 'a\nb\n');
    const one = await file('one', 'a\n');
    const empty = await file('empty', '');
    const broken = await file('broken', new Uint8Array([97, 10, 0xff, 10]));
    const score = (hyp: string, ref: string) => run(scoreCommand(), '--hyp', hyp, '--ref', ref, '--json');
    expect(await score(two, one)).toMatch(/^LINE_COUNT_MISMATCH: .*one: .*two has \(2\), got 1$/);
    expect(await score(empty, one)).toMatch(/^FILE_EMPTY: .*empty/);
    expect(await score(one, empty)).toMatch(/^FILE_EMPTY: .*empty/);
    expect(await score(two, broken)).toMatch(/^INVALID_UTF8: .*broken:2/);
    expect(await score(two, join(directory, 'missing'))).toMatch(/^FILE_NOT_FOUND: .*missing/);
    expect(printed).toEqual([]);
  });

  it('refuses an unknown tokeniser', async () => {
    const one = await file('one', 'a\n');
    expect(await run(scoreCommand(), '--hyp', one, '--ref', one, '--tokenize', 'zh')).toMatch(
      /13a, none, intl, char/,
    );
  });
});

describe('rdrop stats', () => {
  const table = ['--a', '37.34,37.29,37.32', '--b', '37.19, 37.28 ,36.97'];

  it('prints one JSON document with the fields of the contract', async () => {
    const document = JSON.parse(await run(statsCommand(), ...table, '--json')) as Record<string, unknown>;
    expect(document).toEqual({
      meanDifference: expect.closeTo(0.17, 9),
      cohensD: expect.closeTo(1.489, 3),
      rankSum: { u: 9, p: 0.1, method: 'exact' },
      signedRank: { w: 0, p: 0.25, method: 'exact' },
      bootstrap: { low: expect.any(Number), high: expect.any(Number), level: 0.95 },
    });
  });

  it('passes the options of the bootstrap on', async () => {
    const interval = async (...options: string[]) =>
      (JSON.parse(await run(statsCommand(), ...table, '--json', ...options)) as { bootstrap: object })
        .bootstrap;
    const usual = await interval();
    expect(await interval('--level', '0.5')).toMatchObject({ level: 0.5 });
    expect(await interval('--level', '0.5')).not.toEqual({ ...usual, level: 0.5 });
    expect(await interval('--samples', '7')).not.toEqual(usual);
    expect(await interval('--samples', '7', '--seed', '2')).not.toEqual(await interval('--samples', '7'));
  });

  it('accepts negative numbers and exponents', async () => {
    const out = await run(statsCommand(), '--a', '-1,2e1', '--b', '-.5,3.', '--json');
    expect(JSON.parse(out)).toMatchObject({ meanDifference: 8.25 });
  });

  it('refuses what is not a list of finite numbers, naming option and entry', async () => {
    const stats = (a: string, b = '1,2', ...more: string[]) =>
      run(statsCommand(), '--a', a, '--b', b, '--json', ...more);
    expect(await stats('1,x')).toMatch(/^INVALID_ARGUMENT: --a: entry 2: .*"x"/);
    expect(await stats('1,2', '1,,2')).toMatch(/^INVALID_ARGUMENT: --b: entry 2: .*""/);
    expect(await stats('')).toMatch(/^INVALID_ARGUMENT: --a: entry 1/);
    expect(await stats('0x10')).toMatch(/^INVALID_ARGUMENT: --a/);
    expect(await stats('1,NaN')).toMatch(/^NON_FINITE: --a: entry 2/);
    expect(await stats('1e999')).toMatch(/^NON_FINITE: --a\[0\]/);
    expect(await stats('1,2', '1,2', '--level', '95')).toMatch(/^INVALID_ARGUMENT: .*level/);
    expect(await stats('1,2', '1,2', '--samples', 'many')).toMatch(/^INVALID_ARGUMENT: .*samples/);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { scoreCommand } from '../../lib/cli/score.js';
import { statsCommand } from '../../lib/cli/stats.js';
import {
  bootstrapConfidence,
  pairedApproximateRandomisation,
  pairedBootstrap,
} from '../../lib/evaluation/significance.js';
import { readLines } from '../../lib/util/line_reader.js';

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
  for (const one of [command, ...command.commands])
    one.exitOverride().configureOutput({ writeErr: () => {} });
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
    const document = JSON.parse(out) as { score: number; signature: string; metrics: { name: string }[] };
    expect(document).toEqual({
      score: expect.closeTo(100, 9),
      precisions: [100, 100, 100, 100],
      brevityPenalty: 1,
      systemLength: 8,
      referenceLength: 8,
      signature: 'nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.6.0',
      metrics: expect.any(Array),
    });
    const { metrics } = document;
    expect(metrics.map(({ name }) => name)).toEqual([
      'BLEU',
      'BLEU',
      'BLEU',
      'BLEU',
      'chrF2',
      'chrF2++',
      'TER',
    ]);
    expect(metrics[0]).toEqual({
      name: 'BLEU',
      score: document.score,
      signature: document.signature,
      higherIsBetter: true,
      text: expect.stringMatching(/^BLEU\|.* = 100.00 100.0/),
    });
    expect(metrics[6]).toMatchObject({ name: 'TER', score: 0, higherIsBetter: false });
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

  it("prints sacreBLEU's line for people, then the other scores", async () => {
    const hyp = await file('hyp', 'a b c d e\n');
    const out = await run(scoreCommand(), '--hyp', hyp, '--ref', hyp);
    const [first, ...others] = out.trimEnd().split('\n');
    expect(first).toBe(
      'BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 100.00 100.0/100.0/100.0/100.0 ' +
        '(BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)',
    );
    expect(others.filter((line) => line.includes('|')).map((line) => line.split(/ {2,}/))).toEqual([
      ['BLEU|nrefs:1|case:mixed|eff:no|tok:intl|smooth:exp|version:2.6.0', '100.00'],
      ['BLEU|nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:2.6.0', '100.00'],
      ['BLEU|nrefs:1|case:mixed|eff:no|tok:char|smooth:exp|version:2.6.0', '100.00'],
      ['chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0', '100.00'],
      ['chrF2++|nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0', '100.00'],
      ['TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0', '0.00'],
    ]);
  });

  it('prints the lines of fairseq-score for tokenised text, compounds whole and split', async () => {
    const hyp = await file('hyp', 'a well-known b c d\n');
    const ref = await file('ref', 'a well-known b c e\n');
    const score = (...flags: string[]) => run(scoreCommand(), '--hyp', hyp, '--ref', ref, ...flags);
    const whole = 'BLEU4 = 66.87, 80.0/75.0/66.7/50.0 (BP=1.000, ratio=1.000, syslen=5, reflen=5)';
    const split = 'BLEU4 = 80.91, 85.7/83.3/80.0/75.0 (BP=1.000, ratio=1.000, syslen=7, reflen=7)';
    const both = await score('--tokenized');
    expect(both).toMatch(/^BLEU\|nrefs:1\|case:mixed\|eff:no\|tok:none\|/);
    expect(both).toContain(`  ${whole}\n  ${split}\n`);
    const alone = await score('--tokenized', '--compound-split', '--metrics', 'fairseq');
    expect(alone).not.toMatch(/^BLEU\|/m);
    expect(alone).toContain(`  ${split}\n`);
    expect(alone).not.toContain(whole);
    const { metrics, score: front } = JSON.parse(
      await score('--tokenized', '--metrics', 'fairseq', '--json'),
    );
    expect(front).toBeUndefined();
    expect(metrics.map(({ text }: { text: string }) => text)).toEqual([whole, split]);
  });

  it('tests the difference to baselines and adds intervals', async () => {
    const hyp = await file('hyp', 'a b c d e f\ng h i j k\nl m n o p\n');
    const ref = await file('ref', 'a b c d e f\ng h i j l\nl m n o q\n');
    const one = await file('one', 'a b x d e f\ng h y j k\nl m n\n');
    const arguments_ = ['--hyp', hyp, '--ref', ref, '--baseline', one, '--metrics', 'bleu,ter'];
    const report = async (...flags: string[]) =>
      JSON.parse(await run(scoreCommand(), ...arguments_, '--json', ...flags));
    const { paired } = await report('--baseline', ref, '--samples', '30', '--seed', '5');
    expect(paired.map((each: { baseline: string; test: string }) => [each.baseline, each.test])).toEqual([
      [one, 'bootstrap'],
      [one, 'randomisation'],
      [ref, 'bootstrap'],
      [ref, 'randomisation'],
    ]);
    const { metrics } = paired[0];
    expect(metrics.map(({ name }: { name: string }) => name)).toEqual([
      'BLEU',
      'BLEU',
      'BLEU',
      'BLEU',
      'TER',
    ]);
    const corpus = {
      hypotheses: await readLines(hyp),
      references: await readLines(ref),
      baseline: await readLines(one),
    };
    expect(metrics[0]).toEqual((await pairedBootstrap(corpus, { samples: 30, seed: 5 }))[0]);
    expect(paired[1].metrics[0]).toEqual(
      (await pairedApproximateRandomisation(corpus, { samples: 30, seed: 5 }))[0],
    );
    const only = await report('--paired', 'randomisation', '--samples', '9');
    expect(only.paired.map(({ test }: { test: string }) => test)).toEqual(['randomisation']);

    const confident = JSON.parse(
      await run(scoreCommand(), '--hyp', hyp, '--ref', ref, '--confidence', '--samples', '50', '--json'),
    );
    const [interval] = await bootstrapConfidence(corpus, { samples: 50 });
    expect(confident.metrics[0].confidence).toEqual({
      mean: interval?.mean,
      halfWidth: interval?.halfWidth,
      signature: interval?.signature,
    });
    expect(confident.paired).toBeUndefined();

    const text = await run(scoreCommand(), ...arguments_, '--confidence', '--samples', '20');
    expect(text).toContain(`Paired bootstrap resampling, baseline ${one}\n`);
    expect(text).toContain(`Paired approximate randomisation, baseline ${one}\n`);
    expect(text).toMatch(/^TER\|nrefs:1\|ar:20\|seed:12345\|\S+ +\S+ +\S+ +[01]\.\d{4}/m);
    expect(text).toMatch(/^TER\|nrefs:1\|bs:20\|seed:12345\|\S+ +\S+ \(μ = \S+ ± \S+\)$/m);
  });

  it('refuses flags without effect, unknown metrics and bad numbers', async () => {
    const hyp = await file('hyp', 'a b c d e f\n');
    const two = await file('two', 'a\nb\n');
    const score = (...flags: string[]) => run(scoreCommand(), '--hyp', hyp, '--ref', hyp, ...flags);
    expect(await score('--paired', 'both')).toMatch(/^INVALID_ARGUMENT: .*--paired needs --baseline/);
    expect(await score('--samples', '5')).toMatch(/^INVALID_ARGUMENT: .*--samples needs/);
    expect(await score('--seed', '5')).toMatch(/^INVALID_ARGUMENT: .*--seed needs/);
    expect(await score('--compound-split')).toMatch(/^INVALID_ARGUMENT: .*needs --tokenized/);
    expect(await score('--metrics', 'bleu,rouge')).toMatch(/^INVALID_ARGUMENT: score.metrics.1: .*"rouge"/);
    expect(await score('--metrics', 'fairseq')).toMatch(
      /^INVALID_ARGUMENT: .*fairseq is defined on tokenised/,
    );
    expect(await score('--tokenized', '--metrics', 'chrf')).toMatch(/^INVALID_ARGUMENT: .*detokenised/);
    expect(await score('--baseline', hyp, '--samples', '0')).toMatch(/^INVALID_ARGUMENT: score.samples/);
    expect(await score('--confidence', '--seed', '-1')).toMatch(/^INVALID_ARGUMENT: score.seed/);
    expect(await score('--baseline', two)).toMatch(/^LINE_COUNT_MISMATCH: .*two: .*hyp has \(1\), got 2$/);
    expect(printed).toEqual([]);
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
    const interval = { low: expect.any(Number), high: expect.any(Number), level: 0.95 };
    const noEnds = { low: null, high: null, level: 0.95 };
    expect(document).toEqual({
      meanDifference: expect.closeTo(0.17, 9),
      cohensD: expect.closeTo(1.489, 3),
      hedgesG: expect.closeTo(1.188, 3),
      effectInterval: { low: expect.closeTo(-0.457, 3), high: expect.closeTo(3.312, 3), level: 0.95 },
      pairedEffect: { ...interval, d: expect.closeTo(0.995, 3), g: expect.closeTo(0.561, 3) },
      rankSum: { u: 9, p: 0.1, method: 'exact' },
      signedRank: { w: 0, p: 0.25, method: 'exact' },
      shift: { ...noEnds, estimate: expect.closeTo(0.13, 9) },
      pairedShift: { ...noEnds, estimate: expect.closeTo(0.165, 9) },
      bootstrap: interval,
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

  it('takes one-sided alternatives, and says so', async () => {
    const out = await run(statsCommand(), ...table, '--alternative', 'greater', '--json');
    expect(JSON.parse(out)).toMatchObject({ rankSum: { p: 0.05 }, signedRank: { w: 6, p: 0.125 } });
    expect(await run(statsCommand(), ...table, '--alternative', 'less')).toMatch(
      /one-sided: a smaller than b/,
    );
    expect(await run(statsCommand(), ...table, '--alternative', 'more')).toMatch(
      /^INVALID_ARGUMENT: stats\.alternative: .*"more"/,
    );
  });

  it("compares every pair of several arms with Holm's correction", async () => {
    const arms = ['uni=37.34,37.29,37.32', 'bi=37.19,37.28,36.97', 'plain=35,35.1,35.2'].flatMap((arm) => [
      '--arm',
      arm,
    ]);
    const document = JSON.parse(await run(statsCommand(), ...arms, '--json')) as {
      arms: object;
      comparisons: { a: string; b: string; cohensD: number; holm: object }[];
    };
    expect(document.arms).toMatchObject({ uni: [37.34, 37.29, 37.32] });
    expect(document.comparisons.map(({ a, b }) => `${a}-${b}`)).toEqual(['uni-bi', 'uni-plain', 'bi-plain']);
    expect(document.comparisons[0]?.cohensD).toBeCloseTo(1.489, 3);
    for (const { holm } of document.comparisons)
      expect(holm).toEqual({ rankSum: expect.closeTo(0.3, 12), signedRank: expect.closeTo(0.75, 12) });
    const text = await run(statsCommand(), ...arms);
    expect(text.match(/^a = .*, b = .*$/gm)).toEqual([
      'a = uni, b = bi',
      'a = uni, b = plain',
      'a = bi, b = plain',
    ]);
    expect(text.match(/p = 0\.100, after Holm 0\.300/g)).toHaveLength(3);
    expect(text).toContain('over these 3 pairs of arms, each test a family of its own');
    const two = await run(statsCommand(), ...arms.slice(0, 4));
    expect(two).toContain('a = uni, b = bi');
    expect(two).not.toContain('Holm');
  });

  it('refuses arms that it cannot tell apart or compare', async () => {
    const arm = (...texts: string[]) => run(statsCommand(), ...texts.flatMap((text) => ['--arm', text]));
    expect(await run(statsCommand(), '--a', '1')).toMatch(
      /^INVALID_ARGUMENT: stats: expected --a and --b, or --arm/,
    );
    expect(await run(statsCommand(), ...table, '--arm', 'x=1')).toMatch(/^INVALID_ARGUMENT: .*got both/);
    expect(await arm('x=1,2')).toMatch(/^INVALID_ARGUMENT: .*at least two arms, got 1/);
    expect(await arm('x=1,2', 'x=2,3')).toMatch(/^INVALID_ARGUMENT: --arm: .*x twice/);
    expect(await arm('x=1,2', '2,3')).toMatch(/^INVALID_ARGUMENT: --arm: .*"2,3"/);
    expect(await arm('x=1,2', 'y=2,z')).toMatch(/^INVALID_ARGUMENT: --arm y: entry 2/);
  });

  it.each([
    ['equal run by run', '37.34,37.29,37.32', '37.34,37.29,37.32'],
    ['equal in another order, where rounding leaves 7e-15', '37.1,37.2,37.3', '37.3,37.1,37.2'],
    ['constant', '5,5', '5,5'],
    ['zeros of either sign', '0,-0', '-0,0'],
    ['a single run each', '1', '1'],
  ])('says that there is no difference between samples that are %s', async (_, a, b) => {
    const text = await run(statsCommand(), `--a=${a}`, `--b=${b}`);
    expect(text).toMatch(/^a and b hold the same figures: there is no difference to be tested\n/);
    expect(text).toContain('difference of means (a - b): 0.0000\n');
    expect(text).not.toMatch(/-0\.0+\b(?! to)/);
    const document = JSON.parse(await run(statsCommand(), `--a=${a}`, `--b=${b}`, '--json'));
    expect(document).toMatchObject({
      equal: true,
      meanDifference: 0,
      rankSum: { p: 1 },
      signedRank: { p: 1 },
    });
    expect(await run(statsCommand(), '--arm', `x=${a}`, '--arm', `y=${b}`)).toContain(
      'hold the same figures',
    );
    expect(await run(statsCommand(), `--a=${a}`, '--b=9')).not.toContain('the same figures');
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
    expect(await stats('1,2', '1,2', '--samples', '0.5')).toMatch(/^INVALID_ARGUMENT: .*samples/);
  });
});

describe('rdrop stats power', () => {
  const power = (...args: string[]) => run(statsCommand(), 'power', ...args);
  const paper = ['--runs', '3', '--effect', '1.489', '--alpha', '0.1'];

  it('prints one JSON document, a plan for each test', async () => {
    const plans = JSON.parse(await power(...paper, '--hours-per-run', '11.6', '--json')) as {
      test: string;
    }[];
    expect(plans.map(({ test }) => test)).toEqual(['rank-sum', 'signed-rank', 't', 'paired-t']);
    expect(plans[1]).toMatchObject({
      smallestP: 0.25,
      reachable: false,
      fewestRuns: { runsPerArm: 5, smallestP: 0.0625 },
      power: 0,
      cost: { runs: 6, hours: expect.closeTo(69.6, 9) },
    });
    expect(plans[2]).toMatchObject({ power: expect.closeTo(0.4481, 4), powerInterval: null });
  });

  it('prints a table that says what cannot be reached, and what it costs', async () => {
    const text = await power(...paper, '--hours-per-run', '11.6');
    expect(text).toMatch(/^rank-sum +0\.100 +0\.4\d\d /m);
    expect(text).toContain(
      '3 runs an arm cannot reach p ≤ 0.1 with the signed-rank test: the smallest p is 0.25; 5 are the fewest that can (0.0625).',
    );
    expect(text).toContain('Cost as planned: 6 runs × 11.6 h = 69.6 h.');
  });

  it('passes every option on', async () => {
    const one = async (...args: string[]) => {
      const text = await power(...paper, '--test', 'paired-t', ...args, '--json');
      return (JSON.parse(text) as Record<string, number>[])[0] as Record<string, number>;
    };
    const usual = await one();
    expect((await one('--correlation', '0.5'))['power']).toBeGreaterThan(usual['power'] as number);
    expect(await one('--arms', '3')).toMatchObject({ level: expect.closeTo(0.1 / 3, 12), cost: { runs: 9 } });
    expect((await one('--alternative', 'greater'))['power']).toBeGreaterThan(usual['power'] as number);
    expect((await one('--power', '0.9'))['runsForTarget']).toBeGreaterThan(usual['runsForTarget'] as number);
    const drawn = (...args: string[]) => power(...paper, '--test', 'rank-sum', '--json', ...args);
    expect(await drawn('--simulations', '500')).not.toBe(await drawn());
    expect(await drawn('--seed', '2')).not.toBe(await drawn());
    // All four tests at once: the correlation is that of the paired ones.
    const all = JSON.parse(await power(...paper, '--correlation', '0.5', '--json')) as {
      correlation: number | null;
    }[];
    expect(all.map(({ correlation }) => correlation)).toEqual([null, 0.5, null, 0.5]);
  });

  it('refuses what makes no sense, naming the option', async () => {
    expect(await power('--runs', '3')).toMatch(/--effect/);
    expect(await power('--runs', '0.5', '--effect', '1')).toMatch(
      /^INVALID_ARGUMENT: stats power\.runsPerArm/,
    );
    expect(await power(...paper, '--test', 'sign')).toMatch(/^INVALID_ARGUMENT: stats power\.test/);
    expect(await power(...paper, '--test', 't', '--correlation', '0.5')).toMatch(
      /correlation: expected 0 unless/,
    );
    expect(await power(...paper, '--hours-per-run', '-1')).toMatch(/hoursPerRun/);
  });
});

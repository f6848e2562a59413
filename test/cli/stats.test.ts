import { describe, expect, it } from 'vitest';
import { statsCommand } from '../../lib/cli/stats.js';
import { printedBy as run } from '../support/printed_command.js';

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
      hodgesLehmann: { ...noEnds, estimate: expect.closeTo(0.13, 9) },
      pairedHodgesLehmann: { ...noEnds, estimate: expect.closeTo(0.165, 9) },
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

  it("compares every pair of several conditions with Holm's correction", async () => {
    const conditions = ['uni=37.34,37.29,37.32', 'bi=37.19,37.28,36.97', 'baseline=35,35.1,35.2'].flatMap(
      (condition) => ['--condition', condition],
    );
    const document = JSON.parse(await run(statsCommand(), ...conditions, '--json')) as {
      conditions: object;
      comparisons: { a: string; b: string; cohensD: number; holm: object }[];
    };
    expect(document.conditions).toMatchObject({ uni: [37.34, 37.29, 37.32] });
    expect(document.comparisons.map(({ a, b }) => `${a}-${b}`)).toEqual([
      'uni-bi',
      'uni-baseline',
      'bi-baseline',
    ]);
    expect(document.comparisons[0]?.cohensD).toBeCloseTo(1.489, 3);
    for (const { holm } of document.comparisons)
      expect(holm).toEqual({ rankSum: expect.closeTo(0.3, 12), signedRank: expect.closeTo(0.75, 12) });
    const text = await run(statsCommand(), ...conditions);
    expect(text.match(/^a = .*, b = .*$/gm)).toEqual([
      'a = uni, b = bi',
      'a = uni, b = baseline',
      'a = bi, b = baseline',
    ]);
    expect(text.match(/p = 0\.100, after Holm 0\.300/g)).toHaveLength(3);
    expect(text).toContain('over these 3 pairs of conditions, each test a family of its own');
    const two = await run(statsCommand(), ...conditions.slice(0, 4));
    expect(two).toContain('a = uni, b = bi');
    expect(two).not.toContain('Holm');
  });

  it('refuses conditions that it cannot tell apart or compare', async () => {
    const condition = (...texts: string[]) =>
      run(statsCommand(), ...texts.flatMap((text) => ['--condition', text]));
    expect(await run(statsCommand(), '--a', '1')).toMatch(
      /^INVALID_ARGUMENT: stats: expected --a and --b, or --condition/,
    );
    expect(await run(statsCommand(), ...table, '--condition', 'x=1')).toMatch(
      /^INVALID_ARGUMENT: .*got both/,
    );
    expect(await condition('x=1,2')).toMatch(/^INVALID_ARGUMENT: .*at least two conditions, got 1/);
    expect(await condition('x=1,2', 'x=2,3')).toMatch(/^INVALID_ARGUMENT: --condition: .*x twice/);
    expect(await condition('x=1,2', '2,3')).toMatch(/^INVALID_ARGUMENT: --condition: .*"2,3"/);
    expect(await condition('x=1,2', 'y=2,z')).toMatch(/^INVALID_ARGUMENT: --condition y: entry 2/);
  });

  it.each([
    ['equal run by run', '37.34,37.29,37.32', '37.34,37.29,37.32'],
    ['equal in another order, where rounding leaves 7e-15', '37.1,37.2,37.3', '37.3,37.1,37.2'],
    ['constant', '5,5', '5,5'],
    ['zeros of either sign', '0,-0', '-0,0'],
    ['a single run each', '1', '1'],
  ])('says that there is no difference between samples that are %s', async (_, a, b) => {
    const text = await run(statsCommand(), `--a=${a}`, `--b=${b}`);
    expect(text).toMatch(/^a and b hold the same values: there is no difference to be tested\n/);
    expect(text).toContain('difference of means (a - b): 0.0000\n');
    expect(text).not.toMatch(/-0\.0+\b(?! to)/);
    const document = JSON.parse(await run(statsCommand(), `--a=${a}`, `--b=${b}`, '--json'));
    expect(document).toMatchObject({
      equal: true,
      meanDifference: 0,
      rankSum: { p: 1 },
      signedRank: { p: 1 },
    });
    expect(await run(statsCommand(), '--condition', `x=${a}`, '--condition', `y=${b}`)).toContain(
      'hold the same values',
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
      minimumPValue: 0.25,
      reachable: false,
      fewestRuns: { runsPerCondition: 5, minimumPValue: 0.0625 },
      power: 0,
      cost: { runs: 6, hours: expect.closeTo(69.6, 9) },
    });
    expect(plans[2]).toMatchObject({ power: expect.closeTo(0.4481, 4), powerInterval: null });
  });

  it('prints a table that says what cannot be reached, and what it costs', async () => {
    const text = await power(...paper, '--hours-per-run', '11.6');
    expect(text).toMatch(/^rank-sum +0\.100 +0\.4\d\d /m);
    expect(text).toContain(
      '3 runs per condition cannot reach p ≤ 0.1 with the signed-rank test: the smallest p is 0.25; 5 are the fewest that can (0.0625).',
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
    expect(await one('--conditions', '3')).toMatchObject({
      level: expect.closeTo(0.1 / 3, 12),
      cost: { runs: 9 },
    });
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
      /^INVALID_ARGUMENT: stats power\.runsPerCondition/,
    );
    expect(await power(...paper, '--test', 'sign')).toMatch(/^INVALID_ARGUMENT: stats power\.test/);
    expect(await power(...paper, '--test', 't', '--correlation', '0.5')).toMatch(
      /correlation: expected 0 unless/,
    );
    expect(await power(...paper, '--hours-per-run', '-1')).toMatch(/hoursPerRun/);
  });
});

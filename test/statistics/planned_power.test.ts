import { describe, expect, it } from 'vitest';
import type { PlannedPowerOptions, PlannedTest } from '../../lib/options/index.js';
import { powerTable } from '../../lib/report/power_table.js';
import { plannedComparison } from '../../lib/statistics/planned_comparison.js';
import { fewestRuns, minimumPValue, plannedPower } from '../../lib/statistics/planned_power.js';
import { wilcoxonRankSum, wilcoxonSignedRank } from '../../lib/statistics/rank_tests.js';
import { expectClose, recorded, thrownBy } from '../support/effect_sizes.js';

describe('the smallest p value of a design', () => {
  it('is that of an enumeration', () => {
    for (const truth of recorded.minimumPValue) {
      for (const test of ['rank-sum', 'signed-rank'] as const) {
        expectClose(minimumPValue(test, truth.runs), truth[test][0], 1e-14);
        expectClose(minimumPValue(test, truth.runs, 'greater'), truth[test][1], 1e-14);
      }
    }
  });

  it('is reached by runs that lie apart', () => {
    for (const n of [2, 3, 5, 8, 20]) {
      const a = Array.from({ length: n }, (_, i) => 100 + i * i);
      const b = Array.from({ length: n }, (_, i) => i);
      expectClose(wilcoxonRankSum(a, b).p, minimumPValue('rank-sum', n), 1e-14);
      expectClose(wilcoxonSignedRank(a, b).p, minimumPValue('signed-rank', n), 1e-14);
      expectClose(
        wilcoxonRankSum(a, b, { alternative: 'greater' }).p,
        minimumPValue('rank-sum', n, 'greater'),
        1e-14,
      );
    }
  });

  it('is refused for what is not a design', () => {
    for (const runs of [0, 1.5, Number.NaN])
      expect(thrownBy(() => minimumPValue('rank-sum', runs))).toMatch(
        /^INVALID_ARGUMENT: minimumPValue: runsPerCondition/,
      );
    expect(thrownBy(() => minimumPValue('sign' as 't', 3))).toMatch(
      /^INVALID_ARGUMENT: minimumPValue: test: .*"sign"/,
    );
  });

  it('says how many runs a level takes at least', () => {
    expect(fewestRuns('signed-rank', 0.1)).toEqual({ runsPerCondition: 5, minimumPValue: 0.0625 });
    expect(fewestRuns('signed-rank', 0.05)).toMatchObject({ runsPerCondition: 6 });
    // 2/20 is not more than 0.1, although it is in binary.
    expect(fewestRuns('rank-sum', 0.1)?.runsPerCondition).toBe(3);
    expect(fewestRuns('rank-sum', 0.3 / 3)?.runsPerCondition).toBe(3);
    expect(fewestRuns('rank-sum', 0.099)?.runsPerCondition).toBe(4);
    expect(fewestRuns('t', 1e-9)).toEqual({ runsPerCondition: 2, minimumPValue: 0 });
    expect(fewestRuns('signed-rank', 1e-40)).toBeNull();
  });
});

describe('the power of a planned comparison', () => {
  for (const { runs, effect, alpha, alternative, correlation, exact, simulated, draws } of recorded.power) {
    it(`with ${runs} runs, d ${effect}, α ${alpha}, ${alternative}, r ${correlation}`, async () => {
      const shared = { runsPerCondition: runs, effectSize: effect, alpha, alternative, targetPower: 0.01 };
      const plan = (test: PlannedTest, more: object = {}) => plannedPower({ ...shared, test, ...more });
      const t = await plan('t');
      expectClose(t.power, exact.t, 1e-10);
      expect(t.powerInterval).toBeNull();
      expectClose((await plan('paired-t', { correlation })).power, exact['paired-t'], 1e-10);

      for (const [test, more] of [
        ['rank-sum', {}],
        ['signed-rank', { correlation }],
      ] as const) {
        const { power, powerInterval } = await plan(test, { ...more, simulations: 40_000 });
        const truth = simulated[test];
        if (truth === 0) {
          expect([power, powerInterval]).toEqual([0, null]);
          continue;
        }
        // Five standard errors of the difference of two simulations.
        const error = Math.sqrt(truth * (1 - truth) * (1 / draws + 1 / 40_000));
        expect(Math.abs(power - truth)).toBeLessThan(5 * error);
        expect(powerInterval?.low).toBeLessThan(power);
        expect(powerInterval?.high).toBeGreaterThan(power);
        expect((powerInterval?.high as number) - (powerInterval?.low as number)).toBeCloseTo(
          3.92 * Math.sqrt((power * (1 - power)) / 40_000),
          3,
        );
      }
    });
  }

  it('is α or less without an effect, for every side and beyond the exact tests', async () => {
    for (const options of [
      { runsPerCondition: 6 },
      { runsPerCondition: 6, alternative: 'less' },
      { runsPerCondition: 9, alternative: 'greater', test: 'signed-rank' },
      { runsPerCondition: 30 },
      { runsPerCondition: 60, test: 'signed-rank' },
    ] as Partial<PlannedPowerOptions>[]) {
      const { power } = await plannedPower({
        runsPerCondition: 6,
        effectSize: 0,
        alpha: 0.1,
        simulations: 20_000,
        targetPower: 0.01,
        ...options,
      });
      expect(power).toBeLessThan(0.11);
      expect(power).toBeGreaterThan(0.07);
    }
  });

  it("says of the paper's design what it cannot show, before it is run", async () => {
    const plan = (test: PlannedTest) =>
      plannedPower({ runsPerCondition: 3, effectSize: 1.489, alpha: 0.1, test, hoursPerRun: 11.6 });
    const signedRank = await plan('signed-rank');
    expect(signedRank).toMatchObject({
      minimumPValue: 0.25,
      reachable: false,
      fewestRuns: { runsPerCondition: 5, minimumPValue: 0.0625 },
      power: 0,
      powerInterval: null,
      cost: { runs: 6, hours: expect.closeTo(69.6, 9) },
    });
    const rankSum = await plan('rank-sum');
    expect(rankSum).toMatchObject({
      reachable: true,
      minimumPValue: expect.closeTo(0.1, 12),
      runsForTarget: 7,
    });
    expect(rankSum.costForTarget?.hours).toBeCloseTo(14 * 11.6, 9);
    const { rows, notes } = powerTable([rankSum, signedRank]);
    expect(rows.map(([test, p]) => [test, p])).toEqual([
      ['rank-sum', '0.100'],
      ['signed-rank', '0.250'],
    ]);
    expect(notes).toContain(
      '3 runs per condition cannot reach p ≤ 0.1 with the signed-rank test: the smallest p is 0.25; ' +
        '5 are the fewest that can (0.0625).',
    );
    expect(notes).toContain('Cost as planned: 6 runs × 11.6 h = 69.6 h.');
    expect(notes).toContain('For power 0.8 with the rank-sum test: 14 runs × 11.6 h = 162.4 h.');
  });

  it('finds the fewest runs: they have the power, one fewer has not', async () => {
    for (const options of [
      { test: 't', effectSize: 0.8 },
      { test: 'paired-t', effectSize: -0.8, correlation: 0.5 },
      { test: 'rank-sum', effectSize: 1.2 },
      { test: 'signed-rank', effectSize: 1.2, correlation: 0.4, alternative: 'greater' },
    ] as (Partial<PlannedPowerOptions> & { effectSize: number })[]) {
      const { runsForTarget } = await plannedPower({ runsPerCondition: 3, ...options });
      const power = async (runsPerCondition: number) =>
        (await plannedPower({ targetPower: 0.01, ...options, runsPerCondition })).power;
      expect(await power(runsForTarget as number)).toBeGreaterThanOrEqual(0.8);
      expect(await power((runsForTarget as number) - 1)).toBeLessThan(0.8);
    }
    // By the table of Cohen (1988): 26 runs per condition for d 0.8, two-sided α 0.05, power 0.8.
    expect((await plannedPower({ runsPerCondition: 3, effectSize: 0.8, test: 't' })).runsForTarget).toBe(26);
    expect((await plannedPower({ runsPerCondition: 3, effectSize: 0.01 })).runsForTarget).toBeNull();
  });

  it('divides α by the pairs of conditions, is repeatable, and every option counts', async () => {
    const base = { runsPerCondition: 8, effectSize: 1, simulations: 2000, targetPower: 0.1 };
    const plan = await plannedPower(base);
    expect(plan).toEqual(await plannedPower(base));
    const three = await plannedPower({ ...base, conditions: 3 });
    expect(three).toMatchObject({ alpha: 0.05, level: expect.closeTo(0.05 / 3, 12), cost: { runs: 24 } });
    expect(three.power).toBeLessThan(plan.power);
    expect((await plannedPower({ ...base, seed: 2 })).power).not.toBe(plan.power);
    expect((await plannedPower({ ...base, alternative: 'greater' })).power).toBeGreaterThan(plan.power);
    expect((await plannedPower({ ...base, runsPerCondition: 1, test: 't' })).power).toBe(0);
  });

  it('is refused where it makes no sense', async () => {
    const refused = (options: object, message: RegExp) =>
      expect(plannedPower({ runsPerCondition: 3, effectSize: 1, ...options })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      });
    await refused({ runsPerCondition: 0 }, /runsPerCondition/);
    await refused({ runsPerCondition: 101 }, /runsPerCondition/);
    await refused({ effectSize: Number.NaN }, /effectSize/);
    await refused({ test: 'sign' }, /test/);
    await refused({ alpha: 5 }, /alpha/);
    await refused(
      { correlation: 0.5 },
      /correlation: expected 0 unless the test is signed-rank or paired-t, got 0\.5/,
    );
    await refused({ test: 'paired-t', correlation: 1 }, /correlation/);
    await refused({ hoursPerRun: 0 }, /hoursPerRun/);
    await refused({ draws: 7 }, /draws/);
  });

  it('leaves the event loop free and stops when it is aborted', async () => {
    const controller = new AbortController();
    let beats = 0;
    const heart = setInterval(() => {
      beats += 1;
      if (beats === 3) controller.abort();
    }, 5);
    const plan = plannedPower({
      runsPerCondition: 20,
      effectSize: 0.3,
      simulations: 1_000_000,
      signal: controller.signal,
    });
    await expect(plan).rejects.toMatchObject({ code: 'ABORTED' });
    clearInterval(heart);
    expect(beats).toBeLessThan(6);
  });
});

describe('what a sweep can show at most', () => {
  it('is said where a rank test cannot give p ≤ 0.05', () => {
    expect(plannedComparison(3, 2)).toEqual({
      seeds: 3,
      pairs: 1,
      minimumPValue: { rankSum: expect.closeTo(0.1, 12), signedRank: 0.25 },
      smallestHolm: { rankSum: expect.closeTo(0.1, 12), signedRank: 0.25 },
      notes: [
        'with 3 seeds the rank-sum test cannot give less than p = 0.1, the signed-rank test 0.25; ' +
          'p ≤ 0.05 needs at least 4 and 6 seeds (see rdrop stats power)',
      ],
    });
    expect(plannedComparison(4, 3).notes).toEqual([
      'with 4 seeds the rank-sum test cannot give less than p = 0.0286, the signed-rank test 0.125, ' +
        'after Holm over 3 pairs 0.0857 and 0.375; p ≤ 0.05 needs at least 5 and 7 seeds (see rdrop stats power)',
    ]);
    expect(plannedComparison(5, 2).notes[0]).toMatch(/^with 5 seeds the signed-rank .*0\.0625; .* 6 seeds/);
    expect(plannedComparison(1, 2).notes[0]).toMatch(/^with 1 seed the rank-sum .* p = 1,/);
  });

  it('is not said where there is nothing to say', () => {
    expect(plannedComparison(6, 2).notes).toEqual([]);
    expect(plannedComparison(3, 1)).toEqual({
      seeds: 3,
      pairs: 0,
      minimumPValue: null,
      smallestHolm: null,
      notes: [],
    });
  });
});

// The evidence (docs/evidence.md): its plan, what is computed from the runs, and that page and committed results agree.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { analyze, passesOf, primary } from '../../benchmarks/evidence/analysis.mjs';
import { plots, tables } from '../../benchmarks/evidence/page.mjs';
import { studies } from '../../benchmarks/evidence/studies.mjs';
import { compareAllPairs, compareRuns } from '../../lib/statistics/comparison.js';

const { conditions } = studies.demo;

const root = new URL('../../', import.meta.url);
const results = new URL('benchmarks/results/evidence/', root);

describe('the plan', () => {
  it.each(Object.entries(studies))('%s tunes every condition alike, with seeds of its own', (_, study) => {
    const tuned = Object.entries(study.settings);
    expect(tuned.map(([condition]) => condition)).toEqual(
      study.conditions.filter((name) => !name.endsWith('-long')),
    );
    for (const [, grid] of tuned)
      expect(Object.values(grid).reduce((settings, { length }) => settings * length, 1)).toBe(4);
    expect(study.seeds.filter((seed) => study.tuningSeeds.includes(seed))).toEqual([]);
    expect(new Set(study.seeds).size).toBe(study.seeds.length);
  });
});

/** Six conditions of five seeds; the figures differ between conditions, and no two are equal. */
const runs = conditions.flatMap((condition, k) =>
  [3, 1, 2, 5, 4].map((seed) => ({
    ...{
      condition,
      seed,
      setting: { 'loss.alpha': k },
      test: 30 + k + Math.sin(seed * (k + 2)),
      validation: 31 + k,
    },
    ...{ updates: condition === 'one-pass-long' ? 200 : 100, bestUpdate: 50, seconds: 10 * seed },
    curve: [
      [50, 29 + k],
      [100, 31 + k],
    ],
  })),
);
const study = { metric: 'test BLEU', seeds: [1, 2, 3, 4, 5], runs };

describe('the analysis', () => {
  it('compares figures seed by seed, the primary comparison alone and all pairs by Holm', () => {
    const { conditions: rows, primary: first, pairs } = analyze(study);
    const figures = Object.fromEntries(
      conditions.map((condition) => [
        condition,
        study.seeds.map((seed) => runs.find((run) => run.condition === condition && run.seed === seed)!.test),
      ]),
    );
    expect(primary).toEqual(['uni', 'bi']);
    expect(first).toMatchObject({ a: 'uni', b: 'bi', ...compareRuns(figures['uni']!, figures['bi']!) });
    expect(pairs).toEqual(compareAllPairs(figures));
    expect(pairs).toHaveLength(15);
    const uni = rows.find(({ condition }) => condition === 'uni')!;
    expect(uni.mean).toBeCloseTo(figures['uni']!.reduce((a, b) => a + b) / 5, 12);
    expect(uni).toMatchObject({ runs: 5, passes: 200, secondsPerUpdate: 0.3, validation: 34 });
    expect(rows.map(({ condition, passes }) => [condition, passes])).toContainEqual(['one-pass-long', 200]);
    expect(['one-pass', 'one-pass-long', 'baseline', 'bi'].map(passesOf)).toEqual([1, 1, 2, 2]);
  });

  it('refuses a condition that lacks a seed', () => {
    expect(() => analyze({ ...study, runs: runs.slice(1) })).toThrow(
      /one-pass: expected a figure for each of 5 seeds/,
    );
    const broken = runs.map((run, i) => (i === 7 ? { ...run, test: Number.NaN } : run));
    expect(() => analyze({ ...study, runs: broken })).toThrow(/one-pass-long: expected/);
  });

  it('draws every run and the mean of each condition', () => {
    const { figures, cost } = plots(study);
    for (const condition of conditions) expect(figures).toContain(`>${condition}<`);
    expect(figures.match(/A1 1 0 1 1 1 -0\.1/g)).toHaveLength(runs.length);
    expect(cost).toContain('validation BLEU');
  });
});

describe('committed results', () => {
  const files = existsSync(results) ? readdirSync(results).filter((name) => name.endsWith('.json')) : [];
  const page = readFileSync(new URL('docs/evidence.md', root), 'utf8');

  it.each(files)('%s holds every run of its plan, and gives the tables of the page', (name) => {
    const found = JSON.parse(readFileSync(new URL(name, results), 'utf8'));
    const plan = studies[found.study as keyof typeof studies];
    expect(found.plan).toEqual(JSON.parse(JSON.stringify(plan)));
    expect(found.runs).toHaveLength(plan.conditions.length * plan.seeds.length);
    expect(analyze(found)).toEqual(found.analysis);
    for (const part of Object.values(tables(found))) expect(page).toContain(part);
  });
});

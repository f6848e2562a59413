import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import * as z from 'zod';
import { describe, parseConfig } from '../options/schema/parse.js';
import { directionOf, lossOfDirection } from '../sweep/direction_loss.js';
import { currentDirection, trialDirectory } from '../sweep/earlier_names.js';
import { atPoint } from '../sweep/grid.js';
import { decidedRungs, droppedAfter } from '../sweep/halving.js';
import { conditionName, searchedPoints } from '../sweep/search.js';
import { currentLineType } from '../training/metrics.js';
import { checkRunText } from '../training/run/run_text.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import { fileError, readJsonFile } from '../util/files/files.js';
import { withConditions } from './conditions.js';
import type { CurvePoint, RunSummary } from './run_summary.js';

const optionalNumber = z.number().nullish();
const resultFile = z.looseObject({
  updates: optionalNumber,
  epochs: optionalNumber,
  seconds: optionalNumber,
  bestUpdate: optionalNumber,
  validBleu: optionalNumber,
  validScore: z.looseObject({ name: z.string(), value: z.number() }).nullish(),
  testBleu: z.looseObject({ score: z.number(), signature: z.string().optional() }).nullish(),
  testScore: z
    .looseObject({
      name: z.string(),
      score: z.number(),
      signature: z.string().optional(),
      mode: z.enum(['max', 'min']),
    })
    .nullish(),
  parameters: optionalNumber,
  scores: z
    .array(
      z.looseObject({
        name: z.string(),
        score: z.number(),
        signature: z.string(),
        higherIsBetter: z.boolean(),
      }),
    )
    .nullish(),
});
const sweepFile = z.looseObject({
  seeds: z.array(z.number()).min(1),
  directions: z.array(z.string()).min(1),
  grid: z.record(z.string(), z.array(z.union([z.number(), z.string(), z.boolean()]))).optional(),
  search: z.string().optional(),
  config: z.record(z.string(), z.unknown()).optional(),
  data: z.record(z.string(), z.string()).optional(),
});
const configFile = z.looseObject({
  seed: z.number(),
  loss: z.looseObject({ direction: z.string(), alpha: z.number(), passes: z.number().optional() }),
});
const metricsLine = z.looseObject({
  type: z.string(),
  update: z.number(),
  loss: optionalNumber,
  bleu: optionalNumber,
  scores: z.record(z.string(), z.number()).nullish(),
  metrics: z.record(z.string(), z.number()).nullish(),
  kl: optionalNumber,
  learningRate: optionalNumber,
});

/**
 * The runs of sweep directories (with every trial of their plan, begun or not) and run directories.
 *
 * @throws RdropError INVALID_ARGUMENT (no directory, the same condition and seed twice), FILE_NOT_FOUND, FILE_UNREADABLE,
 *   MALFORMED_FILE.
 */
export async function readRuns(
  directories: readonly string[],
  verify = true,
  signal?: AbortSignal,
): Promise<RunSummary[]> {
  if (directories.length === 0) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      'report: expected at least one run or sweep directory, got none',
    );
  }
  const runs: { directory: string; run: RunSummary }[] = [];
  const add = async (directory: string, expected?: ExpectedTrial) => {
    throwIfAborted(signal, 'the report');
    const run = await readRun(directory, expected);
    if (verify && run.state !== 'missing') await checkRunText(directory, false);
    runs.push({ directory, run });
  };
  for (const directory of directories) {
    if (typeof directory !== 'string') {
      throw new RdropError('INVALID_ARGUMENT', `report: expected a directory, got ${describe(directory)}`);
    }
    const plan = join(directory, 'sweep.json');
    if (await pathExists(plan)) {
      const { seeds, directions, config, data, ...searched } = parseFile(
        sweepFile,
        await readJsonFile(plan),
        plan,
      );
      const search = searched.search === undefined ? {} : { search: searched.search };
      const dropped = droppedAfter(await decidedRungs({ directory, ...search }));
      for (const direction of new Set(directions.map(currentDirection))) {
        for (const seed of seeds) {
          for (const point of searchedPoints(searched, direction)) {
            const name = `${direction}-${seed}${point.suffix}`;
            const trial = await trialDirectory(directory, { name, direction, seed });
            const rung = dropped.get(conditionName(direction, point));
            const own = config && atPoint(config, point);
            await add(trial, { direction, seed, config: own, data, rung });
          }
        }
      }
    } else if (await pathExists(join(directory, 'config.json'))) {
      await add(directory);
    } else {
      throw new RdropError(
        'FILE_NOT_FOUND',
        `${directory}: expected a run directory (with a config.json) or a sweep (with a sweep.json), got neither`,
      );
    }
  }
  const named = withConditions(runs.map(({ run }) => run));
  named.forEach(({ condition, direction, seed }, i) => {
    const other = named.findIndex((one) => one.condition === condition && one.seed === seed);
    if (other === i) return;
    const [first, second] = [other, i].map((at) => runs[at]?.directory);
    throw new RdropError(
      'INVALID_ARGUMENT',
      `report: expected one run of each condition and seed, got ${first} and ${second}, which both are ` +
        `${condition === direction ? `direction ${direction}` : `condition ${condition}`} and seed ${seed}`,
    );
  });
  return named;
}

/** A trial of a sweep's plan, which may not have begun. */
interface ExpectedTrial {
  direction: string;
  seed: number;
  /** What all trials share, and their data; absent in plans of other programs. */
  config?: Record<string, unknown> | undefined;
  data?: Record<string, string> | undefined;
  /** The rung of a halving after which it was dropped. */
  rung?: number | undefined;
}

/** The configuration that a trial will have. */
function plannedConfig({ direction, seed, config }: ExpectedTrial): Record<string, unknown> | undefined {
  if (config === undefined) return undefined;
  const loss = {
    ...(config['loss'] as object | undefined),
    ...lossOfDirection(direction),
  };
  return { ...config, seed, loss };
}

async function readRun(directory: string, expected?: ExpectedTrial): Promise<RunSummary> {
  const name = basename(resolve(directory));
  const at = (file: string) => join(directory, file);
  const optional = async (file: string) => ((await pathExists(at(file))) ? readJsonFile(at(file)) : null);
  if (expected && !(await pathExists(at('config.json')))) {
    const { direction, seed, data } = expected;
    const config = plannedConfig(expected);
    return {
      direction,
      seed,
      name,
      directory,
      state: 'missing',
      testScore: null,
      seconds: null,
      curve: [],
      ...(config !== undefined && { config }),
      ...(data !== undefined && { environment: { data } }),
    };
  }
  const config = parseFile(configFile, await readJsonFile(at('config.json')), at('config.json'));
  const run: RunSummary = {
    direction: expected?.direction ?? directionOf(config.loss),
    seed: expected?.seed ?? config.seed,
    name,
    directory,
    state: 'unfinished',
    testScore: null,
    seconds: null,
    curve: await readCurve(at('metrics.jsonl')),
    config,
  };
  const last = run.curve.at(-1);
  if (last) run.updates = last.update;
  const environment = await optional('environment.json');
  if (environment !== null) {
    run.environment = parseFile(z.looseObject({}), environment, at('environment.json'));
  }
  const written = await optional('result.json');
  if (written === null) {
    const { rung } = expected ?? {};
    return rung === undefined ? run : { ...run, state: 'dropped', rung };
  }
  const { testBleu, testScore, seconds, validBleu, validScore, scores, ...others } = parseFile(
    resultFile,
    written,
    at('result.json'),
  );
  run.state = 'finished';
  // Runs of earlier versions have BLEU alone.
  const test = testScore ?? testBleu;
  run.testScore = test?.score ?? null;
  run.seconds = seconds ?? null;
  run.validScore = validScore?.value ?? validBleu ?? null;
  if (test?.signature !== undefined) run.signature = test.signature;
  if (testScore) run.metric = { name: testScore.name, higherIsBetter: testScore.mode === 'max' };
  if (scores) run.scores = scores;
  for (const key of ['updates', 'epochs', 'bestUpdate', 'parameters'] as const) {
    const value = others[key];
    if (value !== null && value !== undefined) run[key] = value;
  }
  return run;
}

/** The points of metrics.jsonl. A last line that a killed process left unfinished is passed over. */
async function readCurve(path: string): Promise<CurvePoint[]> {
  if (!(await pathExists(path))) return [];
  const lines = (await readText(path)).split('\n');
  const points = new Map<number, CurvePoint>();
  lines.forEach((line, i) => {
    if (line.trim() === '') return;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      if (i === lines.length - 1) return;
      throw new RdropError('MALFORMED_FILE', `${path}:${i + 1}: expected a JSON object`, { cause: error });
    }
    const {
      type: written,
      update,
      loss,
      bleu,
      scores,
      kl,
      metrics,
      learningRate,
    } = parseFile(metricsLine, value, `${path}:${i + 1}`);
    const type = currentLineType(written);
    const point = points.get(update) ?? { update };
    points.set(update, point);
    if (type === 'train') {
      if (typeof loss === 'number') point.trainLoss = loss;
      if (typeof kl === 'number') point.kl = kl;
      if (typeof learningRate === 'number') point.learningRate = learningRate;
    }
    if (type === 'validation' && typeof loss === 'number') point.validLoss = loss;
    if (type === 'validation' && typeof bleu === 'number') point.validBleu = bleu;
    if (type === 'validation' && scores) point.scores = scores;
    if (type === 'validation' && metrics) point.metrics = metrics;
  });
  return [...points.values()].sort((one, other) => one.update - other.update);
}

function parseFile<S extends z.ZodType>(schema: S, value: unknown, path: string): z.output<S> {
  try {
    return parseConfig(schema, value, path);
  } catch (error) {
    throw new RdropError('MALFORMED_FILE', (error as Error).message, { cause: error });
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw fileError(error, path, 'read');
  }
}

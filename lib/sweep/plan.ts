/**
 * The plan of a sweep: which trials there are, with which configuration, and how far each has come on disk.
 */

import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { overPreset, resolveTrainOptions } from '../options/presets.js';
import type { GridValue, SweepConfig, TrialDirection } from '../options/sweep.js';
import { metricsText } from '../options/tasks/names.js';
import { type TrainConfig, type TrainOptions, trainSchema } from '../options/training.js';
import { type DataHashes, differences, hashData, readRunConfig } from '../training/run/run_directory.js';
import { RdropError } from '../util/errors.js';
import { pathExists } from '../util/files/exists.js';
import { fileError, readJsonFile, writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { hasAlpha, lossOfDirection } from './direction_loss.js';
import { currentDirection, trialDirectory } from './earlier_names.js';
import { atPoint } from './grid.js';
import { checkSearch, searchedPoints, searchOf } from './search.js';
import { gpuSlots, plainSlots, type Slot, slotsOf } from './slots.js';

/** The configuration that all trials of a sweep share; each trial adds its own seed, direction and directory. */
export type SweepTrainOptions = Omit<TrainOptions, 'runDirectory' | 'seed'>;

export interface Trial {
  /** `<direction>-<seed>` and the point of the grid, also the name of its directory unless an earlier version made it. */
  name: string;
  direction: TrialDirection;
  seed: number;
  directory: string;
  config: TrainConfig;
}

/** sweep.json. */
export interface SweepPlan {
  version: 1;
  seeds: number[];
  directions: TrialDirection[];
  /** Further options and the values that each takes; not there without any. */
  grid?: Record<string, GridValue[]>;
  /** Which points of the grid, or how far they are trained; not there without one. */
  search?: string;
  /** What the trials share: a TrainConfig without seed, run directory, direction and threads. */
  config: Record<string, unknown>;
  /** SHA-256 of the files of the data directory that a run reads. */
  data: DataHashes;
}

/** new: no run is there; interrupted: one that has no result yet; finished: one that has. */
export type TrialState = 'new' | 'interrupted' | 'finished';

/** The trials in the order in which they run: seed by seed, so that an unfinished sweep already compares its directions. */
export function planTrials(
  options: SweepTrainOptions,
  sweep: SweepConfig,
  slots: readonly Slot[] = [],
): Trial[] {
  const shared = overPreset(options, 'config') as SweepTrainOptions;
  const asked = shared.threads ?? 0;
  checkSearch(sweep, resolveTrainOptions({ ...shared, runDirectory: sweep.directory }, 'config'));
  const threads = asked > 0 || sweep.queue !== undefined ? asked : (slots[0]?.threads ?? 1);
  return combinations(sweep).map(({ seed, direction, point }): Trial => {
    const name = `${direction}-${seed}${point.suffix}`;
    const directory = join(resolve(sweep.directory), name);
    const own = { data: resolve(shared.data), seed, threads, runDirectory: directory };
    const config = resolveTrainOptions({ ...atPoint(shared, point), ...own }, 'config');
    if (config.init !== undefined) config.init = resolve(config.init);
    const { loss, validation } = config;
    if (typeof validation.metric !== 'string') {
      throw new RdropError(
        'INVALID_CONFIG',
        `config.validation.metric: expected ${metricsText(config.task)}, since the processes of a sweep have no hook \`validate\`, got ` +
          JSON.stringify(validation.metric),
      );
    }
    if (!hasAlpha(direction) || loss.alpha > 0) config.loss = { ...loss, ...lossOfDirection(direction) };
    else {
      throw new RdropError(
        'INVALID_CONFIG',
        `config.loss.alpha: expected more than 0 for the direction ${direction}, got 0; the direction baseline is α 0`,
      );
    }
    return { name, direction, seed, directory, config };
  });
}

/** Seed by seed, direction by direction, point by point. */
const combinations = (sweep: SweepConfig) =>
  sweep.seeds.flatMap((seed) =>
    sweep.directions.flatMap((direction) =>
      searchedPoints(sweep, direction).map((point) => ({ seed, direction, point })),
    ),
  );

/** The trial where it lies: in the directory that an earlier version made, if there is one. */
export async function placeTrial(trial: Trial): Promise<Trial> {
  const directory = await trialDirectory(dirname(trial.directory), trial);
  return { ...trial, directory, config: { ...trial.config, runDirectory: directory } };
}

/**
 * Where the trials of a sweep on this machine run, one at a time in each.
 *
 * @throws RdropError INVALID_CONFIG where slots are not of the device or on this machine
 */
export function sweepSlots({ device = 'auto' }: SweepTrainOptions, sweep: SweepConfig): Slot[] {
  const { parallel, slots } = sweep;
  const trials = combinations(sweep).length;
  if (slots === undefined) {
    const gpus = parallel === 0 ? gpuSlots(device) : null;
    if (gpus !== null) return gpus.slice(0, trials);
    return plainSlots(Math.min(parallel === 0 ? availableParallelism() : parallel, trials));
  }
  if (parallel !== 0) {
    throw new RdropError(
      'INVALID_CONFIG',
      `sweep.slots: expected slots or parallel, got both, and parallel ${parallel}`,
    );
  }
  const asked = slotsOf(slots, 'sweep.slots');
  if (device !== 'auto' && device !== asked[0]?.device) {
    throw new RdropError(
      'INVALID_CONFIG',
      `sweep.slots: expected slots for the device ${device}, got ${JSON.stringify(slots)}`,
    );
  }
  return asked.slice(0, trials);
}

/**
 * Writes sweep.json, or compares it with the one that is there: the same configuration and data with further seeds or
 * directions extends the plan; anything else is another sweep.
 *
 * @throws RdropError RUN_EXISTS, MALFORMED_FILE, FILE_UNWRITABLE
 */
export async function openPlan(shared: SweepTrainOptions, sweep: SweepConfig): Promise<SweepPlan> {
  const config = resolveTrainOptions({ ...shared, runDirectory: sweep.directory }, 'config');
  const plan: SweepPlan = {
    version: 1,
    seeds: sweep.seeds,
    directions: sweep.directions,
    ...(Object.keys(sweep.grid).length > 0 && { grid: sweep.grid }),
    ...(sweep.search !== undefined && { search: sweep.search }),
    config: sharedConfig(config),
    data: await hashData(config.data, sweep.verify),
  };
  const path = join(resolve(sweep.directory), 'sweep.json');
  const there = (await pathExists(path)) ? ((await readJsonFile(path)) as Partial<SweepPlan>) : null;
  if (there) {
    const found = planDifferences(there, plan);
    if (found.length > 0) {
      throw new RdropError(
        'RUN_EXISTS',
        `${path}: another sweep is there, it differs in ${found.join(', ')}; choose another directory`,
      );
    }
    Object.assign(plan, largerSearch(there, plan));
    plan.seeds = union(there.seeds ?? [], plan.seeds);
    const begun = [...(there.directions ?? [])].map(currentDirection) as TrialDirection[];
    plan.directions = union(begun, plan.directions);
    for (const [path, values] of Object.entries(plan.grid ?? {}))
      (plan.grid as Record<string, GridValue[]>)[path] = union(there.grid?.[path] ?? [], values);
    if (isDeepStrictEqual(there, JSON.parse(JSON.stringify(plan)))) return plan;
  }
  try {
    await makePath(resolve(sweep.directory));
  } catch (error) {
    throw fileError(error, sweep.directory, 'write');
  }
  await writeFileAtomically(path, `${JSON.stringify(plan, null, 2)}\n`);
  return plan;
}

/** Of two random searches with one seed the larger, whose points are those of the other and further ones. */
function largerSearch(there: Partial<SweepPlan>, plan: SweepPlan): Pick<SweepPlan, 'search'> {
  const [a, b] = [searchOf(there), searchOf(plan)];
  const larger = a?.kind === 'random' && b?.kind === 'random' && a.samples > b.samples;
  return larger ? { search: there.search as string } : {};
}

const union = <T>(a: readonly T[], b: readonly T[]): T[] => [...new Set([...a, ...b])];

function planDifferences(there: Partial<SweepPlan>, plan: SweepPlan): string[] {
  const found = there.version === plan.version ? [] : ['version'];
  // With the defaults of options that are younger than the plan.
  const shared = parseShared(there.config);
  found.push(...differences(shared, plan.config, 'config'));
  const paths = (grid: object = {}) => Object.keys(grid).sort().join(', ');
  if (paths(there.grid) !== paths(plan.grid)) found.push('the options of its grid');
  found.push(...searchDifferences(there, plan));
  if (!isDeepStrictEqual(there.data, plan.data)) found.push('the content of the data directory');
  return found;
}

/** A search is of one set of values: which points it draws, or which conditions are compared, depends on all of them. */
function searchDifferences(there: Partial<SweepPlan>, plan: SweepPlan): string[] {
  const kind = (of: Partial<SweepPlan>) => {
    const search = searchOf(of);
    return search?.kind === 'random' ? { ...search, samples: 0 } : search;
  };
  if (!isDeepStrictEqual(kind(there), kind(plan))) return ['its search'];
  if (plan.search === undefined) return [];
  const found = isDeepStrictEqual(there.grid, plan.grid) ? [] : ['the values of its grid'];
  if (searchOf(plan)?.kind === 'halving')
    for (const key of ['seeds', 'directions'] as const)
      if (!isDeepStrictEqual(there[key], plan[key])) found.push(`its ${key}`);
  return found;
}

/** A plan's configuration with every default; one that is no configuration comes back as it is, and differs. */
function parseShared(config: unknown): unknown {
  const parsed = trainSchema.safeParse({ ...(config as object), data: '.', runDirectory: '.' });
  return parsed.success ? sharedConfig(parsed.data) : config;
}

/** Without what belongs to one trial, and without where the data lies: its content counts. */
function sharedConfig(config: TrainConfig): Record<string, unknown> {
  const { seed, runDirectory, threads, data, loss, ...shared } = config;
  const { direction, ...sharedLoss } = loss;
  return { ...shared, loss: sharedLoss };
}

/**
 * How far a trial has come.
 *
 * @throws RdropError RUN_EXISTS when its directory holds a run of another configuration
 */
export async function trialState(trial: Trial): Promise<TrialState> {
  if (!(await pathExists(join(trial.directory, 'config.json')))) return 'new';
  const found = configDifferences(await readRunConfig(trial.directory), trial);
  if (found.length > 0) {
    throw new RdropError(
      'RUN_EXISTS',
      `${trial.directory}: a run of another configuration is there, it differs in ${found.join(', ')}`,
    );
  }
  return (await pathExists(join(trial.directory, 'result.json'))) ? 'finished' : 'interrupted';
}

/** The options in which a run is not the one that a trial would begin. */
export function configDifferences(run: TrainConfig, trial: Trial): string[] {
  // Where the directories lie and how many threads work does not make another run.
  const comparable = (config: TrainConfig) => ({
    ...{ ...config, data: '', runDirectory: '', threads: 0 },
    ...(config.init !== undefined && { init: '' }),
  });
  // A run's configuration says what 'auto' stood for where it began, and it continues there.
  const { device, precision } = trial.config;
  const begun = {
    ...trial.config,
    ...(device === 'auto' && { device: run.device }),
    ...(precision === 'auto' && { precision: run.precision }),
  };
  return differences(comparable(run), comparable(begun), 'config');
}

/** The search of a sweep: which points of its grid are trained, and what does not go together with it. */
import { parseSearch, type WrittenSearch } from '../options/search.js';
import type { GridValue, SweepConfig } from '../options/sweep.js';
import type { TrainConfig } from '../options/training.js';
import { RdropError } from '../util/errors.js';
import { NumpyRandom } from '../util/random/numpy_random.js';
import { type GridPoint, gridPoints } from './grid.js';

/** What says which points a sweep has: its options, or its sweep.json. */
export interface SearchedGrid {
  grid?: Record<string, GridValue[]> | undefined;
  search?: string | undefined;
}

/** Null without a search. */
export const searchOf = ({ search }: SearchedGrid): WrittenSearch | null =>
  search === undefined ? null : parseSearch(search);

/**
 * The points of a direction that are trained, in the order of the grid: all, or those that the random search chose. More samples with
 * the same seed choose the same points and further ones. A point of the baseline stands for all that differ in α alone.
 */
export function searchedPoints(searched: SearchedGrid, direction: string): GridPoint[] {
  const { grid = {} } = searched;
  const points = gridPoints(grid, direction);
  const search = searchOf(searched);
  if (search?.kind !== 'random') return points;
  // Options in an order of their own, since that of the grid is nobody's choice.
  const all = gridPoints(Object.fromEntries(Object.entries(grid).sort(([a], [b]) => (a < b ? -1 : 1))), '');
  const order = new NumpyRandom(search.seed).permutation(all.length);
  const chosen = [...order].slice(0, search.samples).map((i) => new Map((all[i] as GridPoint).values));
  return points.filter(({ values }) =>
    chosen.some((point) => values.every(([path, value]) => point.get(path) === value)),
  );
}

/** A condition of a sweep, under which it is compared: `uni-alpha=5`. */
export const conditionName = (direction: string, { suffix }: Pick<GridPoint, 'suffix'>): string =>
  direction + suffix;

interface NamedTrial {
  name: string;
  direction: string;
  seed: number;
}

/** A trial by its name; null where no trial is called so. */
export function namedTrial(name: string): NamedTrial | null {
  const [, direction, seed] = /^(one-pass|baseline|uni-reverse|uni|bi)-(\d+)/.exec(name) ?? [];
  return direction === undefined ? null : { name, direction, seed: Number(seed) };
}

/** `uni-alpha=5` of the trial `uni-63-alpha=5`. */
export const conditionOfTrial = ({ name, direction, seed }: NamedTrial): string =>
  direction + name.slice(`${direction}-${seed}`.length);

/** Every condition of a sweep: directions, each at its points. */
export const conditionsOf = (sweep: SearchedGrid & { directions: readonly string[] }): string[] =>
  sweep.directions.flatMap((direction) =>
    searchedPoints(sweep, direction).map((point) => conditionName(direction, point)),
  );

/** Options that no condition of halving may have a value of its own of: with them the scores are not of one scale or one time. */
const notCompared = (path: string, metric: string): boolean =>
  /^(maxUpdates|maxEpochs|maxMinutes|validation\..*)$/.test(path) ||
  (metric === 'loss' && /^loss\.(smoothing|labelSmoothing|classWeights)$/.test(path));

/**
 * @param shared what the trials share
 * @throws RdropError INVALID_CONFIG for a search that does not go together with the rest
 */
export function checkSearch(
  sweep: SweepConfig,
  shared: Pick<TrainConfig, 'maxUpdates' | 'validation' | 'distributed'>,
): void {
  const search = searchOf(sweep);
  if (search === null) return;
  const wrong = (text: string) => new RdropError('INVALID_CONFIG', `sweep.search: ${text}`);
  const got = `got ${JSON.stringify(sweep.search)}`;
  if (search.kind === 'random') {
    const points = gridPoints(sweep.grid, '').length;
    if (Object.keys(sweep.grid).length === 0)
      throw wrong(`expected a grid beside it, whose points are drawn, ${got}`);
    if (search.samples > points)
      throw wrong(`expected at most as many samples as the grid has points, ${points}, ${got}`);
    return;
  }
  const conditions = conditionsOf(sweep).length;
  const metric = String(shared.validation.metric);
  const apart = Object.keys(sweep.grid).find((path) => notCompared(path, metric));
  if (sweep.queue !== undefined)
    throw wrong(`expected no halving on a queue, whose trials are trained to their end, ${got}`);
  if (shared.distributed !== undefined) throw wrong(`expected trials of one process each, ${got}`);
  if (shared.maxUpdates === 0)
    throw wrong(`expected config.maxUpdates above 0, which the last rung has, ${got}`);
  if (conditions < search.factor)
    throw wrong(`expected at least ${search.factor} conditions, the sweep has ${conditions}, ${got}`);
  if (apart !== undefined)
    throw wrong(
      `expected conditions whose validation ${metric} can be compared after equal updates, got ${apart} in the grid`,
    );
}

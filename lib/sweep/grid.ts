/** The points of a sweep's grid: values of options besides the direction and the seed. */

import type { GridValue } from '../options/sweep.js';
import { RdropError } from '../util/errors.js';
import { hasAlpha } from './direction_loss.js';

/** One point: each option of the grid with one of its values. */
export interface GridPoint {
  values: readonly (readonly [path: string, value: GridValue])[];
  /** What a trial's name carries after direction and seed: `-alpha=5-dropout=0.1`, nothing without a grid. */
  suffix: string;
}

export type Grid = Readonly<Record<string, readonly GridValue[]>>;

/** The last parts of paths, or the whole where two end alike. */
function shortNames(paths: readonly string[]): Map<string, string> {
  const last = (path: string): string => path.split('.').at(-1) as string;
  return new Map(
    paths.map((path) => [
      path,
      paths.filter((other) => last(other) === last(path)).length > 1 ? path : last(path),
    ]),
  );
}

/** The points of a direction, in the order of the grid, its last option fastest. Without a KL term there is no α, and no point for each. */
export function gridPoints(grid: Grid, direction: string): GridPoint[] {
  const paths = Object.keys(grid).filter((path) => hasAlpha(direction) || path !== 'loss.alpha');
  const short = shortNames(Object.keys(grid));
  let points: (readonly [string, GridValue])[][] = [[]];
  for (const path of paths)
    points = points.flatMap((point) => (grid[path] ?? []).map((value) => [...point, [path, value] as const]));
  return points.map((values) => ({
    values,
    suffix: values.map(([path, value]) => `-${short.get(path)}=${value}`).join(''),
  }));
}

/** A copy of options with the values of a point. @throws RdropError INVALID_CONFIG for a path below what is no group of options */
export function atPoint<T extends object>(options: T, { values }: Pick<GridPoint, 'values'>): T {
  const copy = structuredClone(options) as Record<string, unknown>;
  for (const [path, value] of values) {
    const keys = path.split('.');
    let at = copy;
    for (const key of keys.slice(0, -1)) {
      const below = at[key] ?? {};
      if (typeof below !== 'object' || Array.isArray(below)) {
        throw new RdropError(
          'INVALID_CONFIG',
          `sweep.grid: expected the path of an option, got ${JSON.stringify(path)}`,
        );
      }
      at[key] = below;
      at = below as Record<string, unknown>;
    }
    at[keys.at(-1) as string] = value;
  }
  return copy as T;
}

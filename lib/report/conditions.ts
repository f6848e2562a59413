/**
 * Which runs of a report are the same condition under other seeds, and what each condition is called. All that can change a result
 * makes a condition: every option but those below, the content of the data, and the versions of rdrop and libtorch.
 */

import { basename } from 'node:path';
import { trainSchema } from '../options/training.js';
import { hasAlpha } from '../sweep/direction_loss.js';
import type { RunSummary } from './run_summary.js';
import type { ReportTable } from './table.js';

/** Options over which runs are pooled: the seed on purpose, the others since they change no result, or by rounding alone. */
const pooledOptions = new Set([
  'seed',
  'runDirectory',
  'data',
  'threads',
  'logInterval',
  'checkpointInterval',
  'tensorboard',
]);
/** Of the environment: what is pooled, and named where it differs. */
const pooledEnvironment = ['processor', 'instructionSet', 'platform', 'architecture', 'node', 'threads'];
/** Of the environment: what makes a condition, under the name that it gets. */
const versions = [
  ['rdrop', 'rdrop'],
  ['compiledAgainst', 'libtorch'],
] as const;

/** More differing options than these are not all spelled out in a name. */
const mostNamed = 4;

/** The group in which a run is pooled. */
export const conditionOf = ({ condition, direction }: RunSummary): string => condition ?? direction;

type Values = ReadonlyMap<string, string>;

/** 'a.b' → its value as text, of every option; with the defaults of options that are younger than the run. */
export function flatOptions(config: Record<string, unknown>): Map<string, string> {
  const parsed = trainSchema.safeParse({ data: '.', runDirectory: '.', ...config });
  return flatten(parsed.success ? parsed.data : config);
}

const text = (value: unknown): string =>
  typeof value === 'string' ? value : (JSON.stringify(value) ?? 'absent');

function flatten(value: object, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? [...flatten(inner, `${prefix}${key}.`)]
        : inner === undefined
          ? []
          : [[`${prefix}${key}`, text(inner)]],
    ),
  );
}

/** Options that some directions fix. */
const ofDirection = new Set(['loss.alpha', 'loss.passes']);

/** Whether a direction says what an option is. */
const impliedBy = (direction: string, key: string): boolean =>
  (key === 'loss.alpha' && !hasAlpha(direction)) || (key === 'loss.passes' && direction === 'one-pass');

/** What is known of a run that makes its condition; null where nothing is. */
function valuesOf({ direction, config, environment, state }: RunSummary): Values | null {
  if (config === undefined) return null;
  const values = new Map<string, string>();
  for (const [key, value] of flatOptions(config)) {
    // The direction is part of the name already, and so is what it fixes.
    if (pooledOptions.has(key) || key === 'loss.direction' || impliedBy(direction, key)) continue;
    // What 'auto' will stand for is not known before the run has begun.
    if (state === 'missing' && value === 'auto') continue;
    values.set(key, value);
  }
  for (const [key, name] of versions) {
    const value = environment?.[key];
    if (value !== undefined) values.set(name, text(value));
  }
  const hashes = environment?.['data'];
  if (typeof hashes === 'object' && hashes !== null) {
    values.set(
      'data',
      JSON.stringify(Object.entries(hashes).sort(([one], [other]) => (one < other ? -1 : 1))),
    );
  } else if (typeof config['data'] === 'string') values.set('data', config['data']);
  return values;
}

/** The options in which runs differ, in the order of the configuration, with each run's own values. */
function differing(runs: readonly RunSummary[]): { keys: string[]; of: (run: RunSummary) => Values | null } {
  const values = new Map(runs.map((run) => [run, valuesOf(run)]));
  const known = [...values.values()].filter((each) => each !== null);
  const begun = runs.flatMap((run) => (run.state === 'missing' ? [] : (values.get(run) ?? [])));
  const keys = [...new Set(known.flatMap((each) => [...each.keys()]))].filter((key) => {
    const found = new Set(known.flatMap((each) => each.get(key) ?? []));
    // An option that a run does not have; of those that have not begun some are not known yet.
    const lacking = !ofDirection.has(key) && found.size > 0 && begun.some((each) => !each.has(key));
    const ofEnvironment = key === 'data' || versions.some(([, name]) => name === key);
    return found.size > 1 || (lacking && !ofEnvironment);
  });
  // The loss is what these runs are about.
  const ofLoss = (key: string) => key.startsWith('loss.');
  return {
    keys: [...keys.filter(ofLoss), ...keys.filter((key) => !ofLoss(key))],
    of: (run) => values.get(run) ?? null,
  };
}

/** How the data are called: by their directory where that tells them apart, else by their hash. */
function dataNames(runs: readonly RunSummary[], of: (run: RunSummary) => Values | null): Map<string, string> {
  const places = new Map<string, string>();
  for (const run of runs) {
    const hash = of(run)?.get('data');
    const path = run.config?.['data'];
    if (hash !== undefined && !places.has(hash))
      places.set(hash, typeof path === 'string' ? basename(path) : '');
  }
  const distinct = new Set(places.values()).size === places.size && ![...places.values()].includes('');
  return new Map(
    [...places].map(([hash, place], i) => [hash, distinct ? place : String.fromCharCode(65 + (i % 26))]),
  );
}

/** The last part of an option's path where that is clear. */
function shortNames(keys: readonly string[]): Map<string, string> {
  const last = (key: string) => key.split('.').at(-1) as string;
  return new Map(
    keys.map((key) => [key, keys.filter((other) => last(other) === last(key)).length > 1 ? key : last(key)]),
  );
}

/**
 * The runs with the name of their condition: the direction, then every option in which some of these runs differ. A trial that has
 * not begun and of which something is not known yet joins the one condition that it can belong to.
 */
export function withConditions(runs: readonly RunSummary[]): RunSummary[] {
  const { keys, of } = differing(runs);
  if (keys.length === 0) return runs.map((run) => ({ ...run, condition: run.direction }));
  const short = shortNames(keys);
  const data = dataNames(runs, of);
  const part = (key: string, value: string) =>
    `${short.get(key)}=${key === 'data' ? (data.get(value) ?? value) : value}`;
  const named = (run: RunSummary, values: Values): string => {
    const own = keys.filter((key) => values.has(key) || !impliedBy(run.direction, key));
    const parts = own.map((key) => part(key, values.get(key) ?? 'absent'));
    return [run.direction, ...parts.slice(0, mostNamed)].join(', ');
  };
  const complete = (values: Values | null, direction: string) =>
    values !== null && keys.every((key) => values.has(key) || impliedBy(direction, key));
  const groups = new Map<string, { direction: string; values: Values }>();
  const identity = (run: RunSummary, values: Values) =>
    JSON.stringify([run.direction, ...keys.map((key) => values.get(key) ?? null)]);
  for (const run of runs) {
    const values = of(run);
    if (values !== null && (run.state !== 'missing' || complete(values, run.direction)))
      groups.set(identity(run, values), { direction: run.direction, values });
  }
  const names = new Map<string, string>();
  for (const [id, { direction, values }] of groups) {
    const name = named({ direction } as RunSummary, values);
    // Options beyond those that are spelled out may be all that tells two conditions apart.
    const taken = [...names.values()].filter(
      (other) => other === name || other.startsWith(`${name} (`),
    ).length;
    names.set(id, taken === 0 ? name : `${name} (${taken + 1})`);
  }
  const joined = (run: RunSummary, values: Values | null): string => {
    const fitting = [...groups].filter(
      ([, group]) =>
        group.direction === run.direction &&
        keys.every(
          (key) => !values?.has(key) || !group.values.has(key) || values.get(key) === group.values.get(key),
        ),
    );
    if (fitting.length === 1) return names.get(fitting[0]?.[0] as string) as string;
    return values === null ? run.direction : named(run, values);
  };
  return runs.map((run) => {
    const values = of(run);
    const id = values === null ? undefined : identity(run, values);
    return { ...run, condition: (id === undefined ? undefined : names.get(id)) ?? joined(run, values) };
  });
}

/** A row a condition, with every option in which it differs from others; null where runs differ in the direction alone. */
export function conditionTable(runs: readonly RunSummary[]): ReportTable | null {
  const { keys, of } = differing(runs);
  if (keys.length === 0) return null;
  const data = dataNames(runs, of);
  const first = new Map(runs.toReversed().map((run) => [conditionOf(run), run]));
  const cell = (key: string, values: Values | null) => {
    const value = values?.get(key);
    if (value === undefined) return '—';
    return key === 'data' ? (data.get(value) ?? value) : value;
  };
  return {
    caption: 'What the conditions differ in',
    head: ['condition', 'runs', ...keys],
    rows: [...new Set(runs.map(conditionOf))].map((condition) => [
      condition,
      String(runs.filter((run) => conditionOf(run) === condition).length),
      ...keys.map((key) => cell(key, of(first.get(condition) as RunSummary))),
    ]),
    notes: keys.includes('data') ? ['Data are compared by the SHA-256 of their files.'] : [],
  };
}

/** What is pooled, and what of it differs between the runs of a condition. */
export function poolingNotes(runs: readonly RunSummary[]): string[] {
  const pooled = [...new Set(runs.map(conditionOf))]
    .map((condition) => runs.filter((run) => conditionOf(run) === condition))
    .filter((group) => group.length > 1);
  if (pooled.length === 0) return [];
  const different = pooledEnvironment.flatMap((key) => {
    const found = pooled
      .map((group) => new Set(group.flatMap(({ environment }) => environment?.[key] ?? []).map(text)))
      .filter((values) => values.size > 1);
    return found.length === 0
      ? []
      : [`${key} (${[...new Set(found.flatMap((values) => [...values]))].join(', ')})`];
  });
  return [
    'Runs are pooled over the seed, the run directory, the number of threads and the machine; every other option, the content of the ' +
      'data and the versions of rdrop and libtorch make a condition of their own.',
    ...(different.length > 0 ? [`Pooled although they differ: ${different.join('; ')}.`] : []),
  ];
}

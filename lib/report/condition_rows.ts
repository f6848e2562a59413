import { createHash } from 'node:crypto';
import { conditionOf, flatOptions } from './conditions.js';
import type { RunSummary } from './run_summary.js';
import type { ReportTable } from './table.js';

/** Keys that differ between the runs of a comparison by design, or do not change a number. */
const perRun = new Set(['seed', 'runDirectory', 'loss.direction', 'loss.alpha']);

/** Environment of the runs: device, versions, threads, data. Differing values stand side by side. */
export function environmentTable(runs: readonly RunSummary[]): ReportTable {
  const rows: string[][] = [
    ['seeds', distinct(runs.map(({ seed }) => String(seed)))],
    ['directions', distinct(runs.map(({ direction }) => direction))],
    ...(runs.some((run) => conditionOf(run) !== run.direction)
      ? [['conditions', String(new Set(runs.map(conditionOf)).size)]]
      : []),
  ];
  const configs = runs.flatMap(({ config }) => (config ? [config] : []));
  for (const key of ['device', 'precision']) {
    const values = configs.flatMap((config) => (key in config ? [text(config[key])] : []));
    if (values.length > 0) rows.push([key, distinct(values)]);
  }
  const environments = runs.flatMap(({ environment }) => (environment ? [environment] : []));
  for (const key of new Set(environments.flatMap((environment) => Object.keys(environment)))) {
    const values = environments.flatMap((environment) => (key in environment ? [environment[key]] : []));
    if (key === 'started') {
      const times = values.map(text).sort();
      rows.push(['started', times.length > 1 ? `${times[0]} to ${times.at(-1)}` : (times[0] as string)]);
    } else if (typeof values[0] === 'object' && values[0] !== null) {
      rows.push([key, distinct(values.map(hashText))]);
    } else rows.push([names.get(key) ?? key, distinct(values.map(text))]);
  }
  return {
    caption: 'Conditions',
    head: ['condition', 'value'],
    rows,
    notes: environments.length === 0 ? ['No run has an environment.json.'] : [],
  };
}

const names = new Map([
  ['compiledAgainst', 'libtorch compiled against'],
  ['instructionSet', 'instruction set'],
]);

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
const distinct = (values: readonly string[]) => [...new Set(values)].join(', ');

/** Hashes of many files in one. */
function hashText(value: unknown): string {
  const entries = Object.entries(value as object).sort(([one], [other]) => (one < other ? -1 : 1));
  const digest = createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 16);
  return `${entries.length} entries, SHA-256 of all ${digest}…`;
}

/** Every option of the runs, and a sentence when they differ in more than seed, direction and α. */
export function configTable(runs: readonly RunSummary[]): ReportTable | null {
  const configs = runs.flatMap(({ config, state }) =>
    config && state !== 'missing' ? [flatOptions(config)] : [],
  );
  if (configs.length === 0) return null;
  const keys = [...new Set(configs.flatMap((config) => [...config.keys()]))].filter(
    (key) => key !== 'runDirectory',
  );
  const differing = keys.filter(
    (key) => !perRun.has(key) && new Set(configs.map((config) => config.get(key))).size > 1,
  );
  return {
    caption: 'Options',
    head: ['option', 'value'],
    rows: keys.map((key) => [key, distinct(configs.map((config) => config.get(key) ?? 'absent'))]),
    notes:
      differing.length === 0
        ? []
        : [`The runs differ in more than seed and direction, so compare with care: ${differing.join(', ')}.`],
    folded: true,
  };
}

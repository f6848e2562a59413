/**
 * Successive halving (Jamieson and Talwalkar 2016): all conditions are trained for a part of the updates, the best 1/factor of them by the
 * validation metric for factor times as many, until one part is left, which is trained to the end. Only the last rung translates the test split.
 */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { parseConfig } from '../options/schema/parse.js';
import type { SweepConfig } from '../options/sweep.js';
import { type TaskMetric, taskMetrics } from '../options/tasks/names.js';
import { pathExists } from '../util/files/exists.js';
import { readJsonFile, writeFileAtomically } from '../util/files/files.js';
import type { RungScore } from './messages.js';
import type { Trial } from './plan.js';
import { conditionOfTrial, conditionsOf, searchOf } from './search.js';

/** Updates that a rung trains to, and conditions that go into it. */
export interface Rung {
  updates: number;
  conditions: number;
}

/** The rungs of a sweep, the last with all updates; one alone without halving. */
export function rungsOf(sweep: SweepConfig, maxUpdates: number): Rung[] {
  const conditions = conditionsOf(sweep).length;
  const search = searchOf(sweep);
  if (search?.kind !== 'halving') return [{ updates: maxUpdates, conditions }];
  const { factor } = search;
  const sizes = [conditions];
  for (let left = Math.floor(conditions / factor); left >= 1; left = Math.floor(left / factor))
    if (factor ** sizes.length <= maxUpdates) sizes.push(left);
  return sizes.map((size, i) => ({
    conditions: size,
    updates: Math.ceil(maxUpdates / factor ** (sizes.length - 1 - i)),
  }));
}

/** What is known of a trial after a rung: its best validation within the rung's updates. */
interface Validated {
  bleu: number | null;
  loss: number;
  /** The figure of another task that picks its checkpoints; null where it is not defined. */
  score?: number | null | undefined;
}

/** That figure, of a trial; null where it is BLEU or the loss, which have places of their own. */
function figureOf({ config }: Pick<Trial, 'config'>): TaskMetric | null {
  const { metric } = config.validation;
  if (metric === 'bleu' || metric === 'loss') return null;
  return taskMetrics[config.task].find(({ name }) => name === metric) ?? null;
}

const validationLine = z.looseObject({
  type: z.literal('validation'),
  update: z.int(),
  loss: z.number(),
  bleu: z.number().nullish(),
  scores: z.record(z.string(), z.number()).nullish(),
});

/** Positive where a is better. Of equal figures the lower loss is, since short trainings often have BLEU 0. */
function better(a: Validated, b: Validated, figure: TaskMetric | null): number {
  const [x, y] = [a.score ?? null, b.score ?? null];
  if (figure !== null && x !== y) {
    if (x === null || y === null) return Number(y === null) - Number(x === null);
    return figure.mode === 'max' ? x - y : y - x;
  }
  if (a.bleu !== null && b.bleu !== null && a.bleu !== b.bleu) return a.bleu - b.bleu;
  return b.loss - a.loss;
}

/** The best validation of a trial up to an update; `done` where it has one there. A line that cannot be read is passed over. */
export async function validatedBy(
  trial: Trial,
  updates: number,
): Promise<{ best: Validated | null; done: boolean }> {
  const figure = figureOf(trial);
  const path = join(trial.directory, 'metrics.jsonl');
  const text = (await pathExists(path)) ? await readFile(path, 'utf8') : '';
  let best: Validated | null = null;
  let done = false;
  for (const line of text.split('\n')) {
    const found = validationLine.safeParse(parsed(line));
    if (!found.success) continue;
    const { update, loss, bleu = null, scores } = found.data;
    done ||= update >= updates;
    const validated = { bleu, loss, ...(figure !== null && { score: scores?.[figure.name] ?? null }) };
    if (update <= updates && (best === null || better(validated, best, figure) > 0)) best = validated;
  }
  return { best, done };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** The conditions of a rung with the means over their seeds, the best first; null, and last, where a trial failed. */
export async function scoresOf(
  trials: readonly Trial[],
  failed: ReadonlySet<string>,
  updates: number,
): Promise<RungScore[]> {
  const conditions = [...new Set(trials.map(conditionOfTrial))];
  const figure = trials[0] === undefined ? null : figureOf(trials[0]);
  const scores: RungScore[] = [];
  for (const condition of conditions) {
    const own = trials.filter((trial) => conditionOfTrial(trial) === condition);
    const found = await Promise.all(own.map(async (trial) => (await validatedBy(trial, updates)).best));
    const whole = found.filter((each) => each !== null);
    const broken = whole.length < own.length || own.some(({ name }) => failed.has(name));
    scores.push(broken ? { condition, bleu: null, loss: null } : { condition, ...means(whole) });
  }
  const of = ({ loss, ...rest }: RungScore) => (loss === null ? null : { ...rest, loss });
  return scores.sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    return x === null || y === null ? Number(x === null) - Number(y === null) : better(y, x, figure);
  });
}

function means(all: readonly Validated[]): Validated {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanOrNull = (values: number[]) => (values.length === all.length ? mean(values) : null);
  return {
    bleu: meanOrNull(all.flatMap(({ bleu }) => bleu ?? [])),
    ...(all.some(({ score }) => score !== undefined) && {
      score: meanOrNull(all.flatMap(({ score }) => score ?? [])),
    }),
    loss: mean(all.map(({ loss }) => loss)),
  };
}

const rungsSchema = z.strictObject({
  version: z.literal(1),
  rungs: z.array(
    z.strictObject({
      updates: z.int(),
      scores: z.array(
        z.strictObject({
          condition: z.string(),
          bleu: z.number().nullable(),
          loss: z.number().nullable(),
          score: z.number().nullable().optional(),
        }),
      ),
      survivors: z.array(z.string()),
    }),
  ),
});

/** rungs.json: what was decided, so that a sweep that is continued decides nothing twice. */
export type DecidedRung = z.output<typeof rungsSchema>['rungs'][number];

const rungsPath = ({ directory }: { directory: string }): string => join(resolve(directory), 'rungs.json');

/**
 * @param sweep its options, or its sweep.json
 * @throws RdropError MALFORMED_FILE, INVALID_CONFIG
 */
export async function decidedRungs(sweep: Pick<SweepConfig, 'directory' | 'search'>): Promise<DecidedRung[]> {
  const path = rungsPath(sweep);
  if (searchOf(sweep)?.kind !== 'halving' || !(await pathExists(path))) return [];
  return parseConfig(rungsSchema, await readJsonFile(path), path).rungs;
}

/** The conditions that a rung does not continue. */
export const droppedOf = ({ scores, survivors }: Pick<DecidedRung, 'scores' | 'survivors'>): string[] =>
  scores.map(({ condition }) => condition).filter((each) => !survivors.includes(each));

/** After which rung, from 1 on, each condition that was dropped was. */
export const droppedAfter = (rungs: readonly DecidedRung[]): Map<string, number> =>
  new Map(rungs.flatMap((rung, i) => droppedOf(rung).map((condition) => [condition, i + 1] as const)));

/** A trial that was dropped, in the words of reports, of the live page and of a sweep's progress. */
export const droppedText = (rung: number): string => `dropped (halving, rung ${rung})`;

export const writeRungs = (sweep: SweepConfig, rungs: readonly DecidedRung[]): Promise<void> =>
  writeFileAtomically(rungsPath(sweep), `${JSON.stringify({ version: 1, rungs }, null, 2)}\n`);

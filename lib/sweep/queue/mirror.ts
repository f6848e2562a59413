import { appendFile, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { TrainMetrics, ValidationMetrics } from '../../training/metrics.js';
import { pathExists } from '../../util/files/exists.js';
import { fileError, writeFileAtomically } from '../../util/files/files.js';
import { makePath } from '../../util/files/make_path.js';
import { type RdropWarning, type WarningCode, warningCodes } from '../../util/warnings.js';

type Line = TrainMetrics | (ValidationMetrics & { best: boolean });

const lineSchema = z.looseObject({
  type: z.enum(['train', 'validation']),
  update: z.int().min(0),
  loss: z.number().nullish(),
});

const warningSchema = z.object({
  type: z.literal('warning'),
  code: z.enum(Object.keys(warningCodes) as WarningCode[]),
  message: z.string(),
});

/** A line of metrics as it came from the queue; null for what is none. */
export const metricsLine = (text: string): Line | null => parsed(text, lineSchema) as Line | null;

/** What a trial was warned of, as it came from the queue; null for what is none. */
export function warningLine(text: string): RdropWarning | null {
  const warning = parsed(text, warningSchema);
  return warning && { code: warning.code, message: warning.message };
}

function parsed<T>(text: string, schema: z.ZodType<T>): T | null {
  if (text.length >= 1 << 16) return null;
  try {
    return schema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/**
 * What a sweep's directory shows of a trial that runs elsewhere: config.json and metrics.jsonl, and in worker.json who has it. It has
 * no environment.json, which every run has before its config.json.
 */
export class Mirror {
  readonly #directory: string;
  readonly #written = new Set<string>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async open(directory: string, config: object): Promise<Mirror> {
    const mirror = new Mirror(directory);
    try {
      await makePath(directory);
      const text = await readFile(join(directory, 'metrics.jsonl'), 'utf8').catch(() => '');
      const lines = text.split('\n').flatMap((each) => metricsLine(each) ?? []);
      for (const line of lines) mirror.#written.add(`${line.type} ${line.update}`);
      // Without a line that a killed process left unfinished.
      const whole = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      if (whole !== text) await writeFileAtomically(join(directory, 'metrics.jsonl'), whole);
    } catch (error) {
      throw fileError(error, directory, 'write');
    }
    if (!(await pathExists(join(directory, 'worker.json')))) await mirror.writeWorker('', Date.now());
    await writeFileAtomically(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
    return mirror;
  }

  /** Nothing where the line is there already: a trial taken up again makes its last lines anew. @returns whether it was new */
  async append(line: Line): Promise<boolean> {
    const key = `${line.type} ${line.update}`;
    if (this.#written.has(key)) return false;
    this.#written.add(key);
    const { best: _, ...written } = line as Line & { best?: boolean };
    const path = join(this.#directory, 'metrics.jsonl');
    try {
      await appendFile(path, `${JSON.stringify(written)}\n`);
    } catch (error) {
      throw fileError(error, path, 'write');
    }
    return true;
  }

  writeWorker(worker: string, since: number): Promise<void> {
    return this.#write({ worker, since: new Date(since).toISOString() });
  }

  /** Nobody has the trial any more: it failed. */
  writeFailure(reason: string): Promise<void> {
    return this.#write({ worker: '', state: 'failed', reason: reason.slice(0, 2000) });
  }

  async #write(what: object): Promise<void> {
    const text = JSON.stringify(what);
    await writeFileAtomically(join(this.#directory, 'worker.json'), `${text}\n`);
  }
}

/** Whether a directory only shows a trial that runs elsewhere. */
export const isMirror = async (directory: string): Promise<boolean> =>
  (await pathExists(join(directory, 'worker.json'))) &&
  !(await pathExists(join(directory, 'environment.json')));

/** Takes away what Mirror wrote. */
export async function removeMirror(directory: string): Promise<void> {
  for (const name of ['config.json', 'metrics.jsonl', 'worker.json']) {
    await rm(join(directory, name), { force: true }).catch((error) => {
      throw fileError(error, join(directory, name), 'write');
    });
  }
}

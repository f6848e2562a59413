/** Files of a classification that tests prepare, and the call. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { prepareTask } from '../../../lib/data/tasks/prepare_task.js';
import type { PrepareTaskOptions } from '../../../lib/options/tasks/preparation.js';
import { writeFiles } from '../../support/prepared_files.js';
import { scratchDirectory } from '../../support/scratch.js';

export const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

export const train = ['good film\tpos', 'bad film\tneg', 'a film\tneg', 'good one\tpos', 'so so\tmeh'];
export const valid = ['good\tpos', 'new film\tmeh'];
export const test = ['bad\tneg'];

export type Options = PrepareTaskOptions & { root: string };

export function given(files: Record<string, string | string[] | Uint8Array>, extra: object = {}): Options {
  const root = scratchDirectory();
  writeFiles(root, { train, valid, test, ...files });
  const of = (name: string) => join(root, name);
  const paths = { train: of('train'), valid: of('valid'), test: of('test'), out: of('data') };
  return { root, task: 'classification', ...paths, ...extra } as Options;
}

export const prepare = ({ root: _, ...options }: Options, run = {}) =>
  prepareTask(options as PrepareTaskOptions, run);

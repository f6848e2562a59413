/** One CSV file a suite, one line a row, appended. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchSuite } from '../options/benchmark.js';
import { RdropError } from '../util/errors.js';
import { fileError, writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import type { BenchRow } from './measure.js';

/** Column → its value. Whatever else a row was measured under stands as JSON in the last one. */
const columns: Record<string, (row: BenchRow) => unknown> = {
  date: ({ conditions }) => conditions['date'],
  commit: ({ conditions }) => conditions['commit'],
  name: ({ name }) => name,
  shape: ({ shape }) => shape,
  ours: ({ ours }) => ours,
  peer: ({ peer }) => peer,
  peerName: ({ peerName }) => peerName,
  ratio: ({ ratio }) => ratio,
  low: ({ spread }) => spread.low,
  high: ({ spread }) => spread.high,
  unit: ({ unit }) => unit,
  device: ({ conditions }) => conditions['device'],
  threads: ({ conditions }) => conditions['threads'],
  libtorch: ({ conditions }) => conditions['libtorch'],
  peerVersion: ({ conditions }) => conditions['peerVersion'],
  conditions: ({ conditions }) => JSON.stringify(conditions),
};
const header = Object.keys(columns).join(',');

const cell = (value: unknown): string => {
  const text = value === null || value === undefined ? '' : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const pathOf = (directory: string, suite: BenchSuite) => join(directory, `${suite}.csv`);

/** What the file has, every line ended; empty where there is none. */
async function readResults(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw fileError(error, path, 'read');
  });
  const before = text.replaceAll('\r\n', '\n').replace(/([^\n])$/, '$1\n');
  const first = before.slice(0, before.indexOf('\n'));
  if (before !== '' && first !== header) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}:1: expected the columns ${header}, got ${JSON.stringify(first)}`,
    );
  }
  return before;
}

/**
 * Whether results of a suite will find their place, asked before hours of measuring. Makes the directory.
 *
 * @throws RdropError as appendResults
 */
export async function checkResults(directory: string, suite: BenchSuite): Promise<void> {
  await appendResults(directory, suite, []);
}

/**
 * Appends to <suite>.csv in the directory, which is made where it is missing.
 *
 * @returns the path of the file
 * @throws RdropError MALFORMED_FILE (a file with other columns is there), FILE_UNREADABLE, FILE_UNWRITABLE, DISK_FULL
 */
export async function appendResults(
  directory: string,
  suite: BenchSuite,
  rows: readonly BenchRow[],
): Promise<string> {
  const path = pathOf(directory, suite);
  const before = await readResults(path);
  const lines = rows.map((row) =>
    Object.values(columns)
      .map((value) => cell(value(row)))
      .join(','),
  );
  await makePath(directory).catch((error: unknown) => {
    throw fileError(error, directory, 'write');
  });
  await writeFileAtomically(path, [before || `${header}\n`, ...lines.map((line) => `${line}\n`)].join(''));
  return path;
}

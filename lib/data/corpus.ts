import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { RdropError } from '../errors.js';
import { readLines } from '../files.js';
import { type Dictionaries, dictionariesOf } from '../text/dictionaries.js';
import type { Dictionary } from '../text/dictionary.js';
import { mapLines } from '../text/map_lines.js';
import { readTextConfig } from '../text/pipeline.js';

export type Split = 'train' | 'valid' | 'test';

/** Both sides of a parallel corpus: pair i is source[i] and target[i]. */
export interface Pairs<T> {
  source: T[];
  target: T[];
}

/**
 * Reads two files whose lines belong together.
 *
 * @throws RdropError LINE_COUNT_MISMATCH (both numbers and paths), FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY,
 *   INVALID_UTF8, MALFORMED_FILE (broken gzip).
 */
export async function readParallel(sourcePath: string, targetPath: string): Promise<Pairs<string>> {
  const source = await readLines(sourcePath);
  const target = await readLines(targetPath);
  if (source.length !== target.length) {
    throw new RdropError(
      'LINE_COUNT_MISMATCH',
      `the two sides of a parallel corpus need the same number of lines: ${sourcePath} has ${source.length}, ` +
        `${targetPath} has ${target.length}`,
    );
  }
  return { source, target };
}

/**
 * The file <prefix>.<lang>, or else <prefix>.<lang>.gz.
 *
 * @throws RdropError FILE_NOT_FOUND, naming both.
 */
export async function findSide(prefix: string, lang: string): Promise<string> {
  const candidates = [`${prefix}.${lang}`, `${prefix}.${lang}.gz`];
  for (const path of candidates) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  throw new RdropError('FILE_NOT_FOUND', `${candidates.join(' or ')}: no such file`);
}

/**
 * Token ids of a split of a prepared directory, each sentence with eos at its end.
 *
 * @param dictionary of both languages, or one for each: `pipeline.dictionaries`
 * @throws RdropError as readParallel, and MALFORMED_FILE for a broken text.json.
 */
export async function loadCorpus(
  directory: string,
  split: Split,
  dictionary: Dictionary | Dictionaries,
): Promise<Pairs<Int32Array>> {
  const lines = await readSplit(directory, split);
  const { source, target } = dictionariesOf(dictionary);
  return {
    source: await mapLines(lines.source, (line) => source.encode(line)),
    target: await mapLines(lines.target, (line) => target.encode(line)),
  };
}

/**
 * The untouched text of a split of a prepared directory.
 *
 * @throws RdropError as loadCorpus.
 */
export function loadRaw(directory: string, split: Exclude<Split, 'train'>): Promise<Pairs<string>> {
  return readSplit(directory, join('raw', split));
}

async function readSplit(directory: string, name: string): Promise<Pairs<string>> {
  const { source, target } = await readTextConfig(directory);
  return readParallel(join(directory, `${name}.${source}`), join(directory, `${name}.${target}`));
}

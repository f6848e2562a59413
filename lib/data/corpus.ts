import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { checkCall } from '../options/schema/call_options.js';
import { type Dictionaries, dictionariesOf } from '../text/dictionaries.js';
import type { Dictionary } from '../text/dictionary.js';
import { readTextConfig } from '../text/pipeline.js';
import { YieldTimer } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { ownFiles, pairBlocks } from './pair_blocks.js';
import type { Pairs, Split } from './pairs.js';
import { SentenceStore } from './sentence_store.js';

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

export interface LoadCorpusWork {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

/**
 * Token ids of a split of a prepared directory, each sentence with eos at its end.
 *
 * @param dictionary of both languages, or one for each: `pipeline.dictionaries`
 * @throws RdropError ABORTED, LINE_COUNT_MISMATCH (both numbers and paths), FILE_NOT_FOUND, FILE_UNREADABLE, FILE_EMPTY,
 *   INVALID_UTF8, TOO_LARGE, MALFORMED_FILE for a broken text.json.
 */
export async function loadCorpus(
  directory: string,
  split: Split,
  dictionary: Dictionary | Dictionaries,
  work: LoadCorpusWork = {},
): Promise<Pairs<Int32Array>> {
  checkCall(work, ['signal'], 'loadCorpus');
  const { source, target } = await loadPacked(directory, split, dictionary, work);
  return { source: source.toArray(), target: target.toArray() };
}

/** As loadCorpus(), in few large arrays: a corpus of millions of pairs would spend more on objects than on tokens. */
export async function loadPacked(
  directory: string,
  split: Split,
  dictionary: Dictionary | Dictionaries,
  { signal }: LoadCorpusWork = {},
): Promise<{ source: SentenceStore; target: SentenceStore }> {
  const dictionaries = dictionariesOf(dictionary);
  const sides = { source: new SentenceStore(), target: new SentenceStore() };
  const breaks = new YieldTimer('loading a corpus', signal);
  for await (const block of await readSplit(directory, split)) {
    for (const side of ['source', 'target'] as const) {
      for (const line of block[side]) {
        sides[side].push(dictionaries[side].encode(line));
        if (breaks.due()) await breaks.take();
      }
    }
  }
  return sides;
}

/**
 * The untouched text of a split of a prepared directory.
 *
 * @throws RdropError as loadCorpus.
 */
export async function loadReferences(
  directory: string,
  split: Exclude<Split, 'train'>,
): Promise<Pairs<string>> {
  const raw: Pairs<string> = { source: [], target: [] };
  for await (const block of await readSplit(directory, join('raw', split))) {
    for (const line of block.source) raw.source.push(line);
    for (const line of block.target) raw.target.push(line);
  }
  return raw;
}

async function readSplit(directory: string, name: string): Promise<AsyncIterable<Pairs<string>>> {
  const { source, target } = await readTextConfig(directory);
  return pairBlocks(join(directory, `${name}.${source}`), join(directory, `${name}.${target}`), ownFiles);
}

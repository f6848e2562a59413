import { join } from 'node:path';
import { writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { english } from './english.js';
import { german } from './german.js';
import { DemoGrammar } from './grammar.js';
import { DemoRandom } from './random.js';

/** Parallel sentences: german[i] means english[i]. */
export interface DemoSplit {
  /** Sentences in German. */
  german: string[];
  /** Their translations, line for line. */
  english: string[];
}

export interface DemoCorpus {
  /** Pairs to train on. */
  train: DemoSplit;
  /** Pairs to validate with. */
  valid: DemoSplit;
  /** Pairs to test with. */
  test: DemoSplit;
}

export interface DemoCorpusOptions {
  /**
   * Seed of the sentences.
   * @default 1
   * @range 0 or more
   */
  seed?: number;
  /** Sentence pairs to train on. */
  train?: number;
  /** Sentence pairs to validate with. */
  valid?: number;
  /** Sentence pairs to test with. */
  test?: number;
}

/**
 * The demo's parallel corpus: sentences of a small German-to-English grammar (demo_grammar.ts), the same for the
 * same options on every machine. No German and no English sentence occurs twice, so none of valid and test is in train.
 */
export function demoCorpus(options: DemoCorpusOptions = {}): DemoCorpus {
  const { seed = 1, train = 3000, valid = 200, test = 500 } = options;
  const grammar = new DemoGrammar(new DemoRandom(seed));
  const seen = new Set<string>();
  const split = (pairs: number): DemoSplit => {
    const made: DemoSplit = { german: [], english: [] };
    while (made.german.length < pairs) {
      const sentence = grammar.sentence();
      const [source, target] = [german(sentence), english(sentence)];
      if (seen.has(source) || seen.has(target)) continue;
      seen.add(source).add(target);
      made.german.push(source);
      made.english.push(target);
    }
    return made;
  };
  return { test: split(test), valid: split(valid), train: split(train) };
}

/**
 * Writes {train,valid,test}.{de,en} into a directory.
 *
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE
 */
export async function writeDemoCorpus(directory: string, corpus: DemoCorpus): Promise<void> {
  await makePath(directory);
  for (const [name, split] of Object.entries(corpus) as [keyof DemoCorpus, DemoSplit][]) {
    await writeFileAtomically(join(directory, `${name}.de`), `${split.german.join('\n')}\n`);
    await writeFileAtomically(join(directory, `${name}.en`), `${split.english.join('\n')}\n`);
  }
}

import { join } from 'node:path';
import { type DemoTextOptions, demoTextSchema } from '../options/demo.js';
import { parseConfig } from '../options/schema/parse.js';
import { writeFileAtomically } from '../util/files/files.js';
import { makePath } from '../util/files/make_path.js';
import { demoCorpus, writeDemoCorpus } from './corpus.js';
import { english } from './english.js';
import { german } from './german.js';
import { DemoGrammar } from './grammar.js';
import type { Sentence, Tense } from './meaning.js';
import { DemoRandom } from './random.js';

/** Text for each task that is not translation, of the same grammar: nothing but a seed is shipped. */

const labels: Record<Tense, string> = {
  present: 'present',
  progressive: 'progressive',
  past: 'past',
  already: 'perfect',
  future: 'future',
};

/** When the main clause happens; null for a sentence whose verb does not say. */
function tenseOf(sentence: Sentence): string | null {
  switch (sentence.kind) {
    case 'statement':
    case 'question':
      return labels[sentence.clause.tense];
    case 'subordinate':
    case 'report':
      return labels[sentence.main.tense];
    case 'order':
    case 'comparison':
      return null;
  }
}

/** Characters of the German translation, in units of 20: about 1 to 5. */
const lengthOf = (sentence: Sentence): string => ([...german(sentence)].length / 20).toString();

type MadeTask = Exclude<DemoTextOptions['task'], 'translation'>;

/** A line of the task's file, or null for a sentence that the task has no use for. */
const lineOf: Record<
  Exclude<DemoTextOptions['task'], 'translation'>,
  (sentence: Sentence) => string | null
> = {
  'language-model': english,
  classification: (sentence) => {
    const tense = tenseOf(sentence);
    return tense === null ? null : `${english(sentence)}\t${tense}`;
  },
  regression: (sentence) => `${english(sentence)}\t${lengthOf(sentence)}`,
};

export interface DemoText {
  /** Lines to train on. */
  train: string[];
  /** Lines to validate with. */
  valid: string[];
  /** Lines to test with. */
  test: string[];
}

/**
 * Text of a task, the same for the same options on every machine. Classification: an English sentence, a tab, the tense of its main
 * clause (present, progressive, past, perfect, future). Regression: an English sentence, a tab, the length of its German translation
 * (characters / 20). Language model: English sentences. No sentence occurs twice, so none of valid and test is in train.
 *
 * @throws RdropError INVALID_ARGUMENT
 */
export function demoText(options: Omit<DemoTextOptions, 'directory'> & { task: MadeTask }): DemoText {
  const schema = demoTextSchema.omit({ directory: true });
  const { seed, train, valid, test } = parseConfig(schema, options, 'demo', 'INVALID_ARGUMENT');
  const { task } = options;
  const grammar = new DemoGrammar(new DemoRandom(seed));
  const seen = new Set<string>();
  const split = (count: number): string[] => {
    const lines: string[] = [];
    while (lines.length < count) {
      const line = lineOf[task](grammar.sentence());
      const [text] = line?.split('\t') ?? [];
      if (line === null || text === undefined || seen.has(text)) continue;
      seen.add(text);
      lines.push(line);
    }
    return lines;
  };
  return { test: split(test), valid: split(valid), train: split(train) };
}

/**
 * Writes the text of a task into a directory: {train,valid,test}.tsv, of a language model .txt, of translation .de and .en.
 *
 * @returns the names of the files
 * @throws RdropError INVALID_ARGUMENT, DISK_FULL, FILE_UNWRITABLE
 */
export async function writeDemoText(options: DemoTextOptions): Promise<string[]> {
  const { directory, task, ...sizes } = parseConfig(demoTextSchema, options, 'demo', 'INVALID_ARGUMENT');
  const splits = ['train', 'valid', 'test'] as const;
  if (task === 'translation') {
    await writeDemoCorpus(directory, demoCorpus(sizes));
    return splits.flatMap((split) => ['de', 'en'].map((language) => join(directory, `${split}.${language}`)));
  }
  const text = demoText({ task, ...sizes });
  const ending = task === 'language-model' ? 'txt' : 'tsv';
  await makePath(directory);
  const paths: string[] = [];
  for (const split of splits) {
    const path = join(directory, `${split}.${ending}`);
    await writeFileAtomically(path, text[split].map((line) => `${line}\n`).join(''));
    paths.push(path);
  }
  return paths;
}

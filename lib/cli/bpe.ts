import type { Command } from 'commander';
import type { Merge } from '../text/pieces/bpe_encoder.js';
import type { WordCounts } from '../text/word_counts.js';
import { blocksOf, filterLines, inputBlocks, standardInput, writeLines } from './shared/line_filter.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

/** `rdrop bpe learn|apply|vocabulary`: byte pair encoding in subword-nmt's format, standard input to standard output. */
export function bpeCommand(): Command {
  const command = namedCommand('bpe');
  command
    .command('learn')
    .description('learn codes from tokenized text')
    .option('--merges <n>', 'most merges to learn', toNumber)
    .option('--min-frequency <n>', 'least frequency of a pair that is merged', toNumber)
    .option('--total-symbols', 'count the characters of the text among the merges')
    .option('--dict-input', 'the input is one "word count" a line, as `rdrop bpe vocabulary` writes')
    .action(async (flags: Record<string, unknown>) => {
      const { bpeSchema } = await import('../options/text.js');
      const { parseConfig } = await import('../options/schema/parse.js');
      const { Bpe, learnMerges } = await import('../text/pieces/bpe.js');
      const { YieldTimer } = await import('../util/async/yield_timer.js');
      const { merges, ...options } = parseConfig(bpeSchema, flags, 'bpe', 'INVALID_ARGUMENT');
      const { dictInput, minFrequency, totalSymbols } = options;
      const counts = await (dictInput ? countsOfInput() : wordsOfInput());
      // A signal is heard between two steps.
      const breaks = new YieldTimer('learning');
      const learned: Merge[] = [];
      for (const merge of learnMerges(counts, merges, minFrequency, totalSymbols)) {
        if (merge !== null) {
          if (learned.length === 0) counts.clear();
          learned.push(merge);
        }
        if (breaks.due()) await breaks.take();
      }
      await writeLines(blocksOf(Bpe.ofMerges(learned).toString().split('\n').slice(0, -1)));
    });
  command
    .command('apply')
    .description('split the words of tokenized text into pieces')
    .requiredOption('--codes <file>', 'codes from `rdrop bpe learn` or subword-nmt')
    .option('--merges <n>', 'apply the first so many merges', toNumber)
    .option('--separator <text>', 'marks a piece that the next one continues')
    .option('--vocabulary <file>', 'undo merges that give pieces outside this file of `rdrop bpe vocabulary`')
    .option('--vocabulary-threshold <n>', 'count pieces only that occur this often', toNumber)
    .option('--glossaries <pattern...>', 'words or regular expressions of Python that are never split')
    .action(async ({ codes, ...flags }: { codes: string }) => {
      const { Bpe } = await import('../text/pieces/bpe.js');
      const bpe = await (await Bpe.read(codes)).with(flags);
      await filterLines((line) => bpe.segment(line));
    });
  command
    .command('vocabulary')
    .description('the words or pieces of text with their counts, the most frequent first')
    .action(async () => {
      const { byFrequency } = await import('../text/pieces/bpe_vocabulary.js');
      const entries = byFrequency(await wordsOfInput());
      await writeLines(blocksOf(entries.map(([word, count]) => `${word} ${count}`)));
    });
  return command;
}

/** The words of standard input with their counts. */
async function wordsOfInput(): Promise<WordCounts> {
  const { addWords } = await import('../text/pieces/bpe_learner.js');
  const counts: WordCounts = new Map();
  for await (const block of inputBlocks()) for (const line of block) addWords(line, counts);
  return counts;
}

/** The counts that the lines of standard input give. */
async function countsOfInput(): Promise<WordCounts> {
  const { addEntry } = await import('../text/pieces/bpe_vocabulary.js');
  const counts: WordCounts = new Map();
  let number = 0;
  for await (const block of inputBlocks()) {
    for (const line of block) addEntry(line, ++number, standardInput, counts);
  }
  return counts;
}

import { Command } from 'commander';
import { filterLines, readInput } from './line_filter.js';

/** `rdrop bpe learn|apply`: byte pair encoding in subword-nmt's format, from standard input to standard output. */
export function bpeCommand(): Command {
  const command = new Command('bpe').description('byte pair encoding, in the file format of subword-nmt');
  command
    .command('learn')
    .description('learn codes from tokenised text')
    .option('--merges <n>', 'most merges to learn', Number)
    .option('--min-frequency <n>', 'least frequency of a pair that is merged', Number)
    .action(async (options: { merges?: number; minFrequency?: number }) => {
      const { bpeSchema, parseConfig } = await import('../config.js');
      const { Bpe } = await import('../text/bpe.js');
      const { merges, minFrequency } = parseConfig(bpeSchema, options, 'bpe', 'INVALID_ARGUMENT');
      const bpe = Bpe.learn(await readInput(), merges, { minFrequency });
      process.stdout.write(bpe.toString());
    });
  command
    .command('apply')
    .description('split the words of tokenised text into pieces')
    .requiredOption('--codes <file>', 'codes from `rdrop bpe learn` or subword-nmt')
    .action(async ({ codes }: { codes: string }) => {
      const { Bpe } = await import('../text/bpe.js');
      const bpe = await Bpe.read(codes);
      await filterLines((line) => bpe.segment(line));
    });
  return command;
}

import { Command } from 'commander';
import type { PrepareResult, SideSummary } from '../data/prepare.js';

/** `rdrop prepare`: a prepared directory from parallel text. The options are those of prepareSchema (lib/config.ts). */
export function prepareCommand(): Command {
  return new Command('prepare')
    .description('tokens, byte pair encoding and dictionary of a parallel corpus, ready for training')
    .option('--source <language>', 'source language, the ending of its files (before .gz)')
    .option('--target <language>', 'target language, likewise')
    .option('--train <prefix>', 'training text: <prefix>.<language> or <prefix>.<language>.gz')
    .option('--valid <prefix>', 'validation text, likewise')
    .option('--test <prefix>', 'test text, likewise')
    .option('--out <directory>', 'the directory to make')
    .option('--overwrite', 'replace a prepared directory that is there already')
    .option('--bpe <merges>', 'merges of the joint byte pair encoding, or none', merges)
    .option('--min-frequency <n>', 'least frequency of a pair of symbols that is merged', Number)
    .option('--tokenizer <name>', 'moses, or none for text that is tokenised already')
    .option('--normalize', 'plain quotation marks and dashes')
    .option('--lowercase', 'lower-case the text')
    .option('--min-length <tokens>', 'leave out training pairs with a shorter side', Number)
    .option('--max-length <tokens>', 'leave out training pairs with a longer side; 0 keeps all', Number)
    .option(
      '--ratio <r>',
      'leave out training pairs with a side longer than the other times this; 0 keeps all',
      Number,
    )
    .option('--padding-factor <n>', 'fill the dictionary up to a multiple of this', Number)
    .option('--json', 'print the summary as JSON')
    .action(async ({ json, ...options }: Record<string, unknown>) => {
      const { prepareCorpus } = await import('../data/prepare.js');
      const { stageProgress } = await import('./stage_progress.js');
      const controller = new AbortController();
      const abort = () => controller.abort();
      process.once('SIGINT', abort).once('SIGTERM', abort);
      const progress = stageProgress();
      try {
        const result = await prepareCorpus(options as unknown as Parameters<typeof prepareCorpus>[0], {
          onProgress: progress.onProgress,
          signal: controller.signal,
        });
        const text = json ? JSON.stringify(result) : summary(result, options).join('\n');
        process.stdout.write(`${text}\n`);
      } finally {
        progress.stop();
        process.off('SIGINT', abort).off('SIGTERM', abort);
      }
    });
}

const merges = (value: string) => (value === 'none' ? 0 : Number(value));

function summary(result: PrepareResult, { source, target }: Record<string, unknown>): string[] {
  const side = (lang: unknown, { tokens, types, unknownRate }: SideSummary) =>
    `${lang}: ${tokens} tokens, ${types} types, ${(100 * unknownRate).toFixed(3)} % unknown`;
  const lines = Object.entries(result.splits).map(
    ([split, { pairs, dropped, ...sides }]) =>
      `${split.padEnd(5)}  ${pairs} pairs${dropped > 0 ? ` (${dropped} left out)` : ''}  ` +
      `${side(source, sides.source)}  ${side(target, sides.target)}`,
  );
  return [
    ...lines,
    `${result.directory}: ${result.vocabSize} types in the dictionary, ${result.merges} merges`,
  ];
}

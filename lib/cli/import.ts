import type { Command } from 'commander';
import { pieceFormats } from '../options/text.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

/** `rdrop import fairseq`: a run directory of what fairseq trained. The options are those of fairseqImportSchema. */
export function importCommand(): Command {
  const command = namedCommand('import');
  command
    .command('fairseq')
    .description('a checkpoint of fairseq; its pickle is read and never executed')
    .option('--checkpoint <file>', 'such as checkpoint_best.pt')
    .option('--dict <file>', 'dict.<source>.txt')
    .option(
      '--target-dict <file>',
      'dict.<target>.txt; left out, the one beside that of the source; none where the model shares all embeddings',
    )
    .option('--codes <file>', "subword-nmt's codes; without them words stay whole")
    .option('--source <language>', 'instead of the one in the checkpoint')
    .option('--target <language>', 'likewise')
    .option('--tokenizer <name>', 'moses, or none for text that is tokenized already')
    .option('--normalize', 'plain quotation marks and dashes')
    .option(
      '--lowercase [after]',
      'lower-case the text, or with "after" the tokens, as prepare-iwslt14.sh does',
    )
    .option(
      '--pieces <format>',
      `whose pieces its text is in: ${pieceFormats.join(', ')}; found out if left out`,
    )
    .option('--piece-mark <mark>', 'the mark of these pieces where it is not the usual one')
    .option('--out <directory>', 'the run directory to make')
    .option('--json', 'print {directory, vocabSize, sourceVocabSize, parameters, updates} as JSON')
    .action(async ({ json, ...options }: Record<string, unknown>) => {
      const { importFairseq } = await import('../interchange/fairseq/import_fairseq.js');
      const given = options as unknown as Parameters<typeof importFairseq>[0];
      const result = await interruptible((signal) => importFairseq(given, { signal }));
      const { directory, vocabSize, sourceVocabSize, parameters } = result;
      const types =
        sourceVocabSize === undefined
          ? `${vocabSize} types in the dictionary`
          : `${sourceVocabSize} and ${vocabSize} types in the dictionaries`;
      if (result.targetDict !== undefined) {
        process.stderr.write(`rdrop: took ${result.targetDict} as the dictionary of the target\n`);
      }
      const line = `${directory}: ${parameters} parameters, ${types}`;
      process.stdout.write(`${json ? JSON.stringify(result) : line}\n`);
    });
  return command;
}

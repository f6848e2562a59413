import type { Command } from 'commander';
import type { HuggingFaceImport } from '../interchange/huggingface/import_huggingface.js';
import { pieceFormats } from '../options/text.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

/**
 * `rdrop import fairseq`, `rdrop import huggingface`: a run directory of what another program trained. The options are those of
 * fairseqImportSchema and huggingFaceImportSchema.
 */
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
  command
    .command('huggingface')
    .argument(
      '<directory>',
      'config.json, model.safetensors and tokenizer.json, as save_pretrained writes them',
    )
    .description(
      "BERT, RoBERTa or DistilBERT of transformers', to fine-tune (train --init) or to predict with",
    )
    .option('--pairs', 'the model reads two texts at a time')
    .option('--ignore <option...>', 'options of config.json that change nothing in what the network computes')
    .option('--out <directory>', 'the run directory to make')
    .option(
      '--json',
      'print {directory, kind, vocabSize, parameters, head, labels, missing, leftOut, differences} as JSON',
    )
    .action(async (directory: string, { json, ...options }: Record<string, unknown>) => {
      const { importHuggingFace } = await import('../interchange/huggingface/import_huggingface.js');
      const given = { directory, ...options } as unknown as Parameters<typeof importHuggingFace>[0];
      const result = await interruptible((signal) => importHuggingFace(given, { signal }));
      for (const note of importNotes(result)) process.stderr.write(`rdrop: ${note}\n`);
      const head = result.head === null ? 'no head' : `a head for ${result.head}`;
      const line = `${result.directory}: ${result.kind}, ${result.parameters} parameters, ${result.vocabSize} ids, ${head}`;
      process.stdout.write(`${json ? JSON.stringify(result) : line}\n`);
    });
  return command;
}

/** What was left out, what begins anew and what training does otherwise, in sentences. */
function importNotes({ leftOut, missing, differences }: HuggingFaceImport): string[] {
  const some = (names: string[]) => names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
  return [
    ...(leftOut.length > 0 ? [`left out ${leftOut.length} tensors of other heads (${some(leftOut)})`] : []),
    ...(missing.length > 0
      ? [`a task that starts from it begins with ${missing.length} new tensors (${some(missing)})`]
      : []),
    ...differences,
  ];
}

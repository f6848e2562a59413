import { Command, Option } from 'commander';
import { bleuSchema } from '../config.js';

interface ScoreOptions {
  hyp: string;
  ref: string[];
  tokenize: '13a' | 'none' | 'intl' | 'char';
  lowercase: boolean;
  json: boolean;
}

/** `rdrop score`: corpus BLEU of a file of hypotheses, equal to sacreBLEU's. */
export function scoreCommand(): Command {
  const { tokenize, lowercase } = bleuSchema.parse({});
  return new Command('score')
    .description(
      'BLEU of translations, equal to that of sacreBLEU (one detokenised sentence a line, plain or .gz)',
    )
    .requiredOption('--hyp <file>', 'the translations')
    .requiredOption(
      '--ref <file>',
      'the references; give it again for further references',
      (file: string, files: string[] = []) => [...files, file],
    )
    .addOption(
      new Option('--tokenize <name>', "sacreBLEU's tokeniser")
        .choices(bleuSchema.shape.tokenize.unwrap().options)
        .default(tokenize),
    )
    .option('--lowercase', 'compare lower-cased text', lowercase)
    .option('--json', 'print the score as JSON', false)
    .action(async (options: ScoreOptions) => {
      const { bleu, formatBleu } = await import('../evaluation/bleu.js');
      const { readLines } = await import('../files.js');
      const { RdropError } = await import('../errors.js');
      const hypotheses = await readLines(options.hyp);
      const references: string[][] = [];
      for (const file of options.ref) {
        const lines = await readLines(file);
        if (lines.length !== hypotheses.length) {
          throw new RdropError(
            'LINE_COUNT_MISMATCH',
            `${file}: expected as many lines as ${options.hyp} has (${hypotheses.length}), got ${lines.length}`,
          );
        }
        references.push(lines);
      }
      const result = bleu(hypotheses, references, {
        tokenize: options.tokenize,
        lowercase: options.lowercase,
      });
      const { score, precisions, brevityPenalty, systemLength, referenceLength, signature } = result;
      const document = { score, precisions, brevityPenalty, systemLength, referenceLength, signature };
      process.stdout.write(`${options.json ? JSON.stringify(document) : formatBleu(result)}\n`);
    });
}

import { type Command, Option } from 'commander';
import type { BaselineText, ScoreReport } from '../evaluation/score_report.js';
import {
  type BleuConfig,
  bleuSchema,
  metricFamilies,
  type PairedTest,
  pairedTests,
  randomizationSchema,
  sentenceBootstrapSchema,
} from '../options/evaluation.js';
import { type PieceFormat, pieceFormats } from '../options/text.js';
import type { HeapGuard } from '../text/lines/heap_guard.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface ScoreFlags {
  hyp: string;
  ref: string[];
  tokenize?: BleuConfig['tokenize'];
  lowercase: boolean;
  metrics?: string;
  tokenized: boolean;
  compoundSplit: boolean;
  confidence: boolean;
  baseline: string[];
  paired?: PairedTest;
  samples?: number;
  seed?: number;
  pieces?: PieceFormat;
  pieceMark?: string;
  json: boolean;
}

const again = (file: string, files: string[] = []) => [...files, file];

/** `rdrop score`: the corpus scores of a file of hypotheses, equal to those of sacreBLEU and fairseq-score. */
export function scoreCommand(): Command {
  const { tokenize, lowercase } = bleuSchema.parse({});
  const { samples, seed } = sentenceBootstrapSchema.parse({});
  const exchanges = randomizationSchema.parse({}).samples;
  return namedCommand('score')
    .requiredOption('--hyp <file>', 'the translations')
    .requiredOption('--ref <file>', 'the references; give it again for further references', again)
    .addOption(
      new Option(
        '--tokenize <name>',
        `sacreBLEU's tokenizer of the BLEU in front (default: ${tokenize}; none with --tokenized)`,
      ).choices(bleuSchema.shape.tokenize.unwrap().options),
    )
    .option('--lowercase', 'compare lower-cased text', lowercase)
    .option('--metrics <list>', `of ${metricFamilies.join(',')} (default: all that apply)`)
    .option('--tokenized', 'the files hold tokenized text, which fairseq-score is meant for', false)
    .option('--compound-split', 'fairseq-score with compounds split at hyphens alone', false)
    .option('--confidence', 'the 95 % interval of every score by the bootstrap', false)
    .option('--baseline <file>', 'translations to compare with; give it again for further ones', again, [])
    .addOption(new Option('--paired <test>', 'how to compare with them (default: both)').choices(pairedTests))
    .option(
      '--samples <count>',
      `resamples (default: ${samples} of the bootstrap, ${exchanges} random exchanges)`,
      toNumber,
    )
    .option('--seed <number>', `of the resamples (default: ${seed})`, toNumber)
    .addOption(
      new Option('--pieces <format>', 'whose pieces the files are cut into; they are joined first').choices(
        pieceFormats,
      ),
    )
    .option('--piece-mark <mark>', 'the mark of these pieces where it is not the usual one')
    .option('--json', 'print the scores as JSON', false)
    .action(score);
}

async function score(flags: ScoreFlags): Promise<void> {
  const { parseConfig } = await import('../options/schema/parse.js');
  const { scoreTableSchema } = await import('../options/evaluation.js');
  const { scoreReport } = await import('../evaluation/score_report.js');
  checkEffects(flags, (await import('../util/errors.js')).RdropError);
  const table = parseConfig(
    scoreTableSchema,
    {
      lowercase: flags.lowercase,
      ...(flags.metrics === undefined ? {} : { metrics: flags.metrics.split(',') }),
      ...(flags.compoundSplit ? { compoundSplit: true } : {}),
    },
    'score',
    'INVALID_ARGUMENT',
  );
  const resampling = {
    ...(flags.samples === undefined ? {} : { samples: flags.samples }),
    ...(flags.seed === undefined ? {} : { seed: flags.seed }),
  };
  parseConfig(randomizationSchema, resampling, 'score', 'INVALID_ARGUMENT');

  const { readLines } = await import('../text/lines/line_reader.js');
  const guard = new (await import('../text/lines/heap_guard.js')).HeapGuard();
  const words = await joining(flags);
  const hypotheses = words(await readLines(flags.hyp, { guard }), flags.hyp);
  const sameLines = async (file: string) =>
    words(await readAsManyLines(file, hypotheses.length, flags.hyp, guard), file);
  const references: string[][] = [];
  for (const file of flags.ref) references.push(await sameLines(file));
  const baselines: BaselineText[] = [];
  for (const name of flags.baseline) baselines.push({ name, hypotheses: await sameLines(name) });

  const report = await interruptible((signal) =>
    scoreReport(
      { hypotheses, references },
      {
        tokenized: flags.tokenized,
        table,
        tokenize: flags.tokenize ?? (flags.tokenized ? 'none' : bleuSchema.parse({}).tokenize),
        confidence: flags.confidence,
        baselines,
        paired: flags.paired ?? 'both',
        ...resampling,
        signal,
      },
    ),
  );
  if (flags.json) process.stdout.write(`${JSON.stringify(document(report))}\n`);
  else {
    const { scoreLines } = await import('./shared/score_lines.js');
    process.stdout.write(`${scoreLines(report).join('\n')}\n`);
  }
}

/** The fields of BLEU in front, as they always were; then everything else. */
function document({ bleu, metrics, paired }: ScoreReport): object {
  if (bleu === undefined) return { metrics, ...(paired.length > 0 ? { paired } : {}) };
  const { score, precisions, brevityPenalty, systemLength, referenceLength, signature } = bleu;
  const front = { score, precisions, brevityPenalty, systemLength, referenceLength, signature };
  return { ...front, metrics, ...(paired.length > 0 ? { paired } : {}) };
}

/** The lines of a file with their pieces joined, where --pieces says whose they are; a warning where nothing does. */
async function joining({
  pieces,
  pieceMark,
}: ScoreFlags): Promise<(lines: string[], file: string) => string[]> {
  if (pieces !== undefined) {
    const { joinPieces } = await import('../text/pieces/pieces.js');
    return (lines) => lines.map((line) => joinPieces(line, { pieces, pieceMark }));
  }
  const { piecesWarning } = await import('../text/pieces/find_pieces.js');
  const { warn } = await import('../util/warnings.js');
  return (lines, file) => {
    const consequence =
      'they are scored as words; --pieces joins them first, --pieces none says that they are words';
    const warning = piecesWarning(lines, file, consequence);
    if (warning !== null) warn(warning);
    return lines;
  };
}

async function readAsManyLines(
  file: string,
  count: number,
  other: string,
  guard: HeapGuard,
): Promise<string[]> {
  const { readLines } = await import('../text/lines/line_reader.js');
  const lines = await readLines(file, { guard });
  if (lines.length === count) return lines;
  const { RdropError } = await import('../util/errors.js');
  throw new RdropError(
    'LINE_COUNT_MISMATCH',
    `${file}: expected as many lines as ${other} has (${count}), got ${lines.length}`,
  );
}

const hasMark = (pieces: PieceFormat | undefined) =>
  pieces !== undefined && pieces !== 'none' && pieces !== 'byte-level';

/** Refuses a flag that would have no effect. */
function checkEffects(flags: ScoreFlags, Failure: typeof import('../util/errors.js').RdropError): void {
  const compared = flags.baseline.length > 0;
  const needs: [boolean, string][] = [
    [flags.paired !== undefined && !compared, '--paired needs --baseline'],
    [
      flags.samples !== undefined && !compared && !flags.confidence,
      '--samples needs --baseline or --confidence',
    ],
    [flags.seed !== undefined && !compared && !flags.confidence, '--seed needs --baseline or --confidence'],
    [
      flags.pieceMark !== undefined && !hasMark(flags.pieces),
      '--piece-mark needs --pieces with a format that has a mark',
    ],
    [flags.compoundSplit && !flags.tokenized, '--compound-split needs --tokenized'],
  ];
  const wrong = needs.filter(([applies]) => applies).map(([, message]) => message);
  if (wrong.length > 0) throw new Failure('INVALID_ARGUMENT', `score: ${wrong.join('; ')}`);
}

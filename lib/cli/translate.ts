import { addAbortSignal } from 'node:stream';
import { type Command, Option } from 'commander';
import { type RuntimeOptions, runtimeSchema } from '../options/runtime.js';
import { type BeamOptions, type OverlongPolicy, overlongPolicies } from '../options/translation.js';
import { utf8Blocks } from '../text/lines/line_writer.js';
import type {
  NBestTranslation,
  TextHypothesis,
  TranslateOptions,
  Translation,
} from '../translation/translator.js';
import { addBeamFlags, beamOptions } from './shared/beam_flags.js';
import { interruptible } from './shared/interrupt.js';
import { blocksOf, inputBlocks, standardInput, writeLines } from './shared/line_filter.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface Flags {
  run: string;
  checkpoint: 'best' | 'last';
  input?: string;
  output?: string;
  threads: number;
  device?: 'auto' | 'cpu' | 'cuda';
  overlong?: OverlongPolicy;
  verify: boolean;
  precision?: RuntimeOptions['precision'];
  nBest?: number;
  json: boolean;
  [option: string]: unknown;
}

/** `rdrop translate`: raw text, one sentence a line, from a file or standard input. */
export function translateCommand(): Command {
  const command = namedCommand('translate')
    .requiredOption('--run <directory>', 'the run directory')
    .addOption(
      new Option('--checkpoint <name>', 'which of its checkpoints').choices(['best', 'last']).default('best'),
    )
    .option('--input <file>', 'text to translate, plain or .gz, instead of standard input')
    .option('--output <file>', 'where the translations go, instead of standard output')
    .option('--threads <n>', 'threads of libtorch; 0 takes every core', toNumber, 0)
    .addOption(
      new Option('--device <name>', 'where; that of the run where it is there, else the CPU').choices([
        'auto',
        'cpu',
        'cuda',
      ]),
    );
  command.addOption(
    new Option('--precision <name>', 'auto: bfloat16 on a GPU, float32 on a CPU').choices(
      runtimeSchema.shape.precision.unwrap().options,
    ),
  );
  command.addOption(
    new Option(
      '--overlong <policy>',
      'what happens to lines that are too long for the model: an error, a translation of their beginning, an empty line',
    ).choices(overlongPolicies),
  );
  return addBeamFlags(command)
    .option(
      '--n-best <n>',
      'so many hypotheses a line, at most --beam: H-<line from 0>, score and text, separated by tabs',
      toNumber,
    )
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option(
      '--json',
      'print [{source, text, score, tokens, logProbabilities, overlong}] as JSON, with --n-best also hypotheses',
      false,
    )
    .action(translate);
}

async function translate(flags: Flags): Promise<void> {
  const { writeFileAtomically } = await import('../util/files/files.js');
  const { checkWritableFile } = await import('../util/files/writable.js');
  const { stageProgress } = await import('./shared/stage_progress.js');
  const { output, nBest } = flags;
  if (output !== undefined) await checkWritableFile(output);
  const beam: BeamOptions = { ...beamOptions(flags), ...(nBest !== undefined && { nBest }) };
  const progress = stageProgress(process.stderr, { quiet: true });
  const { lines, translations } = await interruptible((signal) =>
    translateLines(flags, beam, {
      signal,
      name: flags.input ?? standardInput,
      overlong: flags.overlong,
      onProgress: (done, total) => progress.onProgress({ text: 'translating', done, total }),
    }).finally(progress.stop),
  );
  const texts = translations.flatMap((translation, i) => textsOf(translation, i));
  if (output !== undefined) await writeFileAtomically(output, utf8Blocks(texts));
  if (flags.json) {
    const last = translations.length - 1;
    const rows = translations.map((translation, i) => {
      const row = {
        source: lines[i],
        ...plain(translation),
        ...(translation.overlong !== undefined && { overlong: translation.overlong }),
        ...('hypotheses' in translation && { hypotheses: translation.hypotheses.map(plain) }),
      };
      return `${JSON.stringify(row)}${i < last ? ',' : ''}`;
    });
    await writeLines(blocksOf(['[', ...rows, ']']));
  } else if (output === undefined) {
    await writeLines(blocksOf(texts));
  }
}

async function translateLines(
  { run, checkpoint, threads, device, precision, verify, input }: Flags,
  beam: BeamOptions,
  work: TranslateOptions,
): Promise<{ lines: string[]; translations: (Translation | NBestTranslation)[] }> {
  const { readLines } = await import('../text/lines/line_reader.js');
  const { Translator } = await import('../translation/translator.js');
  const { signal } = work;
  using translator = await Translator.load(run, {
    checkpoint,
    threads,
    verify,
    signal,
    ...(device !== undefined && { device }),
    ...(precision !== undefined && { precision }),
  });
  const lines = input === undefined ? await inputLines(signal) : await readLines(input);
  return { lines, translations: await translator.translate(lines, beam, work) };
}

const plain = ({ text, score, tokens, logProbabilities }: TextHypothesis) => ({
  text,
  score,
  tokens: [...tokens],
  logProbabilities: [...logProbabilities],
});

/** A line for each line; with --n-best one for each hypothesis, in the form of fairseq's: number, score and text. */
const textsOf = (translation: Translation | NBestTranslation, line: number): string[] =>
  'hypotheses' in translation
    ? translation.hypotheses.map(({ text, score }) => `H-${line}\t${score}\t${text}`)
    : [translation.text];

async function inputLines(signal: AbortSignal | undefined): Promise<string[]> {
  const { throwIfAborted } = await import('../util/yield_timer.js');
  const { collectLines } = await import('../text/lines/line_reader.js');
  try {
    if (signal !== undefined) addAbortSignal(signal, process.stdin);
    return await collectLines(inputBlocks(), standardInput);
  } catch (error) {
    throwIfAborted(signal, 'reading standard input');
    throw error;
  }
}

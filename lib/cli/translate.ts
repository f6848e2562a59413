import { fstatSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { addAbortSignal } from 'node:stream';
import { type Command, Option } from 'commander';
import { type RuntimeOptions, runtimeSchema } from '../options/runtime.js';
import { type BeamOptions, type OverlongPolicy, overlongPolicies } from '../options/translation.js';
import type {
  NBestTranslation,
  StreamOptions,
  TextHypothesis,
  Translation,
} from '../translation/translator.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { addBeamFlags, beamOptions } from './shared/beam_flags.js';
import { interruptible } from './shared/interrupt.js';
import { inputBlocks, OutputWriter, standardInput } from './shared/line_filter.js';
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
  window?: number;
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
    .option(
      '--window <n>',
      'so many lines are read, translated together and printed before the next are read; 1 answers each line at once',
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
  const { output } = flags;
  if (output !== undefined) await checkWritableFile(output);
  const beam = beamOf(flags);
  await checkBeam(flags.run, beam);
  using writer = new OutputWriter();
  await interruptible(async (signal) => {
    const blocks = translatedBlocks(flags, beam, signal);
    if (output === undefined) {
      for await (const block of blocks) {
        const text = flags.json ? jsonOf(block) : textOf(block);
        // With nobody who reads it there is nothing more to do.
        if (!(await writer.write(text))) return;
      }
    } else {
      const content = async function* () {
        for await (const block of blocks) {
          if (flags.json) await writer.write(jsonOf(block));
          yield Buffer.from(textOf(block));
        }
      };
      await writeFileAtomically(output, content());
    }
    if (flags.json) await writer.write('\n]\n');
    await writer.flush();
  });
}

const beamOf = (flags: Flags): BeamOptions => ({
  ...beamOptions(flags),
  ...(flags.nBest !== undefined && { nBest: flags.nBest }),
});

/** Before the model is loaded and the input is read. @throws RdropError INVALID_ARGUMENT, and those of reading the run's config.json */
async function checkBeam(run: string, beam: BeamOptions): Promise<void> {
  const { beamSchema, parseConfig } = await import('../options/index.js');
  const { readRunConfig } = await import('../training/run/run_directory.js');
  const { test } = await readRunConfig(resolve(run));
  parseConfig(beamSchema, { ...test.beam, ...beam }, 'beam', 'INVALID_ARGUMENT');
}

interface Translated {
  /** Counted from 0. */
  line: number;
  source: string;
  translation: Translation | NBestTranslation;
}

/** Lines with their translations, a window at a time; where it fails, those before the failure come first. */
async function* translatedBlocks(
  flags: Flags,
  beam: BeamOptions,
  signal: AbortSignal,
): AsyncGenerator<Translated[]> {
  const { Translator } = await import('../translation/translator.js');
  const { run, checkpoint, threads, device, precision, verify, input, overlong, window } = flags;
  using translator = await Translator.load(run, {
    checkpoint,
    threads,
    verify,
    signal,
    ...(device !== undefined && { device }),
    ...(precision !== undefined && { precision }),
  });
  const progress = await translationProgress(flags);
  /** Read and not yet translated. */
  const sources: string[] = [];
  const lines = async function* () {
    for await (const line of inputLines(input, signal)) {
      sources.push(line);
      progress.onLine(line);
      yield line;
    }
  };
  const { onProgress } = progress;
  const work: StreamOptions = { signal, name: input ?? standardInput, overlong, window, onProgress };
  let block: Translated[] = [];
  let line = 0;
  let failure: { error: unknown } | null = null;
  try {
    for await (const translation of translator.translate(lines(), beam, work)) {
      block.push({ line: line++, source: sources[block.length]!, translation });
      // Those of a window come at once, and nothing is read meanwhile.
      if (block.length < sources.length) continue;
      yield block;
      block = [];
      sources.length = 0;
    }
  } catch (error) {
    failure = { error };
  } finally {
    progress.stop();
  }
  if (block.length > 0) yield block;
  if (failure !== null) throw failure.error;
}

const textOf = (block: readonly Translated[]): string =>
  block
    .flatMap(linesOf)
    .map((line) => `${line}\n`)
    .join('');

/** A line for each line; with --n-best one for each hypothesis, in the form of fairseq's: number, score and text. */
const linesOf = ({ line, translation }: Translated): string[] =>
  'hypotheses' in translation
    ? translation.hypotheses.map(({ text, score }) => `H-${line}\t${score}\t${text}`)
    : [translation.text];

/** Elements of one JSON array, a line for each; `]` follows the last. */
const jsonOf = (block: readonly Translated[]): string =>
  block.map((each) => `${each.line === 0 ? '[\n' : ',\n'}${JSON.stringify(rowOf(each))}`).join('');

const rowOf = ({ source, translation }: Translated) => ({
  source,
  ...plain(translation),
  ...(translation.overlong !== undefined && { overlong: translation.overlong }),
  ...('hypotheses' in translation && { hypotheses: translation.hypotheses.map(plain) }),
});

const plain = ({ text, score, tokens, logProbabilities }: TextHypothesis) => ({
  text,
  score,
  tokens: [...tokens],
  logProbabilities: [...logProbabilities],
});

async function* inputLines(input: string | undefined, signal: AbortSignal): AsyncGenerator<string> {
  const { lineBlocks } = await import('../text/lines/line_reader.js');
  if (input !== undefined) {
    for await (const block of lineBlocks(input, { signal })) yield* block;
    return;
  }
  try {
    // Ends it also while it waits for text.
    addAbortSignal(signal, process.stdin);
    for await (const block of inputBlocks()) yield* block;
  } catch (error) {
    throwIfAborted(signal, 'reading standard input');
    throw error;
  }
}

/**
 * Reports how far it is on standard error, where that is not a terminal that shows the translations. A share is known of a plain
 * file alone.
 */
async function translationProgress({ input, output, json }: Flags) {
  const shown = output === undefined && !json && process.stdout.isTTY;
  const size = shown ? 0 : plainSize(input);
  if (size === 0) return { onLine: () => {}, onProgress: undefined, stop: () => {} };
  const { stageProgress } = await import('./shared/stage_progress.js');
  const { onProgress, stop } = stageProgress(process.stderr, { quiet: true });
  let lines = 0;
  let bytes = 0;
  return {
    onLine: (line: string) => {
      lines++;
      bytes += Buffer.byteLength(line) + 1;
    },
    onProgress: (done: number) =>
      onProgress({ text: 'translating', done: Math.min(size, (bytes * done) / lines), total: size }),
    stop,
  };
}

/** Bytes of the text, 0 where that is not known: of a pipe, of packed data. */
function plainSize(input: string | undefined): number {
  if (input?.endsWith('.gz')) return 0;
  try {
    const about = input === undefined ? fstatSync(0) : statSync(input);
    return about.isFile() ? about.size : 0;
  } catch {
    return 0;
  }
}

import { type Command, Option } from 'commander';
import { type OverlongPolicy, overlongPolicies } from '../config.js';
import { utf8Blocks } from '../util/line_writer.js';
import { addBeamFlags, beamOptions } from './beam_flags.js';
import { blocksOf, inputBlocks, standardInput, writeLines } from './line_filter.js';
import { namedCommand } from './named_command.js';
import { toNumber } from './number_flag.js';

interface Flags {
  run: string;
  checkpoint: 'best' | 'last';
  input?: string;
  output?: string;
  threads: number;
  device?: 'auto' | 'cpu' | 'cuda';
  overlong?: OverlongPolicy;
  verify: boolean;
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
    new Option(
      '--overlong <policy>',
      'what becomes of lines that are too long for the model: an error, a translation of their beginning, an empty line',
    ).choices(overlongPolicies),
  );
  return addBeamFlags(command)
    .option('--no-verify', 'go on where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print [{source, text, score, tokens, logProbabilities, overlong}] as JSON', false)
    .action(translate);
}

async function translate(flags: Flags): Promise<void> {
  const { writeFileAtomically } = await import('../files.js');
  const { collectLines, readLines } = await import('../util/line_reader.js');
  const { Translator } = await import('../translation/translator.js');
  const lines =
    flags.input === undefined
      ? await collectLines(inputBlocks(), standardInput)
      : await readLines(flags.input);
  const beam = beamOptions(flags);
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once('SIGINT', abort).once('SIGTERM', abort);
  using translator = await Translator.load(flags.run, {
    checkpoint: flags.checkpoint,
    threads: flags.threads,
    verify: flags.verify,
    ...(flags.device !== undefined && { device: flags.device }),
  });
  try {
    const translations = await translator.translate(lines, beam, {
      signal: controller.signal,
      name: flags.input ?? standardInput,
      overlong: flags.overlong,
    });
    const texts = translations.map((translation) => translation.text);
    if (flags.output !== undefined) await writeFileAtomically(flags.output, utf8Blocks(texts));
    if (flags.json) {
      const rows = translations.map(({ text, score, tokens, logProbabilities, overlong }, i) => ({
        source: lines[i],
        text,
        score,
        tokens: [...tokens],
        logProbabilities: [...logProbabilities],
        ...(overlong !== undefined && { overlong }),
      }));
      const json = rows.map((row, i) => `${JSON.stringify(row)}${i < rows.length - 1 ? ',' : ''}`);
      await writeLines(blocksOf(['[', ...json, ']']));
    } else if (flags.output === undefined) {
      await writeLines(blocksOf(texts));
    }
  } finally {
    process.off('SIGINT', abort).off('SIGTERM', abort);
  }
}

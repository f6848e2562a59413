import { addAbortSignal } from 'node:stream';
import { type Command, Option } from 'commander';
import { type OverlongPolicy, overlongPolicies } from '../options/translation.js';
import type { PredictedText, Prediction } from '../prediction/predictor.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { interruptible } from './shared/interrupt.js';
import { inputBlocks, OutputWriter, standardInput } from './shared/line_filter.js';
import { addLoadFlags, type LoadFlags, loadOptionsOf } from './shared/load_flags.js';
import { namedCommand } from './shared/named_command.js';

interface Flags extends LoadFlags {
  input?: string;
  overlong?: OverlongPolicy;
  probabilities: boolean;
  json: boolean;
}

/** `rdrop predict`: texts, a line each, from a file or standard input; of pairs both texts, a tab between them. */
export function predictCommand(): Command {
  const command = namedCommand('predict')
    .argument('<run>', 'the run directory of a classification or a regression')
    .option('--input <file>', 'texts, plain or .gz, instead of standard input; of pairs text, tab, text')
    .addOption(
      new Option(
        '--overlong <policy>',
        'what happens to texts that are too long for the model: an error, a prediction from their beginning, none',
      ).choices(overlongPolicies),
    );
  return addLoadFlags(command)
    .option(
      '--probabilities',
      'that of every class behind the label: name=probability, separated by tabs',
      false,
    )
    .option('--json', 'print [{text, label, probabilities}] or [{text, value}] as JSON', false)
    .action(predict);
}

/** Lines that are predicted together. */
const windowLines = 1024;

interface Row {
  /** As it was read. */
  line: string;
  prediction: Prediction | null;
}

async function predict(run: string, flags: Flags): Promise<void> {
  using writer = new OutputWriter();
  await interruptible(async (signal) => {
    let first = true;
    for await (const rows of predictedRows(run, flags, signal)) {
      const text = flags.json
        ? rows.map((row, i) => `${first && i === 0 ? '[\n' : ',\n'}${JSON.stringify(objectOf(row))}`).join('')
        : rows.map((row) => `${textOf(row, flags.probabilities)}\n`).join('');
      first = false;
      // With nobody who reads it there is nothing more to do.
      if (!(await writer.write(text))) return;
    }
    if (flags.json) await writer.write(first ? '[]\n' : '\n]\n');
    await writer.flush();
  });
}

async function* predictedRows(run: string, flags: Flags, signal: AbortSignal): AsyncGenerator<Row[]> {
  const { Predictor } = await import('../prediction/predictor.js');
  using predictor = await Predictor.load(run, { ...loadOptionsOf(flags), signal });
  const { input, overlong } = flags;
  const name = input ?? standardInput;
  let line = 1;
  for await (const lines of windows(input, signal)) {
    const predictions = await predictor.predict(lines.map(exampleOf), { name, line, overlong, signal });
    line += lines.length;
    yield lines.map((text, i) => ({ line: text, prediction: predictions[i] as Prediction | null }));
  }
}

function exampleOf(line: string): PredictedText {
  const at = line.indexOf('\t');
  return at < 0 ? line : [line.slice(0, at), line.slice(at + 1)];
}

async function* windows(input: string | undefined, signal: AbortSignal): AsyncGenerator<string[]> {
  let window: string[] = [];
  for await (const block of blocks(input, signal)) {
    for (const line of block) {
      window.push(line);
      if (window.length < windowLines) continue;
      yield window;
      window = [];
    }
    // What has come is answered, where more is waited for.
    if (input === undefined && window.length > 0) {
      yield window;
      window = [];
    }
  }
  if (window.length > 0) yield window;
}

async function* blocks(input: string | undefined, signal: AbortSignal): AsyncGenerator<string[]> {
  const { lineBlocks } = await import('../text/lines/line_reader.js');
  if (input !== undefined) {
    yield* lineBlocks(input, { signal });
    return;
  }
  try {
    // Ends it also while it waits for text.
    addAbortSignal(signal, process.stdin);
    yield* inputBlocks();
  } catch (error) {
    throwIfAborted(signal, 'reading standard input');
    throw error;
  }
}

const shown = (value: number): string => String(Number(value.toPrecision(6)));

/** The line, a tab, and what was predicted: nothing for a text that was left out. */
function textOf({ line, prediction }: Row, probabilities: boolean): string {
  const { label, value, probabilities: all = {} } = prediction ?? {};
  const said = label ?? (value === undefined ? '' : shown(value));
  const each = probabilities ? Object.entries(all).map(([name, p]) => `${name}=${shown(p)}`) : [];
  return [line, said, ...each].join('\t');
}

function objectOf({ line, prediction }: Row): object {
  const example = exampleOf(line);
  const [text, second] = typeof example === 'string' ? [example] : example;
  return { text, ...(second !== undefined && { second }), ...(prediction ?? { label: null }) };
}

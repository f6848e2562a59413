import type { Command } from 'commander';
import type { DropoutMomentsOptions } from '../options/theory.js';
import { RdropError } from '../util/errors.js';
import { assignment, assignments, nested } from './shared/assignments.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

interface Flags {
  run?: string;
  preset?: string;
  set: string[];
  out?: string;
  verify: boolean;
  json: boolean;
  [option: string]: unknown;
}

/** Flags that are short for one option; commander's name for the flag → the option's path. */
const shorthands: readonly [flag: string, argument: string, path: string, text: string][] = [
  ['checkpoint', '<name>', 'run.checkpoint', 'best, last or initial: as the run was initialized'],
  ['data', '<directory>', 'data', 'made by rdrop prepare; left out, the data of the run'],
  ['split', '<name>', 'split', 'train, valid or test'],
  ['batches', '<n>', 'batches', 'batches of the split, held fixed'],
  ['max-tokens', '<n>', 'maxTokens', 'size of a batch'],
  ['tokens-per-sample', '<n>', 'tokensPerSample', 'tokens of a block of a language model'],
  ['overlong', '<policy>', 'overlong', 'refuse, truncate or skip sequences that are too long'],
  ['pairs', '<n>', 'pairs', 'mask pairs for each batch'],
  ['alpha', '<weight>', 'loss.alpha', 'weight of the KL term in the whole loss; left out, that of the run'],
  ['level', '<share>', 'level', 'of the intervals'],
  ['samples', '<n>', 'samples', 'random signs of the randomization test'],
  ['seed', '<n>', 'seed', 'of masks, batches and signs, and of a fresh model'],
  ['label-smoothing', '<epsilon>', 'loss.labelSmoothing', 'likewise'],
  ['smoothing', '<name>', 'loss.smoothing', 'likewise: dropreg or fairseq'],
  ['device', '<name>', 'device', 'auto, cpu or cuda'],
  ['precision', '<name>', 'precision', 'float32 or float64'],
  ['threads', '<n>', 'threads', 'threads of libtorch; 0 takes every core'],
];

const camel = (flag: string) => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** `rdrop theory`: do both directions of KL agree in expectation, and how much more does the gradient of one vary? */
export function theoryCommand(): Command {
  const command = namedCommand('theory')
    .option('--run <directory>', 'a run directory; without one a model is initialized')
    .option('--preset <name>', 'without --run: the model and loss of a preset')
    .option('--set <option=value>', 'one option, e.g. model.dropout=0.2; may be repeated', collect, []);
  for (const [flag, argument, path, text] of shorthands) {
    command.option(`--${flag} ${argument}`, `${text} (${path})`);
  }
  return command
    .option('--out <directory>', 'write theory.html, theory.md and theory.json there')
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print the result as JSON', false)
    .action(theory);
}

const collect = (value: string, values: string[]) => [...values, value];

async function theoryOptions(flags: Flags): Promise<DropoutMomentsOptions> {
  const { mergeOptions, preset } = await import('../options/presets.js');
  if (flags.run !== undefined && flags.preset !== undefined) {
    throw new RdropError('INVALID_ARGUMENT', '--preset: expected either a run or a preset, got both');
  }
  const begin: Record<string, unknown> = {};
  if (flags.run !== undefined) begin['run'] = { directory: flags.run };
  else {
    const { model = {}, loss = {}, batches } = flags.preset === undefined ? {} : preset(flags.preset);
    // It is two passes that are compared, in both directions.
    const { direction: _d, passes: _p, ...rest } = loss;
    Object.assign(begin, { model, loss: rest, tokensPerSample: batches?.tokensPerSample });
  }
  // A directory stays text, whatever it is called.
  const value = (flag: string, text: string) => (flag === 'data' ? text : assignment(`=${text}`)[1]);
  const given = shorthands.flatMap(([flag, , path]) => {
    const text = flags[camel(flag)] as string | undefined;
    return text === undefined ? [] : [{ flag, path, value: value(flag, text) }];
  });
  const set = assignments(flags.set, given);
  return mergeOptions(
    begin,
    flags.verify ? {} : { verify: false },
    ...given.map((each) => nested(each.path, each.value)),
    ...set.map(([path, assigned]) => nested(path, assigned)),
  ) as unknown as DropoutMomentsOptions;
}

async function theory(flags: Flags): Promise<void> {
  const options = await theoryOptions(flags);
  const experiment = await import('../theory/theory.js');
  const { theoryLead, writeDropoutMoments } = await import('../theory/report.js');
  const { divergenceTable, gradientNotes, gradientTable } = await import('../theory/tables.js');
  const { checkWritableDirectory } = await import('../util/files/writable.js');
  const { stageProgress } = await import('./shared/stage_progress.js');
  const { textTable } = await import('./shared/text_table.js');
  if (flags.out !== undefined) await checkWritableDirectory(flags.out);
  const progress = stageProgress();
  const { onProgress } = progress;
  const result = await interruptible((signal) =>
    experiment.dropoutMoments(options, { signal, onProgress }).finally(progress.stop),
  );
  const files = flags.out === undefined ? null : await writeDropoutMoments(result, flags.out);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ ...result, files })}\n`);
    return;
  }
  const tables = [
    divergenceTable(result),
    gradientTable(result, 'kl'),
    { ...gradientTable(result, 'loss'), notes: gradientNotes },
  ];
  const blocks = tables.map((table) => textTable(table).join('\n'));
  const paths = files === null ? [] : [Object.values(files).join('\n')];
  process.stdout.write(`${[...blocks, theoryLead(result).join('\n'), ...paths].join('\n\n')}\n`);
}

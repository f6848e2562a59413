import type { Command } from 'commander';
import type { ResumeOptions, TrainOptions } from '../options/training.js';
import type { TrainEvent } from '../training/train_events.js';
import { RdropError } from '../util/errors.js';
import { assignment, assignments, type GivenFlag, nested } from './shared/assignments.js';
import { figureText } from './shared/figure_text.js';
import { interruptible, statusOfSignal } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

interface Flags {
  data?: string;
  run: string;
  preset?: string;
  config?: string;
  set: string[];
  tensorboard?: boolean;
  resume: boolean;
  unlock: boolean;
  verify: boolean;
  json: boolean;
  [option: string]: unknown;
}

/** Flags that are short for one option; commander's name for the flag → the option's path. */
export const trainShorthands: readonly [flag: string, argument: string, path: string, text: string][] = [
  ['task', '<name>', 'task', 'translation, language-model, classification or regression'],
  ['init', '<directory>', 'init', 'a run whose parameters this one begins with'],
  ['direction', '<name>', 'loss.direction', 'uni, uni-reverse or bi'],
  ['alpha', '<weight>', 'loss.alpha', 'weight of the KL term'],
  ['label-smoothing', '<epsilon>', 'loss.labelSmoothing', 'label smoothing'],
  ['smoothing', '<name>', 'loss.smoothing', 'how it is spread: dropreg or fairseq'],
  ['seed', '<n>', 'seed', 'of the initialization, the order and dropout'],
  ['device', '<name>', 'device', 'auto, cpu or cuda'],
  ['precision', '<name>', 'precision', 'auto, float32, float64, tf32, bfloat16 or float16'],
  ['threads', '<n>', 'threads', 'threads of libtorch; 0 takes every core'],
  ['max-updates', '<n>', 'maxUpdates', 'end after so many updates; 0 for no limit'],
  ['max-epochs', '<n>', 'maxEpochs', 'end after so many epochs; 0 for no limit'],
  [
    'max-minutes',
    '<minutes>',
    'maxMinutes',
    'end after so long, validation included, the test not; 0 for no limit',
  ],
  ['max-tokens', '<n>', 'batches.maxTokens', 'size of a batch'],
  ['max-sentences', '<n>', 'batches.maxSentences', 'most sequences of a batch; 0 for no limit'],
  ['tokens-per-sample', '<n>', 'batches.tokensPerSample', 'tokens of a block of a language model'],
  ['passes', '<n>', 'loss.passes', '1 is ordinary training at half the cost'],
  ['overlong', '<policy>', 'overlong', 'refuse, truncate or skip sentences that are too long'],
  ['learning-rate', '<rate>', 'optimizer.learningRate', 'highest learning rate'],
  ['warmup-updates', '<n>', 'optimizer.warmupUpdates', 'updates of warm-up'],
  ['dropout', '<rate>', 'model.dropout', 'dropout on embeddings and residual branches'],
  ['log-interval', '<n>', 'logInterval', 'updates between two lines of metrics'],
  ['metric', '<name>', 'validation.metric', 'what picks the best checkpoint'],
  ['validation-interval', '<n>', 'validation.interval', 'updates between two validations; 0: each epoch'],
  ['checkpoint-interval', '<n>', 'checkpointInterval', 'updates between two further checkpoints'],
];
/** Those of `train` alone. */
const ofRun: typeof trainShorthands = [
  ...trainShorthands,
  ['processes', '<n>', 'distributed.processes', 'train in so many processes on this machine'],
];
/** What a resumed run may be changed. */
const changeable = ['maxUpdates', 'maxEpochs', 'maxMinutes', 'data', 'distributed', 'tensorboard'];

const camel = (flag: string) => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The flags that were given. A directory stays text, whatever it is called. */
const given = (flags: Flags): GivenFlag[] => [
  ...(flags.tensorboard ? [{ flag: 'tensorboard', path: 'tensorboard', value: true }] : []),
  ...(flags.data === undefined ? [] : [{ flag: 'data', path: 'data', value: flags.data }]),
  ...ofRun.flatMap(([flag, , path]) => {
    const text = flags[camel(flag)];
    return text === undefined ? [] : [{ flag, path, value: assignment(`=${text}`)[1] }];
  }),
];

/** Those of --set. A directory stays text, whatever it is called. */
const setOptions = (flags: Flags): [path: string, value: unknown][] =>
  assignments(flags.set, given(flags)).map(([path, value]) => [
    path,
    path === 'data' ? String(value) : value,
  ]);

/**
 * The configuration that the flags describe: file, then flags and --set; the library lays it over the preset.
 *
 * @throws RdropError INVALID_ARGUMENT where a flag and --set give an option different values, and those of the file
 */
export async function trainOptions(flags: Flags): Promise<TrainOptions> {
  const { mergeOptions, preset } = await import('../options/presets.js');
  const { readJsonFile } = await import('../util/files/files.js');
  const set = setOptions(flags);
  const file = flags.config === undefined ? {} : await readJsonFile(flags.config);
  if (typeof file !== 'object' || file === null || Array.isArray(file)) {
    throw new RdropError('INVALID_CONFIG', `${flags.config}: expected an object of options`);
  }
  if (flags.preset !== undefined) preset(flags.preset); // the error of a wrong one names the flag
  const merged = mergeOptions(
    file,
    { preset: flags.preset, data: flags.data, runDirectory: flags.run },
    ...given(flags).map(({ path, value }) => nested(path, value)),
    ...set.map(([path, value]) => nested(path, value)),
  );
  return merged as unknown as TrainOptions;
}

/** `rdrop train`: begins or resumes a run. Ctrl-C ends it after the step under way, with a checkpoint. */
export function trainCommand(): Command {
  const command = namedCommand('train')
    .option('--data <directory>', 'made by rdrop prepare')
    .requiredOption('--run <directory>', 'the run directory to make, or with --resume to continue')
    .option('--preset <name>', 'a named beginning of the configuration, e.g. multi30k')
    .option('--config <file>', 'options as JSON, over those of the preset')
    .option('--set <option=value>', 'one option, e.g. loss.direction=uni; may be repeated', collect, []);
  for (const [flag, argument, path, text] of ofRun) {
    command.option(`--${flag} ${argument}`, `${text} (${path})`);
  }
  return command
    .option('--tensorboard', 'write event files for TensorBoard as well (tensorboard)')
    .option(
      '--resume',
      'continue from the last checkpoint; only the limits, the processes and where the data lies may be changed',
      false,
    )
    .option(
      '--unlock',
      'take the run over from a process that holds it; that one stops before it writes',
      false,
    )
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print the result as JSON', false)
    .action(train);
}

const collect = (value: string, values: string[]) => [...values, value];

async function train(flags: Flags): Promise<void> {
  const { Trainer } = await import('../training/trainer.js');
  const { trainProgress } = await import('./shared/train_progress.js');
  const opening = { unlock: flags.unlock, verify: flags.verify };
  const open = flags.resume
    ? ([flags.run, { ...(await asLaunched(await resumeOptions(flags))), ...opening }] as const)
    : ([await asLaunched(await ofCommandLine(await trainOptions(flags)))] as const);
  // Of several processes the first speaks; the others tell what ends them.
  const first = ((open.length === 2 ? open[1] : open[0]).distributed?.rank ?? 0) === 0;
  const progress = first ? trainProgress() : silent;
  const { onProgress } = progress;
  const { ended, runDirectory } = await interruptible(async (signal) => {
    try {
      using trainer = await (open.length === 2
        ? Trainer.resume(...open, { signal, onProgress })
        : Trainer.create(...open, { signal, onProgress, ...opening }));
      let last: TrainEvent | undefined;
      for await (const event of trainer.fit({ signal, onProgress })) {
        progress.onEvent(event);
        last = event;
      }
      return { ended: last, runDirectory: trainer.config.runDirectory };
    } finally {
      progress.stop();
    }
  }, 'finishing the step, then writing a checkpoint');
  if (ended?.type === 'end') report(ended, runDirectory, flags.json, first);
}

const silent = { onEvent: () => {}, onProgress: undefined, stop: () => {} };

/**
 * Options with the rank that torchrun, srun or another launcher says in the environment; --processes overrides it.
 *
 * @throws RdropError INVALID_ARGUMENT, naming the variable
 */
async function asLaunched<T extends Pick<TrainOptions, 'distributed'>>(options: T): Promise<T> {
  const { distributed } = options;
  if (distributed?.processes !== undefined || distributed?.rank !== undefined) return options;
  const { environmentRank } = await import('../training/distributed/environment.js');
  const launched = environmentRank();
  return launched === null ? options : { ...options, distributed: { ...launched, ...distributed } };
}

/** @throws RdropError INVALID_CONFIG where a metric picks the best checkpoint that only a hook of fit() can give */
async function ofCommandLine(options: TrainOptions): Promise<TrainOptions> {
  const metric = options.validation?.metric;
  if (typeof metric !== 'object') return options;
  const { metricsText } = await import('../options/tasks/names.js');
  throw new RdropError(
    'INVALID_CONFIG',
    `train.validation.metric: expected ${metricsText(options.task ?? 'translation')}, since a command has no hook \`validate\`, got ` +
      JSON.stringify(metric),
  );
}

/** The options of Trainer.resume that the flags describe: flags, then --set, as at the beginning of a run. */
async function resumeOptions(flags: Flags): Promise<ResumeOptions> {
  const entries = [...given(flags).map(({ path, value }) => [path, value] as const), ...setOptions(flags)];
  const fixed = [
    ...(['preset', 'config'] as const).filter((name) => flags[name] !== undefined).map((name) => `--${name}`),
    ...entries.map(([path]) => path).filter((path) => !changeable.includes(path.split('.')[0]!)),
  ];
  if (fixed.length > 0) {
    const { mostSimilar } = await import('../util/similar.js');
    const meant = mostSimilar(fixed[0]!, changeable);
    throw new RdropError(
      'INVALID_ARGUMENT',
      `--resume: only ${changeable.join(', ')} can be given anew, got ${[...new Set(fixed)].join(', ')}` +
        (meant === null ? '' : `; did you mean ${meant}?`),
    );
  }
  const { mergeOptions } = await import('../options/presets.js');
  return mergeOptions(...entries.map(([path, value]) => nested(path, value))) as ResumeOptions;
}

function report(
  ended: TrainEvent & { type: 'end' },
  runDirectory: string,
  json: boolean,
  first: boolean,
): void {
  const { reason, update, result } = ended;
  const resume = reason === 'aborted' ? `rdrop train --resume --run ${runDirectory}` : null;
  if (reason === 'aborted') process.exitCode = statusOfSignal() ?? 1;
  if (!first) return;
  if (json) {
    process.stdout.write(`${JSON.stringify({ reason, runDirectory, update, resume, ...result })}\n`);
  } else if (result === null) {
    process.stdout.write(`stopped after update ${update}; continue with: ${resume}\n`);
  } else {
    const { testScore, validScore } = result;
    const test = testScore ? `, test ${figureText(testScore.name, testScore.score)}` : '';
    const valid = validScore ? `, valid ${figureText(validScore.name, validScore.value)}` : '';
    process.stdout.write(
      `ended by ${reason} after ${update} updates and ${result.seconds.toFixed(0)} s of training; ` +
        `best: update ${result.bestUpdate}${valid}${test}\n${runDirectory}\n`,
    );
  }
}

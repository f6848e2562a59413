import type { Command } from 'commander';
import type { SweepOptions } from '../options/sweep.js';
import { RdropError } from '../util/errors.js';
import { assignment } from './shared/assignments.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';
import { testText } from './shared/score_text.js';
import { trainOptions, trainShorthands } from './train.js';

interface Flags {
  data?: string;
  preset?: string;
  config?: string;
  set: string[];
  seeds?: number[];
  directions?: string[];
  grid: string[];
  search?: string;
  out: string;
  parallel?: number;
  slots?: string;
  queue?: string;
  queuePasswordFile?: string;
  queueCa?: string;
  name?: string;
  stopOnFailure: boolean;
  unlock: boolean;
  verify: boolean;
  json: boolean;
  [option: string]: unknown;
}

const list = (text: string): string[] => text.split(',').map((part) => part.trim());
const numbers = (text: string): number[] => list(text).map(toNumber);
const collect = (value: string, values: string[]): string[] => [...values, value];

/** The flags of training that trials share. */
const ofTrials = trainShorthands.filter(([flag]) => flag !== 'direction' && flag !== 'seed');

/** `rdrop sweep`: the same configuration with several seeds and KL directions; called again, it continues. */
export function sweepCommand(): Command {
  const command = namedCommand('sweep')
    .option('--data <directory>', 'made by rdrop prepare')
    .requiredOption('--out <directory>', 'the sweep directory: a plan, and one run directory a trial')
    .option('--preset <name>', 'a named beginning of the configuration, e.g. multi30k')
    .option('--config <file>', 'options as JSON, over those of the preset')
    .option('--set <option=value>', 'one option, e.g. maxUpdates=2000; may be repeated', collect, [])
    .option('--seeds <list>', 'separated by commas, e.g. 63,64,65', numbers)
    .option('--directions <list>', 'of one-pass, baseline (α 0), uni, uni-reverse and bi', list)
    .option(
      '--grid <option=list>',
      'values of one more option, e.g. model.dropout=0.1,0.3; may be repeated',
      collect,
      [],
    )
    .option('--search <search>', 'random:N (N points of the grid) or halving:FACTOR (the best continue)');
  for (const [flag, argument, path, text] of ofTrials)
    command.option(`--${flag} ${argument}`, `${text} (${path})`);
  return command
    .option('--parallel <n>', 'trials at a time, which share the cores; 0: one a core', toNumber)
    .option('--slots <slots>', 'cpu:2x1 (two, one thread each), gpu:0,1 or gpu:0x3')
    .option('--queue <url>', 'leave the trials to workers: redis://host:6379/0, or rediss:// with TLS')
    .option('--name <name>', 'of the sweep on its queue')
    .option('--queue-password-file <file>', 'holds the password; else RDROP_QUEUE_PASSWORD')
    .option('--queue-ca <file>', 'certificates that the server is checked with, for rediss://')
    .option('--stop-on-failure', 'end the sweep with the first trial that fails', false)
    .option(
      '--unlock',
      'take the sweep over from a process that holds it; that one stops before it writes',
      false,
    )
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print the results as JSON', false)
    .action(run);
}

/** `loss.alpha=1,5` → {'loss.alpha': [1, 5]}. @throws RdropError INVALID_ARGUMENT */
function gridOf(given: readonly string[]): SweepOptions['grid'] {
  if (given.length === 0) return undefined;
  return Object.fromEntries(
    given.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) {
        throw new RdropError(
          'INVALID_ARGUMENT',
          `--grid: expected <option>=<list>, got ${JSON.stringify(text)}`,
        );
      }
      const values = list(text.slice(at + 1)).map((value) => assignment(`=${value}`)[1] as string);
      return [text.slice(0, at), values];
    }),
  );
}

async function run(flags: Flags): Promise<void> {
  const { runSweep } = await import('./shared/run_sweep.js');
  // The run directory and the seed are each trial's own.
  const { out: _o, json: _j, grid: _g, ...shared } = flags;
  const given = { ...shared, run: undefined } as unknown as Parameters<typeof trainOptions>[0];
  const options = {
    directory: flags.out,
    seeds: flags.seeds,
    directions: flags.directions,
    grid: gridOf(flags.grid),
    search: flags.search,
    parallel: flags.parallel,
    slots: flags.slots,
    queue: flags.queue,
    queuePasswordFile: flags.queuePasswordFile,
    queueCa: flags.queueCa,
    name: flags.name,
    stopOnFailure: flags.stopOnFailure,
    unlock: flags.unlock,
    verify: flags.verify,
  };
  const { results, failures, reason } = await runSweep(
    await trainOptions(given),
    Object.fromEntries(
      Object.entries(options).filter(([, value]) => value !== undefined),
    ) as unknown as SweepOptions,
  );
  const aborted = reason === 'aborted';
  if (failures.length > 0 && !aborted) process.exitCode = 1;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ directory: flags.out, reason, results, failures })}\n`);
    return;
  }
  for (const { name, result } of results) {
    const test = testText(result) ?? 'no test split';
    process.stdout.write(`${name}  ${test}  ${result.seconds.toFixed(0)} s  ${result.updates} updates\n`);
  }
  for (const { message } of failures) process.stderr.write(`rdrop: TRIAL_FAILED: ${message}\n`);
  if (aborted) {
    process.stdout.write(
      flags.queue
        ? 'the trials go on; the same command shows them again\n'
        : 'stopped; the same command continues\n',
    );
    return;
  }
  process.stdout.write(`rdrop report ${flags.out} makes the table, the statistics and the curves\n`);
}

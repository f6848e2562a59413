import { Command } from 'commander';
import type { DemoTextOptions } from '../options/demo.js';
import type { TaskName } from '../options/tasks/names.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

interface Flags {
  task: TaskName;
  out?: string;
  quick: boolean;
  fresh: boolean;
  unlock: boolean;
  json: boolean;
}

/** `rdrop demo`: plain dropout against R-Drop in one and in both directions, from made text to a report. */
export function demoCommand(): Command {
  return namedCommand('demo')
    .enablePositionalOptions()
    .option('--task <name>', 'translation, language-model, classification or regression', 'translation')
    .option('--out <directory>', 'where everything goes; finished trials there are reused (runs/demo)')
    .option('--quick', 'seconds instead of minutes; the numbers then mean nothing', false)
    .option('--fresh', 'start over', false)
    .option(
      '--unlock',
      'take the demo over from a process that holds it; that one stops before it writes',
      false,
    )
    .option('--json', 'print the results as JSON', false)
    .action(run)
    .addCommand(textCommand());
}

/** `rdrop demo text`: made text of any task, to prepare and train on. */
function textCommand(): Command {
  return new Command('text')
    .description('write made text of a task: train, valid and test')
    .argument('<task>', 'translation, language-model, classification or regression')
    .requiredOption('--out <directory>', 'where the files go')
    .option('--seed <n>', 'seed of the sentences', toNumber)
    .option('--train <lines>', 'lines to train on', toNumber)
    .option('--valid <lines>', 'lines to validate with', toNumber)
    .option('--test <lines>', 'lines to test with', toNumber)
    .action(async (task: DemoTextOptions['task'], { out, ...sizes }: { out: string }) => {
      const { writeDemoText } = await import('../demo/task_text.js');
      const paths = await writeDemoText({ task, directory: out, ...sizes });
      process.stdout.write(`${paths.join('\n')}\n`);
    });
}

/** Differences that the JSON document has, where a demo has both directions. */
const compared = [
  ['uni', 'baseline'],
  ['bi', 'baseline'],
  ['uni', 'bi'],
  ['uni', 'one-pass'],
  ['baseline', 'one-pass'],
] as const;

const usualDirectory = (task: TaskName, quick: boolean) =>
  `runs/demo${task === 'translation' ? '' : `-${task}`}${quick ? '-quick' : ''}`;

async function run({ task, out, quick, fresh, unlock, json }: Flags): Promise<void> {
  const began = performance.now();
  const { openDemo } = await import('../demo/demo.js');
  const { demoSamples } = await import('../demo/samples.js');
  const { writeReport } = await import('../report/report.js');
  const { readRuns } = await import('../report/runs.js');
  const { metricOf } = await import('../report/scores.js');
  const { metricTable, compareConditions, comparisonTable, sortRuns } = await import('../report/tables.js');
  const { RdropError } = await import('../util/errors.js');
  const { runSweep } = await import('./shared/run_sweep.js');
  const { stageProgress } = await import('./shared/stage_progress.js');
  const { textTable } = await import('./shared/text_table.js');

  const directory = out ?? usualDirectory(task, quick);
  const progress = stageProgress();
  const demo = await interruptible(async (signal) => {
    try {
      return await openDemo({ task, directory, quick, fresh }, { signal, onProgress: progress.onProgress });
    } finally {
      progress.stop();
    }
  });
  const { seeds, directions } = demo.recipe;
  const { results, failures, reason } = await runSweep(demo.config, {
    directory: demo.sweep,
    seeds,
    directions,
    unlock,
  });
  if (reason === 'aborted') {
    const text = json ? JSON.stringify({ reason, results }) : 'stopped; the same command continues';
    process.stdout.write(`${text}\n`);
    return;
  }
  const [failure] = failures;
  if (failure) throw new RdropError('TRIAL_FAILED', failure.message);

  const runs = sortRuns(await readRuns([demo.sweep]));
  const paths = await writeReport(demo.sweep, directory);
  const samples = await interruptible((signal) => demoSamples(demo, signal));
  const seconds = (performance.now() - began) / 1000;
  if (json) {
    const own = compared.filter((pair) => pair.every((direction) => directions.includes(direction)));
    const comparisons = own.map(([a, b]) => ({ a, b, ...compareConditions(runs, a, b) }));
    process.stdout.write(
      `${JSON.stringify({ seconds, results, comparisons, ...(samples && { samples: samples.rows }), ...paths })}\n`,
    );
    return;
  }
  const metric = metricOf(runs).name;
  const tables = [metricTable(runs, metric), comparisonTable(runs, metric), samples];
  const lines = tables.flatMap((table) => (table ? textTable(table) : []));
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
  process.stdout.write(`${seconds.toFixed(0)} s in all. The report with its plots: ${paths.html}\n`);
}

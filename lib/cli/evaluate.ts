import { type Command, Option } from 'commander';
import { interruptible } from './shared/interrupt.js';
import { addLoadFlags, type LoadFlags, loadOptionsOf } from './shared/load_flags.js';
import { namedCommand } from './shared/named_command.js';

interface Flags extends LoadFlags {
  split: 'valid' | 'test';
  data?: string;
  json: boolean;
}

/** `rdrop evaluate`: the figures of a run on a split, those of its own task. */
export function evaluateCommand(): Command {
  const command = namedCommand('evaluate')
    .argument('<run>', 'the run directory')
    .addOption(
      new Option('--split <name>', 'which split of the data').choices(['valid', 'test']).default('test'),
    )
    .option('--data <directory>', 'other prepared data of the same dictionary, instead of those of the run');
  return addLoadFlags(command)
    .option('--json', 'print {task, data, split, update, scores: [{name, score, signature}]} as JSON', false)
    .action(evaluate);
}

async function evaluate(run: string, flags: Flags): Promise<void> {
  const { evaluateRun } = await import('../prediction/evaluate_run.js');
  const { stageProgress } = await import('./shared/stage_progress.js');
  const { stageText } = await import('./shared/train_progress.js');
  const { split, data, json } = flags;
  const { onProgress, stop } = stageProgress(process.stderr, { quiet: true });
  const found = await interruptible(async (signal) => {
    try {
      return await evaluateRun(run, {
        ...{ ...loadOptionsOf(flags), split, data, signal },
        onProgress: (progress) =>
          onProgress({
            text: stageText({ ...progress, secondsLeft: null }),
            done: progress.done,
            total: progress.total,
          }),
      });
    } finally {
      stop();
    }
  });
  const { files: _, ...evaluation } = found;
  if (json) {
    process.stdout.write(`${JSON.stringify(evaluation)}\n`);
    return;
  }
  const { textTable } = await import('./shared/text_table.js');
  const table = {
    caption: `${found.task}, ${found.split} split of ${found.data}, update ${found.update}`,
    head: ['figure', 'value', 'computed as'],
    rows: found.scores.map(({ name, score, signature }) => [
      name,
      String(Number(score.toPrecision(6))),
      signature,
    ]),
    notes: [],
  };
  process.stdout.write(`${textTable(table).join('\n')}\n`);
}

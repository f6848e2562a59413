import type { Command } from 'commander';
import type { BenchRow } from '../benchmark/measure.js';
import { namedCommand } from './named_command.js';

const list = (text: string): string[] => text.split(',').map((part) => part.trim());

/** `rdrop bench [suite…]`. The options are those of benchSchema (lib/config/benchmark.ts). */
export function benchCommand(): Command {
  return namedCommand('bench')
    .argument('[suites...]', 'loss, step, epoch, decode, load; all when none is named')
    .option('--shape <name>', 'of step: iwslt14-16x24, iwslt14-48x30, multi30k-64x16 or tiny-32x12 (all)')
    .option('--precision <name>', 'of training and translation: float32 or bfloat16')
    .option('--direction <name>', 'of step: uni, uni-reverse or bi')
    .option('--threads <n>', 'threads of both sides; 0 takes every core', Number)
    .option('--rounds <n>', 'pairs of measurements, one of ours and one of theirs', Number)
    .option('--batches <n>', 'of epoch: batches that are measured', Number)
    .option('--seed <n>', 'of parameters, tokens and masks', Number)
    .option('--peers <list>', 'eager, compile (torch.compile, minutes to begin), or both', list)
    .option('--peer-python <path>', 'a Python that has torch, else RDROP_PYTHON, else python3')
    .option('--run <directory>', 'of decode: the trained run')
    .option('--beam <n>', 'of decode: hypotheses kept', Number)
    .option('--sentences <n>', 'of decode: how many are translated', Number)
    .option('--quick', 'tiny shapes: whether everything runs, not how fast')
    .option('--results <directory>', 'append the rows to <suite>.csv there')
    .option('--json', 'print the rows as JSON')
    .action(run);
}

type Flags = Record<string, unknown>;

async function run(suites: string[], { json, ...flags }: Flags): Promise<void> {
  const { bench } = await import('../benchmark/bench.js');
  const options = { ...flags, ...(suites.length > 0 && { suites }) };
  const rows = await bench(options as Parameters<typeof bench>[0], {
    onProgress: (text) => process.stderr.write(`${text}\n`),
  });
  if (json) {
    process.stdout.write(`${JSON.stringify(rows)}\n`);
    return;
  }
  const { textTable } = await import('./text_table.js');
  process.stdout.write(`${textTable(tableOf(rows)).join('\n')}\n`);
}

const figure = (value: number | null) => (value === null ? '-' : value.toPrecision(3));

function tableOf(rows: readonly BenchRow[]) {
  const missing = rows.find(({ conditions }) => conditions['peerVersion'] === undefined)?.conditions[
    'peerMissing'
  ];
  return {
    caption: 'Medians; the ratio is that of each pair, with its tenth and ninetieth percentile.',
    head: ['what', 'shape', 'unit', 'ours', 'peer', 'of', 'ratio', 'p10', 'p90'],
    rows: rows.map(({ name, shape, unit, ours, peer, peerName, ratio, spread }) => [
      ...[name, shape, unit, figure(ours), figure(peer), peerName ?? '-', figure(ratio)],
      ...(ratio === null ? ['-', '-'] : [figure(spread.low), figure(spread.high)]),
    ]),
    notes: missing === undefined ? [] : [`Without a peer: ${missing}`],
  };
}

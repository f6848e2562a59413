import type { Command } from 'commander';
import type { BenchRow } from '../benchmark/measure.js';
import { benchShapes } from '../options/benchmark.js';
import { interruptible, statusOfSignal } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';

const list = (text: string): string[] => text.split(',').map((part) => part.trim());

/** `rdrop bench [suite…]`. The options are those of benchSchema (lib/options/benchmark.ts). */
export function benchCommand(): Command {
  return namedCommand('bench')
    .argument('[suites...]', 'loss, step, epoch, decode, load; all when none is named')
    .option('--shape <name>', `of step: one of ${benchShapes.join(', ')} (all)`)
    .option('--precision <name>', 'of training and translation: float32 or bfloat16')
    .option('--direction <name>', 'of step: uni, uni-reverse or bi')
    .option('--threads <n>', 'threads of both sides; 0 takes every core', toNumber)
    .option('--rounds <n>', 'pairs of measurements, one of ours and one of theirs', toNumber)
    .option('--batches <n>', 'of epoch: batches that are measured', toNumber)
    .option('--seed <n>', 'of parameters, tokens and masks', toNumber)
    .option('--peers <list>', 'eager, compile (torch.compile, minutes to begin), or both', list)
    .option('--peer-python <path>', 'a Python that has torch, else RDROP_PYTHON, else python3')
    .option('--run <directory>', 'of decode: the trained run')
    .option('--beam <n>', 'of decode: hypotheses kept', toNumber)
    .option('--sentences <n>', 'of decode: how many are translated', toNumber)
    .option('--overlong <policy>', 'of decode: refuse, truncate or skip what is too long for the run')
    .option('--quick', 'tiny shapes: whether everything runs, not how fast')
    .option('--results <directory>', 'append the rows to <suite>.csv there')
    .option('--json', 'print the rows as JSON')
    .action(run);
}

type Flags = Record<string, unknown>;

async function run(suites: string[], { json, ...flags }: Flags): Promise<void> {
  const { bench } = await import('../benchmark/bench.js');
  const options = { ...flags, ...(suites.length > 0 && { suites }) };
  const rows: BenchRow[] = [];
  // What was measured before a suite failed, or was stopped, is reported all the same.
  const tell = async () => {
    if (rows.length > 0) process.stdout.write(`${await textOf(rows, json === true)}\n`);
  };
  await interruptible(async (signal) => {
    // The exit ends the peers and removes what lies in the directory for temporary files.
    const leave = () => void tell().finally(() => process.exit(statusOfSignal() ?? 1));
    signal.addEventListener('abort', leave, { once: true });
    try {
      await bench(options as Parameters<typeof bench>[0], {
        onProgress: (text) => process.stderr.write(`${text}\n`),
        onRows: (found) => rows.push(...found),
      });
    } finally {
      await tell();
    }
  }, 'ending, with the rows that are there');
}

async function textOf(rows: readonly BenchRow[], json: boolean): Promise<string> {
  if (json) return JSON.stringify(rows);
  const { textTable } = await import('./shared/text_table.js');
  return textTable(tableOf(rows)).join('\n');
}

/** Three digits or more, without an exponent: 3592 stays 3592. */
const number = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
const range = ({ low, high }: { low: number; high: number }) => `${number(low)} to ${number(high)}`;

function cellsOf({ name, shape, unit, ours, peer, peerName, ratio, spread, conditions }: BenchRow): string[] {
  const factor = unit === 'seconds' && Math.max(ours, peer ?? 0) < 1 ? 1000 : 1;
  const scaled = ({ low, high }: { low: number; high: number }) =>
    range({ low: factor * low, high: factor * high });
  const interval = (conditions['interval'] as BenchRow['spread'] | undefined) ?? (ratio === null && spread);
  // Of times and of rates how many times as fast; of a share how much of the other.
  const share = conditions['ratio'] === 'ours ÷ peer' && unit === 'seconds';
  const meaning = (value: string) => (share ? `${value} of it` : `${value} × as fast`);
  return [
    ...[name, shape, factor === 1 ? unit : 'ms', number(factor * ours), interval ? scaled(interval) : ''],
    ...(peer === null || ratio === null
      ? ['', '', '', '']
      : [number(factor * peer), peerName ?? '', meaning(number(ratio)), range(spread)]),
  ];
}

function tableOf(rows: readonly BenchRow[]) {
  const missing = new Set(
    rows.filter(({ peer }) => peer === null).map(({ conditions }) => String(conditions['peerMissing'])),
  );
  return {
    caption:
      'Medians; the ratio is that of each pair; ranges from the tenth to the ninetieth percentile.' +
      (rows.some(({ conditions }) => 'interval' in conditions)
        ? ' Of an epoch: the total that the sample tells, its 95 % interval, and the ratio of the totals.'
        : ''),
    head: ['what', 'shape', 'unit', 'ours', 'its range', 'peer', 'of', 'ratio', 'its range'],
    rows: rows.map(cellsOf),
    notes: [
      ...(rows.some(({ conditions }) => conditions['quick'])
        ? ['Quick: everything runs; the numbers mean nothing.']
        : []),
      ...[...missing].map((reason) => `Without a peer: ${reason}`),
    ],
  };
}

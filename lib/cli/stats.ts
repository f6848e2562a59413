import type { Command } from 'commander';
import { alternatives, comparisonSchema } from '../options/statistics.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';
import { statsPowerCommand } from './stats_power.js';

interface StatsOptions {
  a?: string;
  b?: string;
  condition: string[];
  samples: number;
  level: number;
  seed: number;
  alternative: string;
  json: boolean;
}

const collect = (value: string, values: string[]): string[] => [...values, value];

/** `rdrop stats`: rank tests, effect sizes and intervals for the results of two conditions, or of every pair of several. */
export function statsCommand(): Command {
  const defaults = comparisonSchema.parse({});
  return (
    namedCommand('stats')
      .usage('[options] | power [options]')
      .option('--a <numbers>', 'results of the first condition, as in 37.34,37.29,37.32')
      .option('--b <numbers>', 'results of the second condition')
      .option(
        '--condition <name=numbers>',
        "instead: a condition and its results; repeated, every pair is compared, with Holm's correction",
        collect,
        [],
      )
      .option('--samples <count>', 'redrawings of the bootstrap', toNumber, defaults.samples)
      .option('--level <share>', 'confidence of the intervals', toNumber, defaults.level)
      .option('--seed <number>', 'seed of the bootstrap', toNumber, defaults.seed)
      .option('--alternative <which>', `of the rank tests: ${alternatives.join(', ')}`, defaults.alternative)
      .option('--json', 'print the results as JSON', false)
      // Else the options of the same name would be taken from `stats power`.
      .enablePositionalOptions()
      .addCommand(statsPowerCommand())
      .action(run)
  );
}

const comparing = 'the comparison';

async function run(options: StatsOptions): Promise<void> {
  const { compareAllPairsYielding, compareRunsYielding } = await import('../statistics/comparison.js');
  const { comparisonLines } = await import('../statistics/comparison_lines.js');
  const { parseNumbers } = await import('../statistics/numbers.js');
  const { parseConfig } = await import('../options/schema/parse.js');
  const { RdropError } = await import('../util/errors.js');
  const { YieldTimer } = await import('../util/async/yield_timer.js');
  const { samples, level, seed, alternative } = options;
  const settings = parseConfig(
    comparisonSchema,
    { samples, level, seed, alternative },
    'stats',
    'INVALID_ARGUMENT',
  );
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const { a, b } = options;
  if (options.condition.length === 0) {
    if (a === undefined || b === undefined) {
      throw new RdropError('INVALID_ARGUMENT', 'stats: expected --a and --b, or --condition at least twice');
    }
    const [first, second] = [parseNumbers(a, '--a'), parseNumbers(b, '--b')];
    const comparison = await interruptible((signal) =>
      compareRunsYielding(first, second, settings, new YieldTimer(comparing, signal)),
    );
    print(
      options.json
        ? JSON.stringify(comparison)
        : comparisonLines(comparison, settings.alternative).join('\n'),
    );
    return;
  }
  if (a !== undefined || b !== undefined) {
    throw new RdropError('INVALID_ARGUMENT', 'stats: expected --a and --b or --condition, got both');
  }
  const conditions = new Map<string, number[]>();
  for (const text of options.condition) {
    const [, name, numbers] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || numbers === undefined) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `--condition: expected a name and numbers, as in uni=37.34,37.29,37.32, got ${JSON.stringify(text)}`,
      );
    }
    if (conditions.has(name))
      throw new RdropError(
        'INVALID_ARGUMENT',
        `--condition: expected each condition once, got ${name} twice`,
      );
    conditions.set(name, parseNumbers(numbers, `--condition ${name}`));
  }
  const pairs = await interruptible((signal) =>
    compareAllPairsYielding(conditions, settings, new YieldTimer(comparing, signal)),
  );
  if (options.json) {
    print(JSON.stringify({ conditions: Object.fromEntries(conditions), comparisons: pairs }));
    return;
  }
  const family =
    pairs.length > 1
      ? [
          `Holm's correction goes over these ${pairs.length} pairs of conditions, each test a family of its own.`,
        ]
      : [];
  const blocks = pairs.map((pair) => [
    `a = ${pair.a}, b = ${pair.b}`,
    ...comparisonLines(pairs.length > 1 ? pair : { ...pair, holm: undefined }, settings.alternative).map(
      (line) => `  ${line}`,
    ),
  ]);
  print([...blocks.flatMap((block) => [...block, '']), ...family].join('\n').trimEnd());
}

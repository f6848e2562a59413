import type { Command } from 'commander';
import { alternatives, comparisonSchema } from '../options/index.js';
import { namedCommand } from './shared/named_command.js';
import { toNumber } from './shared/number_flag.js';
import { statsPowerCommand } from './stats_power.js';

interface StatsOptions {
  a?: string;
  b?: string;
  arm: string[];
  samples: number;
  level: number;
  seed: number;
  alternative: string;
  json: boolean;
}

const collect = (value: string, values: string[]): string[] => [...values, value];

/** `rdrop stats`: rank tests, effect sizes and intervals for the figures of two arms, or of every pair of several. */
export function statsCommand(): Command {
  const defaults = comparisonSchema.parse({});
  return (
    namedCommand('stats')
      .usage('[options] | power [options]')
      .option('--a <numbers>', 'figures of the first arm, as in 37.34,37.29,37.32')
      .option('--b <numbers>', 'figures of the second arm')
      .option(
        '--arm <name=numbers>',
        "instead: an arm and its figures; repeated, every pair is compared, with Holm's correction",
        collect,
        [],
      )
      .option('--samples <count>', 'redrawings of the bootstrap', toNumber, defaults.samples)
      .option('--level <share>', 'confidence of the intervals', toNumber, defaults.level)
      .option('--seed <number>', 'seed of the bootstrap', toNumber, defaults.seed)
      .option('--alternative <which>', `of the rank tests: ${alternatives.join(', ')}`, defaults.alternative)
      .option('--json', 'print the figures as JSON', false)
      // Else the options of the same name would be taken from `stats power`.
      .enablePositionalOptions()
      .addCommand(statsPowerCommand())
      .action(run)
  );
}

async function run(options: StatsOptions): Promise<void> {
  const { compareAllPairs, compareRuns } = await import('../statistics/comparison.js');
  const { comparisonLines } = await import('../statistics/comparison_lines.js');
  const { parseNumbers } = await import('../statistics/numbers.js');
  const { parseConfig } = await import('../options/index.js');
  const { RdropError } = await import('../util/errors.js');
  const { samples, level, seed, alternative } = options;
  const settings = parseConfig(
    comparisonSchema,
    { samples, level, seed, alternative },
    'stats',
    'INVALID_ARGUMENT',
  );
  const print = (text: string) => process.stdout.write(`${text}\n`);
  const { a, b } = options;
  if (options.arm.length === 0) {
    if (a === undefined || b === undefined) {
      throw new RdropError('INVALID_ARGUMENT', 'stats: expected --a and --b, or --arm at least twice');
    }
    const comparison = compareRuns(parseNumbers(a, '--a'), parseNumbers(b, '--b'), settings);
    print(
      options.json
        ? JSON.stringify(comparison)
        : comparisonLines(comparison, settings.alternative).join('\n'),
    );
    return;
  }
  if (a !== undefined || b !== undefined) {
    throw new RdropError('INVALID_ARGUMENT', 'stats: expected --a and --b or --arm, got both');
  }
  const arms = new Map<string, number[]>();
  for (const text of options.arm) {
    const [, name, numbers] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || numbers === undefined) {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `--arm: expected a name and numbers, as in uni=37.34,37.29,37.32, got ${JSON.stringify(text)}`,
      );
    }
    if (arms.has(name))
      throw new RdropError('INVALID_ARGUMENT', `--arm: expected each arm once, got ${name} twice`);
    arms.set(name, parseNumbers(numbers, `--arm ${name}`));
  }
  const pairs = compareAllPairs(arms, settings);
  if (options.json) {
    print(JSON.stringify({ arms: Object.fromEntries(arms), comparisons: pairs }));
    return;
  }
  const family =
    pairs.length > 1
      ? [`Holm's correction goes over these ${pairs.length} pairs of arms, each test a family of its own.`]
      : [];
  const blocks = pairs.map((pair) => [
    `a = ${pair.a}, b = ${pair.b}`,
    ...comparisonLines(pairs.length > 1 ? pair : { ...pair, holm: undefined }, settings.alternative).map(
      (line) => `  ${line}`,
    ),
  ]);
  print([...blocks.flatMap((block) => [...block, '']), ...family].join('\n').trimEnd());
}

import { Command } from 'commander';
import { bootstrapSchema } from '../config.js';

interface StatsOptions {
  a: string;
  b: string;
  samples: string;
  level: string;
  seed: string;
  json: boolean;
}

/** `rdrop stats`: both rank tests, Cohen's d and a bootstrap interval for the figures of two arms. */
export function statsCommand(): Command {
  const defaults = bootstrapSchema.parse({});
  return new Command('stats')
    .description('compare the figures of two arms, one a run, in the order of the seeds')
    .requiredOption('--a <numbers>', 'figures of the first arm, as in 37.34,37.29,37.32')
    .requiredOption('--b <numbers>', 'figures of the second arm')
    .option('--samples <count>', 'redrawings of the bootstrap', String(defaults.samples))
    .option('--level <share>', 'share of them inside the interval', String(defaults.level))
    .option('--seed <number>', 'seed of the bootstrap', String(defaults.seed))
    .option('--json', 'print the figures as JSON', false)
    .action(async (options: StatsOptions) => {
      const { compareRuns, comparisonLines } = await import('../experiment/statistics.js');
      const { parseNumbers } = await import('../experiment/numbers.js');
      const { parseConfig } = await import('../config.js');
      const bootstrap = parseConfig(
        bootstrapSchema,
        { samples: Number(options.samples), level: Number(options.level), seed: Number(options.seed) },
        'stats',
        'INVALID_ARGUMENT',
      );
      const comparison = compareRuns(
        parseNumbers(options.a, '--a'),
        parseNumbers(options.b, '--b'),
        bootstrap,
      );
      const text = options.json ? JSON.stringify(comparison) : comparisonLines(comparison).join('\n');
      process.stdout.write(`${text}\n`);
    });
}

import { Command } from 'commander';
import { alternatives, plannedPowerSchema, plannedTests } from '../options/statistics.js';
import type { PlannedPower } from '../statistics/planned_power.js';
import { interruptible } from './shared/interrupt.js';
import { toNumber } from './shared/number_flag.js';

interface Flags {
  runs: number;
  effect: number;
  test?: string;
  alternative: string;
  alpha: number;
  conditions: number;
  correlation: number;
  power: number;
  simulations: number;
  seed: number;
  hoursPerRun?: number;
  json: boolean;
}

/** `rdrop stats power`: what a comparison can show, before it costs anything. */
export function statsPowerCommand(): Command {
  const defaults = plannedPowerSchema.parse({ runsPerCondition: 1, effectSize: 0 });
  return new Command('power')
    .description('the smallest p value, the power and the cost of a planned comparison')
    .requiredOption('--runs <count>', 'runs per condition, that is seeds', toNumber)
    .requiredOption(
      '--effect <d>',
      'the true difference of two conditions, in standard deviations of a run',
      toNumber,
    )
    .option('--test <name>', `one of ${plannedTests.join(', ')} (all)`)
    .option('--alternative <which>', alternatives.join(', '), defaults.alternative)
    .option('--alpha <level>', 'a test rejects with p ≤ this', toNumber, defaults.alpha)
    .option(
      '--conditions <count>',
      'conditions; alpha is divided by the number of their pairs (Holm)',
      toNumber,
      defaults.conditions,
    )
    .option(
      '--correlation <r>',
      'of the two runs of a seed, for the paired tests',
      toNumber,
      defaults.correlation,
    )
    .option('--power <share>', 'power for which the fewest runs are sought', toNumber, defaults.targetPower)
    .option('--simulations <count>', 'comparisons drawn for a rank test', toNumber, defaults.simulations)
    .option('--seed <number>', 'seed of the drawings', toNumber, defaults.seed)
    .option('--hours-per-run <hours>', 'how long a run takes, for the cost', toNumber)
    .option('--json', 'print the results as JSON', false)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { plannedPower } = await import('../statistics/planned_power.js');
  const { parseConfig } = await import('../options/schema/parse.js');
  const hours = flags.hoursPerRun;
  const shared = {
    runsPerCondition: flags.runs,
    effectSize: flags.effect,
    alternative: flags.alternative,
    alpha: flags.alpha,
    conditions: flags.conditions,
    targetPower: flags.power,
    simulations: flags.simulations,
    seed: flags.seed,
    ...(hours === undefined ? {} : { hoursPerRun: hours }),
  };
  const correlation = flags.correlation;
  const tests = flags.test === undefined ? plannedTests : [flags.test];
  const plans = tests.map((test) => {
    // Where every test is asked for, the correlation is meant for the paired ones.
    const independent = flags.test === undefined && (test === 'rank-sum' || test === 't');
    const options = { ...shared, test, ...(independent ? {} : { correlation }) };
    return parseConfig(plannedPowerSchema, options, 'stats power', 'INVALID_ARGUMENT');
  });
  const results: PlannedPower[] = [];
  await interruptible(async (signal) => {
    for (const plan of plans) results.push(await plannedPower({ ...plan, signal }));
  });
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(results)}\n`);
    return;
  }
  const { powerTable } = await import('../report/power_table.js');
  const { textTable } = await import('./shared/text_table.js');
  process.stdout.write(`${textTable(powerTable(results)).join('\n')}\n`);
}

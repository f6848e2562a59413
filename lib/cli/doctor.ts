import type { Command } from 'commander';
import { namedCommand } from './shared/named_command.js';

/** `rdrop doctor`: explains every probe for libtorch and the addon. Exit status 1 when the native core does not open. */
export function doctorCommand(): Command {
  return namedCommand('doctor')
    .option('--json', 'print the diagnosis as JSON', false)
    .action(async (options: { json: boolean }) => {
      const { diagnosisLines, doctor } = await import('../native/libtorch/doctor.js');
      const diagnosis = await doctor();
      const text = options.json ? JSON.stringify(diagnosis, null, 2) : diagnosisLines(diagnosis).join('\n');
      process.stdout.write(`${text}\n`);
      if (!diagnosis.ok) process.exitCode = 1;
    });
}

import type { Command } from 'commander';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

interface ReportOptions {
  out?: string;
  metric?: string;
  verify: boolean;
  json: boolean;
}

/** `rdrop report`: the report of a sweep or of runs, as one HTML file and as Markdown. */
export function reportCommand(): Command {
  return namedCommand('report')
    .argument('<directories...>', 'sweep or run directories')
    .option('--out <directory>', 'where the two files go; the directory itself when only one is given')
    .option(
      '--metric <name>',
      'the metric of the test split to compare by, as the report calls it (BLEU 13a)',
    )
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print {html, markdown} as JSON', false)
    .action(async (directories: string[], options: ReportOptions) => {
      const { writeReport } = await import('../report/report.js');
      const { RdropError } = await import('../util/errors.js');
      const out = options.out ?? (directories.length === 1 ? directories[0] : undefined);
      if (out === undefined) {
        throw new RdropError(
          'INVALID_ARGUMENT',
          `report: expected --out with more than one directory, got nothing for ${directories.length} directories`,
        );
      }
      const { metric, verify } = options;
      const paths = await interruptible((signal) =>
        writeReport(directories, out, { metric, verify, signal }),
      );
      process.stdout.write(`${options.json ? JSON.stringify(paths) : `${paths.html}\n${paths.markdown}`}\n`);
    });
}

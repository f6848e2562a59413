import type { Command } from 'commander';
import { addBeamFlags, beamOptions } from './shared/beam_flags.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';

interface Flags {
  run?: string;
  checkpoint?: string;
  out?: string;
  json?: boolean;
  [option: string]: unknown;
}

/** `rdrop export huggingface|fairseq|both`: a run as other programs load it. */
export function exportCommand(): Command {
  const command = namedCommand('export')
    .argument('<format>', 'huggingface, fairseq (CTranslate2 converts it), or both in one directory')
    .argument('[run]', 'the run directory')
    .option('--run <directory>', 'the same')
    .option('--checkpoint <name>', 'which of its checkpoints, best or last')
    .option('--out <directory>', 'the directory to make');
  return addBeamFlags(command)
    .option('--no-verify', 'continue where a file is not the one that a manifest or a checkpoint names')
    .option('--json', 'print {directory, files, differences} as JSON')
    .action(async (format: string, given: string | undefined, flags: Flags) => {
      const { exportModel } = await import('../interchange/export_model.js');
      const { run = given, checkpoint, out, verify } = flags;
      const options = { run, checkpoint, format, out, verify } as Parameters<typeof exportModel>[0];
      const result = await interruptible((signal) => exportModel(options, beamOptions(flags), { signal }));
      for (const difference of result.differences) process.stderr.write(`rdrop: ${difference}\n`);
      const line = `${result.directory}: ${result.files.join(', ')}`;
      process.stdout.write(`${flags.json ? JSON.stringify(result) : line}\n`);
    });
}

import { PassThrough, Readable } from 'node:stream';
import type { Command } from 'commander';
import { vi } from 'vitest';

/**
 * Runs a command in this process with the chunks as its standard input.
 *
 * @returns what it wrote on standard output and standard error, and what it threw.
 */
export async function runCommand(
  command: Command,
  args: string[],
  input: (string | Uint8Array)[] = [],
): Promise<{ output: string; errors: string; thrown: unknown }> {
  const output = new PassThrough();
  const errors = new PassThrough();
  const written = Promise.all([output, errors].map((stream) => stream.setEncoding('utf8').toArray()));
  const chunks = input.map((chunk) => Buffer.from(chunk as Uint8Array));
  const spies = [
    vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from(chunks) as typeof process.stdin),
    vi.spyOn(process, 'stdout', 'get').mockReturnValue(output as unknown as typeof process.stdout),
    vi.spyOn(process, 'stderr', 'get').mockReturnValue(errors as unknown as typeof process.stderr),
  ];
  let thrown: unknown = null;
  try {
    const quiet = (one: Command) => {
      one.exitOverride();
      for (const child of one.commands) quiet(child);
    };
    quiet(command);
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    thrown = error;
  } finally {
    for (const spy of spies) spy.mockRestore();
    output.end();
    errors.end();
  }
  const [out, err] = (await written).map((parts) => parts.join(''));
  return { output: out!, errors: err!, thrown };
}

import type { Command } from 'commander';
import { vi } from 'vitest';

/** Runs a command in this process: what it printed on standard output, and behind it the code and message of what it threw. */
export async function printedBy(command: Command, ...args: string[]): Promise<string> {
  const printed: string[] = [];
  const spy = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed.push(String(text));
    return true;
  });
  for (const one of [command, ...command.commands])
    one.exitOverride().configureOutput({ writeErr: () => {} });
  try {
    await command.parseAsync(args, { from: 'user' });
  } catch (error) {
    return `${printed.join('')}${(error as { code?: string }).code}: ${(error as Error).message}`;
  } finally {
    spy.mockRestore();
  }
  return printed.join('');
}

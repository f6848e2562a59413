// Environments that end while the core works for them: worker.terminate() at any instant, exit, exceptions. What would go
// wrong ends the process, so each runs in one of its own. They use dist/, as programs do.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

async function runNode(
  args: string[],
): Promise<{ status: number | string | null; out: string; err: string }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text;
  });
  const status = await new Promise<number | string | null>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  return { status, out, err };
}

describe('worker.terminate()', () => {
  const long = process.env['RDROP_TEST_LONG'] !== undefined;
  const rounds = long ? 60 : 1;
  const states = ['load', 'create', 'work', 'step', 'sync', 'threads', 'inside'];

  // The sample: two workers in each of the seven states, at instants that one seed draws.
  test.each(long ? [1, 2] : [1])(
    'ends neither the process nor another worker, whatever the worker is at (seed %i)',
    async (seed) => {
      const args = [script('terminate_workers.mjs'), states.join(','), '14', String(rounds), String(seed)];
      const { status, out, err } = await runNode(args);
      expect(status, err).toBe(0);
      const { terminated, ended, failed } = JSON.parse(out);
      expect(failed).toEqual([]);
      expect(terminated + ended).toBe(14 * rounds);
    },
    long ? 3_600_000 : 60_000,
  );

  test('and process.exit() in the middle of a call of the core', async () => {
    const { status, out, err } = await runNode([script('terminate_workers.mjs'), 'inside', '6', '1', '3']);
    expect(status, err).toBe(0);
    expect(JSON.parse(out).failed).toEqual([]);
  });
});

describe('the process ends with its own status while the engine works', () => {
  test.each([
    ['process.exit()', 'exit', 7],
    ['exit() without the clean-up of Node', 'reallyExit', 7],
    ['an uncaught exception', 'throw', 1],
    ['an unhandled rejection', 'reject', 1],
    ['process.exit() with workers at work', 'workers', 7],
  ])('%s', async (_, how, expected) => {
    const { status, err } = await runNode([script('exit_at_work.mjs'), how]);
    expect(status, err).toBe(expected);
  });
});

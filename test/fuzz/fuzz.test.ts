// Every parser under mutated samples: a value or a coded error, within budgets, and nothing else changes (run.mjs). Each has
// a process of its own, so that whatever ends or hangs it is found as well. What was found once lies in corpus/<target>/ and
// is tried first. RDROP_TEST_LONG: a million inputs in all, with seeds that RDROP_FUZZ_SEED chooses.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const here = fileURLToPath(new URL('.', import.meta.url));
const long = Boolean(process.env['RDROP_TEST_LONG']);
const seed = process.env['RDROP_FUZZ_SEED'] ?? '1';
const { targets } = (await import(new URL('targets.mjs', import.meta.url).href)) as {
  targets: Record<string, { seeds(): Uint8Array[] }>;
};
const names = Object.keys(targets);
const inputs = long ? Math.ceil(1e6 / names.length) : 150;
/** Milliseconds for a process, a hundred times what it takes. */
const patience = long ? 2 * 3600_000 : 50_000;

/** Runs one target; the counts of its outcomes, or what went wrong with the place where the input was kept. */
async function fuzz(target: string, ...args: string[]): Promise<{ counts: Record<string, number> } | string> {
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-fuzz-'));
  try {
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=512', join(here, 'run.mjs'), target, '--dir', directory, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], timeout: patience, killSignal: 'SIGKILL' },
    );
    const [output, errors, ended] = await Promise.all([
      child.stdout.setEncoding('utf8').toArray(),
      child.stderr.setEncoding('utf8').toArray(),
      new Promise<string>((settle) =>
        child.once('close', (status, signal) => settle(signal ?? `status ${status}`)),
      ),
    ]);
    if (ended === 'status 0') return JSON.parse(output.join(''));
    const kept = join(tmpdir(), 'rdrop-fuzz-found', `${target}-${seed}`);
    mkdirSync(join(kept, '..'), { recursive: true });
    if (existsSync(join(directory, 'input'))) copyFileSync(join(directory, 'input'), kept);
    return `${target} ended with ${ended}; the input is ${kept}: ${errors.join('').slice(0, 3000)}`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const found = (target: string) => {
  const directory = join(here, 'corpus', target);
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
};

describe('parsers', () => {
  it('there is a target for each', () => {
    expect(names.length).toBeGreaterThanOrEqual(22);
    for (const kept of readdirSync(join(here, 'corpus')))
      if (kept !== 'README.md') expect(names).toContain(kept);
  });

  it.concurrent.each(names)(
    '%s',
    async (target) => {
      for (const input of found(target))
        expect(await fuzz(target, '--input', input)).toHaveProperty('counts');
      const outcome = await fuzz(target, '--inputs', String(inputs), '--seed', seed);
      expect(outcome).toHaveProperty('counts');
    },
    patience + 10_000,
  );
});

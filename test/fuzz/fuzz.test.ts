// Every parser under mutated samples: a value or a coded error, within budgets, and nothing else changes (run.mjs). They have
// processes of their own, so that whatever ends or hangs one is found as well. What was found once lies in corpus/<target>/
// and is tried again. RDROP_TEST_LONG: a million inputs in all, with seeds that RDROP_FUZZ_SEED chooses.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { onDisk } from '../support/temporary_directory.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const long = Boolean(process.env['RDROP_TEST_LONG']);
const seed = process.env['RDROP_FUZZ_SEED'] ?? '1';
const { targets } = (await import(new URL('targets.mjs', import.meta.url).href)) as {
  targets: Record<string, { seeds(): Uint8Array[] }>;
};
const names = Object.keys(targets);
const inputs = long ? Math.ceil(1e6 / names.length) : 60;
/** Milliseconds for a process, a hundred times what it takes. */
const patience = long ? 2 * 3600_000 : 50_000;

/** The outcomes of each target, or what went wrong with the place where the input was kept. */
async function fuzz(targets: readonly string[], ...args: string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-fuzz-'));
  try {
    const child = spawn(
      process.execPath,
      ['--max-old-space-size=512', join(here, 'run.mjs'), ...targets, '--dir', directory, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], timeout: patience, killSignal: 'SIGKILL' },
    );
    const [output, errors, ended] = await Promise.all([
      child.stdout.setEncoding('utf8').toArray(),
      child.stderr.setEncoding('utf8').toArray(),
      new Promise<string>((settle) =>
        child.once('close', (status, signal) => settle(signal ?? `status ${status}`)),
      ),
    ]);
    if (ended === 'status 0') return output.join('');
    const kept = join(onDisk(), 'rdrop-fuzz-found', `${targets[0]}-${seed}`);
    mkdirSync(join(kept, '..'), { recursive: true });
    if (existsSync(join(directory, 'input'))) copyFileSync(join(directory, 'input'), kept);
    throw new Error(`ended with ${ended}; the input is ${kept}: ${errors.join('').slice(-3000)}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const corpus = readdirSync(join(here, 'corpus'), { withFileTypes: true }).filter((entry) =>
  entry.isDirectory(),
);
const kept = corpus.flatMap(({ name }) =>
  readdirSync(join(here, 'corpus', name)).map((file): [string, string] => [name, file]),
);

/** In the sample several share a process, whose start takes longer than their inputs. */
const together = long ? 1 : 8;
const groups = Array.from({ length: Math.ceil(names.length / together) }, (_, i) =>
  names.slice(i * together, (i + 1) * together),
);

describe('parsers', () => {
  it('there is a target for each', () => {
    expect(names.length).toBeGreaterThanOrEqual(22);
  });

  it.concurrent.each(kept)('%s: %s, found once', async (target, file) => {
    const output = await fuzz([target], '--input', join(here, 'corpus', target, file));
    expect(JSON.parse(output)).toHaveProperty('counts');
  });

  it.concurrent.each(groups.map((group) => [group.join(', '), group] as const))(
    '%s',
    async (_, group) => {
      const output = await fuzz(group, '--inputs', String(inputs), '--seed', seed);
      const lines = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { target: string; inputs: number });
      expect(lines).toMatchObject(group.map((target) => ({ target, inputs })));
    },
    patience + 10_000,
  );
});

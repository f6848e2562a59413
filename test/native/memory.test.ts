// No memory, no files, no room: every allocation of the core that fails is OUT_OF_MEMORY and leaves everything as it was;
// the limits of the process are coded errors.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const long = process.env['RDROP_TEST_LONG'] !== undefined;
// Its allocator and its shadow memory stand in the way of ours and of limits.
const sanitized = process.env['RDROP_SANITIZED'] !== undefined;
let directory: string;
let library: string;
let compiled = false;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'rdrop-memory-'));
  library = join(directory, 'failing_memory.so');
  const args = ['-shared', '-fPIC', '-O1', '-o', library, here('failing_memory.c'), '-ldl'];
  compiled = spawnSync(process.env['CC'] ?? 'cc', args).status === 0;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.skipIf(sanitized)(
  'every allocation of every operation in turn: OUT_OF_MEMORY, and afterwards the same bits as ever (skipped under sanitizers)',
  (context) => {
    if (!compiled) context.skip('no C compiler, or none with glibc, to make the failing allocator');
    const control = join(directory, 'control');
    writeFileSync(control, new Uint8Array(4096));
    // Below 520 bytes it is Node's own queue and V8 that fail, which end the process.
    // The sample is every seventh, of both kinds of failure in turn.
    const args = [here('without_memory.mjs'), control, '520', long ? '1' : '7'];
    const { stdout, stderr, status } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      env: { ...process.env, LD_PRELOAD: library, RDROP_FAILING_MEMORY: control },
    });
    expect(status, stderr).toBe(0);
    const { tried, wrong } = JSON.parse(stdout);
    expect(wrong).toEqual([]);
    for (const name of ['create', 'step', 'logits', 'translate', 'lossAndGradients', 'rdropLossSync']) {
      expect(tried[name], name).toBeGreaterThan(0);
    }
  },
);

describe.skipIf(sanitized || spawnSync('prlimit', ['--version']).status !== 0)(
  'limits of the process (skipped under sanitizers and without prlimit)',
  () => {
    const run = (limit: string) => {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [here('within_limits.mjs'), limit, directory],
        {
          encoding: 'utf8',
        },
      );
      expect(status, stderr).toBe(0);
      // Nothing half written remains.
      expect(
        readdirSync(directory).filter((name) => !name.startsWith('failing') && name !== 'control'),
      ).toEqual([]);
      return JSON.parse(stdout);
    };

    test('address space: OUT_OF_MEMORY, and what fits still works', () => {
      expect(run('as')).toEqual({
        create: 'OUT_OF_MEMORY',
        lossAndGradients: 'OUT_OF_MEMORY',
        logits: 'OUT_OF_MEMORY',
        small: 'value',
      });
    });

    test('size of files: FILE_UNWRITABLE, without a signal', () => {
      expect(run('fsize')).toEqual({ save: 'FILE_UNWRITABLE', small: 'value' });
    });

    test('open files: coded errors, and everything works once there are some again', () => {
      expect(run('nofile')).toEqual({
        create: 'FILE_UNREADABLE',
        save: 'FILE_UNWRITABLE',
        'load a part': 'PROCESS_LIMIT',
        'load another': 'FILE_UNREADABLE',
        'load a part again': 'value',
        'load another again': 'value',
        'create again': 'value',
        small: 'value',
      });
    });
  },
);

// Where the tests put their files. Most of them write and flush many small ones, and durability is not what they ask about:
// in the short form they work in memory, which the flushes of a run, a checkpoint and a lock cost nothing. The long form
// works on the disk, as does the test of losses of power in both, through a file system of its own.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const inMemory = '/dev/shm';
/** Bytes that must be free in that file system and in the memory: several times what the tests take at once. */
const enough = 6 * 2 ** 30;

/** A place on the disk, for what has to outlive the tests. */
export const onDisk = (): string => process.env['RDROP_TEST_DISK'] ?? tmpdir();

/** Files there can be run and loaded, as the tests do with what they compile. */
function canRun(directory: string): boolean {
  const script = join(directory, 'script');
  writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const { status } = spawnSync(script);
  rmSync(script);
  return status === 0;
}

/** A directory in memory like /tmp, or null where there is none that is large enough. */
function makeInMemory(): string | null {
  let directory: string | null = null;
  try {
    const { bavail, bsize } = statfsSync(inMemory);
    if (bavail * bsize < enough || process.availableMemory() < enough) return null;
    directory = mkdtempSync(join(inMemory, 'rdrop-tests-'));
    chmodSync(directory, 0o1777);
    if (canRun(directory)) return directory;
  } catch {
    // No such place, or nothing can be written there.
  }
  if (directory !== null) rmSync(directory, { recursive: true, force: true });
  return null;
}

/** For vitest, before the tests: the processes that run them take over the environment. Returns what clears up afterwards. */
export function setup(): () => void {
  if (process.env['RDROP_TEST_LONG']) return () => {};
  const directory = makeInMemory();
  if (directory === null) return () => {};
  process.env['RDROP_TEST_DISK'] = tmpdir();
  process.env['TMPDIR'] = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}

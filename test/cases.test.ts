// Situations of public bug reports, a folder each: `cmd` is run in a copy of it, and prints what `expected` holds. The small
// ones lie in fixtures/cases; those that need much time, or root, are run from ../shared/cases where it is there.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { onPath } from '../lib/util/programs.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const kept = join(root, 'test/fixtures/cases');
const shared = join(root, '../shared/cases');
const long = Boolean(process.env['RDROP_TEST_LONG']);

/** Why a case cannot be run here; null when it can. */
function lacking(name: string): string | null {
  if (name === 'big-text' && !long) return 'writes and reads 560 MB: RDROP_TEST_LONG';
  if (name !== 'no-hard-links') return null;
  if (process.getuid?.() !== 0) return 'mounts a file system: needs root';
  const missing = ['losetup', 'mkfs.exfat', 'mount.exfat-fuse'].find((program) => onPath(program) === null);
  if (missing !== undefined) return `${missing} is not installed (exfatprogs, exfat-fuse)`;
  const loop = spawnSync('losetup', ['-f'], { stdio: 'ignore' });
  return loop.status === 0 && existsSync('/dev/fuse') ? null : 'this system has no loop device or no FUSE';
}

const folders = (directory: string) =>
  existsSync(directory)
    ? readdirSync(directory, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
    : [];

const cases = [...new Set([...folders(kept), ...folders(shared)])].sort();

test('there are cases', () => {
  expect(cases.length).toBeGreaterThanOrEqual(6);
});

test.for(cases)('%s', { timeout: long ? 960_000 : 60_000 }, (name, context) => {
  const reason = lacking(name);
  if (reason !== null) return context.skip(reason);
  const from = join(folders(shared).includes(name) ? shared : kept, name);
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-case-'));
  try {
    cpSync(from, directory, { recursive: true });
    // A folder that nobody can write to gives a copy of the same kind.
    execFileSync('chmod', ['-R', 'u+w', directory]);
    const { stdout, stderr } = spawnSync('bash', ['./cmd'], {
      cwd: directory,
      encoding: 'utf8',
      timeout: long ? 900_000 : 55_000,
      env: {
        ...process.env,
        RDROP: `${process.execPath} ${join(root, 'dist/cli/main.js')}`,
        RDROP_ROOT: root,
        PY: 'python3',
        LC_ALL: 'C.UTF-8',
      },
    });
    const about = readFileSync(join(directory, 'about'), 'utf8');
    expect(stdout, `${about}\n${stderr}`).toBe(readFileSync(join(directory, 'expected'), 'utf8'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

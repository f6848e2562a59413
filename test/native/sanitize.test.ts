// What several threads use at once, under ThreadSanitizer; in the long run everything native under Address- and
// UndefinedBehaviorSanitizer as well (scripts/sanitize.mjs).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';

const script = join(packageRoot, 'scripts', 'sanitize.mjs');

/** Whether the compiler has the library of ThreadSanitizer. */
function hasThreadSanitizer(): boolean {
  const directory = mkdtempSync(join(tmpdir(), 'rdrop-tsan-'));
  try {
    writeFileSync(join(directory, 'a.cc'), 'int main() {}\n');
    const args = ['-fsanitize=thread', join(directory, 'a.cc'), '-o', join(directory, 'a')];
    return spawnSync(process.env['CXX'] ?? 'c++', args).status === 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const sanitized = process.env['RDROP_SANITIZED'] !== undefined;

test('the queue of the engine and the memory of temporaries under ThreadSanitizer', ({ skip }) => {
  skip(sanitized, 'runs under another sanitizer');
  skip(!hasThreadSanitizer(), 'the compiler has no ThreadSanitizer');
  const { status, stderr } = spawnSync(process.execPath, [script, 'threads'], { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  expect(stderr.match(/^ok /gm)).toHaveLength(5);
}, 120_000);

test('kernels, core and addon under AddressSanitizer and UndefinedBehaviorSanitizer', ({ skip }) => {
  skip(sanitized, 'runs under another sanitizer');
  skip(process.env['RDROP_TEST_LONG'] === undefined, 'an hour: only in npm run test:long');
  const { status, stderr } = spawnSync(process.execPath, [script, 'kernels', 'addon'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  expect(status, stderr.slice(-20_000)).toBe(0);
}, 7_200_000);

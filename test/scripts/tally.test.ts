// The end of a run's log names each test that failed and the start of its error: of a log that is cut off, the end is what is left.
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { packageRoot } from '../../lib/native/binding.js';
import { scratchDirectory } from '../support/scratch.js';

/** What a run of these test files prints; a file is {name: body}. */
function run(files: Record<string, string>) {
  const directory = scratchDirectory();
  symlinkSync(join(packageRoot, 'node_modules'), join(directory, 'node_modules'));
  mkdirSync(join(directory, 'test'));
  for (const [name, body] of Object.entries(files))
    writeFileSync(
      join(directory, 'test', name),
      `import { beforeAll, describe, expect, test } from 'vitest';\n${body}`,
    );
  const tally = pathToFileURL(join(packageRoot, 'scripts/tally.mjs')).href;
  const script = `import { tallied } from ${JSON.stringify(tally)};
await tallied((tally) => tally.vitest(['--root', ${JSON.stringify(directory)}]));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    cwd: packageRoot,
  });
  const told = stderr.split('\n').filter((line) => /^(rdrop: )?(failed|skipped): /.test(line));
  return { status, told, last: stdout.trim().split('\n').at(-1) };
}

test('failed tests are named after the skipped ones', () => {
  const { status, told, last } = run({
    'a.test.ts': `test('is one', () => expect(1).toBe(1));
describe('numbers', () => test('are two', () => expect(1, 'the number').toBe(2)));
test('needs a machine', (context) => context.skip('there is none'));`,
    'b.test.ts': `import './absent.js';\ntest('never', () => {});`,
    'c.test.ts': `describe('hooks', () => {
  beforeAll(() => { throw new Error('no server'); });
  test('are run', () => {});
});`,
  });
  expect(last).toMatch(/^tests: 1 passed, 3 failed, \d skipped$/);
  expect(status).toBe(1);
  const failed = told.findIndex((line) => line.includes('failed: '));
  expect(told.slice(0, failed).join('\n')).toContain('a.test.ts > needs a machine: there is none');
  const failures = told.slice(failed).toSorted();
  expect(failures).toHaveLength(3);
  expect(failures[0]).toMatch(
    /failed: test\/a\.test\.ts > numbers > are two: the number: expected 1 to be 2/,
  );
  expect(failures[1]).toMatch(/failed: test\/b\.test\.ts: .*absent\.js/);
  expect(failures[2]).toMatch(/failed: test\/c\.test\.ts > hooks: no server/);
}, 60_000);

test('a run without a test is a failure, and says so', () => {
  const { status, told, last } = run({});
  expect({ status, last }).toEqual({ status: 1, last: 'tests: 0 passed, 1 failed, 0 skipped' });
  expect(told).toEqual([expect.stringContaining('failed: vitest: no test ran')]);
}, 60_000);

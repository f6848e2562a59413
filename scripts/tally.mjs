// Counts tests of all kinds, and ends a script with the one line that sums them.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, run, StepError, say } from './steps.mjs';

export class Tally {
  passed = 0;
  failed = 0;
  /** {name, reason} of each that failed. */
  failures = [];
  /** {name, reason} of each. */
  skipped = [];

  pass(name) {
    say(`${name}: passed`);
    this.passed += 1;
  }

  fail(name, reason = '') {
    say(`${name}: FAILED${reason && `: ${reason}`}`);
    this.failed += 1;
    this.failures.push({ name, reason });
  }

  skip(name, reason) {
    this.skipped.push({ name, reason });
  }

  /**
   * Runs vitest and adds its counts. A run in which nothing passed or failed is a failure, unless everything may be skipped.
   *
   * @param args - of vitest, file filters for instance
   * @param options - {env: more variables, mayBeSkipped}
   */
  vitest(args, { env = {}, mayBeSkipped = false } = {}) {
    const directory = mkdtempSync(join(tmpdir(), 'rdrop-test-'));
    const summaryFile = join(directory, 'summary.json');
    try {
      const reporters = ['--reporter=default', `--reporter=${join(root, 'scripts/summary_reporter.mjs')}`];
      const status = run(
        process.execPath,
        [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...args],
        { env: { ...process.env, ...env, RDROP_TEST_SUMMARY: summaryFile } },
      );
      let summary;
      try {
        summary = JSON.parse(readFileSync(summaryFile, 'utf8'));
      } catch {
        summary = { passed: 0, failed: 0, failures: [], skipped: [] };
      }
      const nothing = summary.passed + summary.failed === 0 && !(mayBeSkipped && summary.skipped.length > 0);
      if (nothing) say('vitest ran no test');
      // Errors outside every test end vitest with a status of its own.
      if (summary.failed === 0 && (status !== 0 || nothing)) {
        summary.failed += 1;
        summary.failures.push({ name: 'vitest', reason: nothing ? 'no test ran' : `status ${status}` });
      }
      this.passed += summary.passed;
      this.failed += summary.failed;
      this.failures.push(...summary.failures);
      this.skipped.push(...summary.skipped);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /**
   * Reports what was skipped, and after it what failed: the end of a log is what a reader sees first. The line with the counts is the
   * last that the process prints. Status 1 on any failure.
   */
  end() {
    for (const { name, reason } of this.skipped) say(`skipped: ${name}: ${reason ?? 'no reason given'}`);
    for (const { name, reason } of this.failures) say(`failed: ${name}${reason && `: ${reason}`}`);
    if (this.failed > 0) process.exitCode = 1;
    process.once('exit', () => process.stdout.write(`${this.line()}\n`));
  }

  line() {
    return `tests: ${this.passed} passed, ${this.failed} failed, ${this.skipped.length} skipped`;
  }
}

/** Runs the body with a tally that is reported in the end; what was thrown counts as a failure and is thrown on. */
export async function tallied(body) {
  const tally = new Tally();
  try {
    await body(tally);
  } catch (error) {
    tally.failed += 1;
    throw error;
  } finally {
    tally.end();
  }
}

/** Whether an error is reported in one line: a step that failed or a coded error. */
export const isReported = (error) => error instanceof StepError || error?.name === 'RdropError';

// A vitest reporter that writes what scripts/test.mjs needs to the file named by RDROP_TEST_SUMMARY: the counts, each skipped
// test with its reason (the note given to context.skip(), which vitest's own JSON report leaves out), and each that failed with the
// first lines of its error.
import { writeFileSync } from 'node:fs';

/** The start of an error: enough to tell what it was where the rest of a log is cut off. */
const startOf = (error) => (error?.message ?? '').split('\n').slice(0, 4).join(' | ').slice(0, 400);

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failed: 0, failures: [], skipped: [] };
    const fail = (name, errors) => {
      summary.failed += 1;
      summary.failures.push({ name, reason: startOf(errors[0]) });
    };
    for (const module of modules) {
      const file = module.relativeModuleId;
      // A file that could not be imported, or a hook that failed outside any test.
      for (const error of module.errors()) fail(file, [error]);
      for (const suite of module.children.allSuites())
        for (const error of suite.errors()) fail(`${file} > ${suite.fullName}`, [error]);
      for (const test of module.children.allTests()) {
        const result = test.result();
        const name = `${file} > ${test.fullName}`;
        if (result.state === 'passed') summary.passed++;
        else if (result.state === 'failed') fail(name, result.errors);
        else summary.skipped.push({ name, reason: result.note ?? null });
      }
    }
    for (const error of unhandledErrors)
      summary.failures.push({ name: 'outside every test', reason: startOf(error) });
    writeFileSync(process.env.RDROP_TEST_SUMMARY, JSON.stringify(summary));
  }
}

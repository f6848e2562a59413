// A vitest reporter that writes what scripts/test.mjs needs to the file named by RDROP_TEST_SUMMARY: the counts, and each
// skipped test with its reason (the note given to context.skip(), which vitest's own JSON report leaves out).
import { writeFileSync } from 'node:fs';

export default class SummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const summary = { passed: 0, failed: 0, skipped: [], unhandled: unhandledErrors.length };
    for (const module of modules) {
      // A file that could not be imported, or a hook that failed outside any test.
      summary.failed += module.errors().length;
      for (const suite of module.children.allSuites()) summary.failed += suite.errors().length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') summary.passed++;
        else if (result.state === 'failed') summary.failed++;
        else
          summary.skipped.push({
            name: `${module.relativeModuleId} > ${test.fullName}`,
            reason: result.note ?? null,
          });
      }
    }
    writeFileSync(process.env.RDROP_TEST_SUMMARY, JSON.stringify(summary));
  }
}

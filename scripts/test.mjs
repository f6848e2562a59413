// npm test [-- FILTER…]: packages, dist/, libtorch and addon, then lint, format, types and vitest. Arguments go to vitest; with file
// filters only these files run, and only what they need is built (scripts/test_needs.mjs). npm run test:long (--long) sets
// RDROP_TEST_LONG, by which tests that take a sample take everything, and gives them hours. The last line counts every test.
import { main } from './steps.mjs';
import { usualSuite } from './suites.mjs';
import { tallied } from './tally.mjs';

if (process.argv.includes('--long')) process.env.RDROP_TEST_LONG = '1';
const args = process.argv.slice(2).filter((argument) => argument !== '--long');
await main(() => tallied((tally) => usualSuite(tally, args)));

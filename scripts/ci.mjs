// What CI runs: npm test, then npm run check:cuda, and one line that sums both.
import { main } from './steps.mjs';
import { cudaSuite, usualSuite } from './suites.mjs';
import { tallied } from './tally.mjs';

await main(() =>
  tallied(async (tally) => {
    await usualSuite(tally);
    await cudaSuite(tally);
  }),
);

// npm run check:cuda [-- FILTER…]: what needs nvcc but no GPU. Compiles the CUDA flavor of the addon for sm_86, then runs test/cuda/.
// Minutes when nothing is compiled yet, and a download of 0.6 GB when no CUDA build of libtorch is at hand.
import { main } from './steps.mjs';
import { cudaSuite } from './suites.mjs';
import { tallied } from './tally.mjs';

await main(() => tallied((tally) => cudaSuite(tally, process.argv.slice(2))));

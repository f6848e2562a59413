/** The benchmark as a whole: its suites in turn. docs/benchmarks.md says what each row means. */
import { type BenchOptions, type BenchSuite, benchSchema } from '../config/benchmark.js';
import { parseConfig } from '../config.js';
import type { BenchContext, BenchRow } from './measure.js';
import { findPeerPython } from './peer_process.js';
import { appendResults } from './results.js';

const suites: Record<BenchSuite, (context: BenchContext) => Promise<BenchRow[]>> = {
  loss: async (context) => (await import('./loss.js')).lossRows(context),
  step: async (context) => (await import('./step.js')).stepRows(context),
  epoch: async (context) => (await import('./epoch.js')).epochRows(context),
  decode: async (context) => (await import('./decode.js')).decodeRows(context),
  load: async (context) => (await import('./load.js')).loadRows(context),
};

/**
 * Runs suites one after another. Where no suite is named, `decode` is left out unless a run is given, and onProgress says so.
 *
 * @returns the rows, in the order of the suites
 * @throws RdropError INVALID_ARGUMENT, BENCHMARK_FAILED (the peer ended, or a result is wrong: no time is then told), those of
 *   `native()` and of files
 */
export async function bench(
  options: BenchOptions,
  { onProgress = () => {} }: { onProgress?: (text: string) => void } = {},
): Promise<BenchRow[]> {
  const config = parseConfig(benchSchema, options, 'bench', 'INVALID_ARGUMENT');
  const python = await findPeerPython(config.peerPython);
  if (python.path === null) onProgress(`without a peer: ${python.missing}`);
  const context = { options: config, python, onProgress };
  const rows: BenchRow[] = [];
  for (const suite of config.suites) {
    if (suite === 'decode' && options.suites === undefined && config.run === undefined) {
      onProgress('decode is left out: it needs --run');
      continue;
    }
    const found = await suites[suite](context);
    if (config.results !== undefined) await appendResults(config.results, suite, found);
    rows.push(...found);
  }
  return rows;
}

/** The benchmark as a whole: its suites in turn. docs/benchmarks.md says what each row means. */

import {
  type BenchConfig,
  type BenchOptions,
  type BenchSuite,
  benchSchema,
  optionsOfQuick,
  suitesOfOption,
} from '../options/benchmark.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import { openRunCheckpoint } from '../training/run/run_checkpoint.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { RdropError } from '../util/errors.js';
import { runOf } from './decode.js';
import { type BenchContext, type BenchRow, measuring } from './measure.js';
import { findPeerPython } from './peer_process.js';
import { appendResults, checkResults } from './results.js';

export interface BenchEvents {
  onProgress?: (text: string) => void;
  onRows?: (rows: BenchRow[]) => void;
  /** Ends after the measurement under way. */
  signal?: AbortSignal | undefined;
}

const suites: Record<BenchSuite, (context: BenchContext) => Promise<BenchRow[]>> = {
  loss: async (context) => (await import('./loss.js')).lossRows(context),
  step: async (context) => (await import('./step.js')).stepRows(context),
  epoch: async (context) => (await import('./epoch.js')).epochRows(context),
  decode: async (context) => (await import('./decode.js')).decodeRows(context),
  load: async (context) => (await import('./load.js')).loadRows(context),
};

/** @throws RdropError INVALID_ARGUMENT for an option that would be ignored */
function refuseIgnored(options: BenchOptions, { suites, quick }: BenchConfig): void {
  for (const [name, value] of Object.entries(options)) {
    const those = suitesOfOption[name];
    if (value === undefined || those === undefined || those.some((suite) => suites.includes(suite))) continue;
    throw new RdropError(
      'INVALID_ARGUMENT',
      `bench.${name}: expected with one of the suites ${those.join(', ')}, got ${suites.join(', ')}`,
    );
  }
  const sized = optionsOfQuick.find((name) => options[name] !== undefined);
  if (quick && sized !== undefined)
    throw new RdropError('INVALID_ARGUMENT', `bench.${sized}: expected no size with quick, which sets all`);
}

/**
 * Runs suites one after another. Where no suite is named, `decode` is left out unless a run is given, and onProgress says so.
 *
 * @returns the rows, in the order of the suites; onRows has those of each suite when it ends, whatever becomes of the next
 * @throws RdropError INVALID_ARGUMENT, ABORTED, BENCHMARK_FAILED (the peer ended, or a result is wrong: no time is then reported), those of
 *   `native()` and of files
 */
export async function bench(options: BenchOptions, events: BenchEvents = {}): Promise<BenchRow[]> {
  checkCall(events, ['onProgress', 'onRows', 'signal'], 'bench');
  const { onProgress = () => {}, onRows = () => {}, signal } = events;
  const config = parseConfig(benchSchema, options, 'bench', 'INVALID_ARGUMENT');
  throwIfAborted(signal, measuring);
  refuseIgnored(options, config);
  const chosen = config.suites.filter((suite) => {
    const leftOut = suite === 'decode' && options.suites === undefined && config.run === undefined;
    if (leftOut) onProgress('decode is left out: it needs --run');
    return !leftOut;
  });
  if (chosen.includes('decode')) await openRunCheckpoint(runOf(config), 'best');
  if (config.results !== undefined) for (const suite of chosen) await checkResults(config.results, suite);
  const python = await findPeerPython(config.peerPython);
  if (python.path === null) onProgress(`without a peer: ${python.missing}`);
  const context = { options: config, python, onProgress, signal };
  const rows: BenchRow[] = [];
  for (const suite of chosen) {
    throwIfAborted(signal, measuring);
    const found = await suites[suite](context);
    onRows(found);
    if (config.results !== undefined) await appendResults(config.results, suite, found);
    rows.push(...found);
  }
  return rows;
}

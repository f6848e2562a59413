/** What every suite shares: a row, measurements in turn, and what they say. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { native, packageRoot } from '../native/binding.js';
import { type BenchConfig, type BenchSuite, usualRounds } from '../options/benchmark.js';
import { throwIfAborted } from '../util/async/yield_timer.js';
import { packageVersion } from '../util/package_version.js';
import { processorName } from '../util/processor.js';
import { childEnvironment, onPath } from '../util/programs.js';
import type { PeerPython } from './peer_process.js';

export interface BenchRow {
  name: string;
  shape: string;
  /** Median, in `unit`. */
  ours: number;
  peer: number | null;
  peerName: string | null;
  /** Median of the ratios of each pair, as conditions.ratio says: how many times as fast as the peer, else a share of it. */
  ratio: number | null;
  /** Tenth and ninetieth percentile of those ratios; without a peer, of ours. */
  spread: { low: number; high: number };
  unit: string;
  conditions: Record<string, unknown>;
}

/** What a suite is given. */
export interface BenchContext {
  options: BenchConfig;
  /** The Python that has torch, or why there is none. */
  python: PeerPython;
  onProgress: (text: string) => void;
  signal?: AbortSignal | undefined;
}

/** Linear between the two nearest of the sorted values. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  return below + (at - Math.floor(at)) * (sorted[Math.ceil(at)]! - below);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** What a ratio is: 'peer ÷ ours' of times, 'ours ÷ peer' of rates and of shares. */
export type RatioOf = 'peer ÷ ours' | 'ours ÷ peer';

/**
 * The figures of measurements that were taken in pairs.
 *
 * @param ours one a round
 * @param peer of the same rounds, or null without a peer
 */
export function comparePairs(
  ours: readonly number[],
  peer: readonly number[] | null,
  ratio: RatioOf = 'peer ÷ ours',
): Pick<BenchRow, 'ours' | 'peer' | 'ratio' | 'spread'> {
  const ratios = peer?.map((theirs, i) => (ratio === 'peer ÷ ours' ? theirs / ours[i]! : ours[i]! / theirs));
  const spreadOf = ratios ?? ours;
  return {
    ours: median(ours),
    peer: peer === null ? null : median(peer),
    ratio: ratios === undefined ? null : median(ratios),
    spread: { low: quantile(spreadOf, 0.1), high: quantile(spreadOf, 0.9) },
  };
}

export const measuring = 'the benchmark';

/** Milliseconds between turns: OpenMP's threads spin for some after their work, on the cores of the next side. */
const pauseBetweenTurns = 50;

/**
 * Measures the sides in turn, once each a round; every other round goes backwards, so that none is always the one after the
 * same other.
 *
 * @param begin 1: the first round goes backwards already
 * @param signal ends it after the turn under way
 * @returns side → one figure a round
 * @throws RdropError ABORTED
 */
export async function interleave<K extends string>(
  rounds: number,
  sides: Record<K, (round: number) => Promise<number>>,
  begin = 0,
  signal?: AbortSignal,
): Promise<Record<K, number[]>> {
  const names = Object.keys(sides) as K[];
  const found = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round < rounds; round++) {
    for (const name of (begin + round) % 2 === 0 ? names : names.toReversed()) {
      throwIfAborted(signal, measuring);
      await pause(pauseBetweenTurns);
      found[name].push(await sides[name](round));
    }
  }
  return found;
}

export const roundsOf = ({ rounds, quick }: BenchConfig, suite: BenchSuite): number =>
  rounds ?? (quick ? 2 : usualRounds[suite]);

/** Seconds that an asynchronous piece of work takes. */
export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

/** What a row was measured under; `more` is what its suite adds. */
export function conditionsOf(
  { options, python }: BenchContext,
  more: Record<string, unknown>,
): Record<string, unknown> {
  const isa = process.env['ONEDNN_MAX_CPU_ISA'];
  return {
    ratio: 'peer ÷ ours',
    seed: options.seed,
    threads: options.threads,
    ...(python.path === null ? { peerMissing: python.missing } : { peerVersion: `torch ${python.version}` }),
    ...more,
    ...(options.quick && { quick: true }),
    device: processorName(),
    cores: cpus().length,
    node: process.versions.node,
    ...(isa !== undefined && { onednnMaxCpuIsa: isa }),
    // Well above the number of threads: something else was running, and only the ratios mean anything.
    loadAverage: loadavg()[0],
    date: new Date().toISOString(),
    commit: commit(),
  };
}

/** Of the suites that open the core (the load suite must not): threads are as many as 0 stood for. */
export function coreConditions(): Record<string, unknown> {
  const { compiledAgainst, instructionSet, float32Product, bfloat16Product, threads } = native().info();
  return { libtorch: compiledAgainst, instructionSet, float32Product, bfloat16Product, threads };
}

/** The commit of a checkout, marked where files but results differ from it; else the version of the package. */
export function commit(): string {
  if (!existsSync(join(packageRoot, '.git'))) return packageVersion();
  // What benchmarks write does not change what they measure.
  const written = [':!benchmarks/results', ':!docs/plots'];
  const program = onPath('git');
  if (program === null) return packageVersion();
  const git = (...args: string[]) =>
    execFileSync(program, args, {
      cwd: packageRoot,
      env: childEnvironment(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return `${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain', '--', '.', ...written) === '' ? '' : '-modified'}`;
  } catch {
    return packageVersion();
  }
}

/** `rdrop bench load`: how long it takes until something can begin, each time in a fresh process, Node's own start taken off. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../native/binding.js';
import { RdropError } from '../util/errors.js';
import { childEnvironment } from '../util/programs.js';
import { pythonCode } from '../util/python.js';
import {
  type BenchContext,
  type BenchRow,
  comparePairs,
  conditionsOf,
  interleave,
  median,
  roundsOf,
} from './measure.js';

function wallSeconds(program: string, args: readonly string[]): number {
  const began = performance.now();
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env: childEnvironment() });
  const seconds = (performance.now() - began) / 1000;
  if (status === 0) return seconds;
  const reason = error?.message ?? stderr.trim().split('\n').at(-1);
  throw new RdropError('BENCHMARK_FAILED', `${program} ${args.join(' ')}: ended with an error: ${reason}`);
}

export async function loadRows(context: BenchContext): Promise<BenchRow[]> {
  const { python, options, onProgress } = context;
  const rounds = roundsOf(options, 'load');
  const dist = join(packageRoot, 'dist');
  const module = (path: string) => pathToFileURL(join(dist, path)).href;
  const node = (code: string) => async () =>
    wallSeconds(process.execPath, ['--input-type=module', '-e', code]);
  const measures: Record<string, () => Promise<number>> = {
    node: node('0'),
    help: async () => wallSeconds(process.execPath, [join(dist, 'cli/main.js'), '--help']),
    import: node(`await import('${module('entry/index.js')}')`),
    text: node(`await import('${module('entry/text.js')}')`),
    evaluation: node(`await import('${module('entry/evaluation.js')}')`),
    statistics: node(`await import('${module('entry/statistics.js')}')`),
    core: node(`(await import('${module('native/binding.js')}')).native().info()`),
  };
  if (python.path !== null) {
    const { path } = python;
    measures['python'] = async () => wallSeconds(path, pythonCode('pass'));
    measures['torch'] = async () => wallSeconds(path, pythonCode('import torch'));
  }
  onProgress('load: warming up');
  await interleave(1, measures, 0, context.signal);
  onProgress(`load: ${rounds} rounds`);
  const times = await interleave(rounds, measures, 0, context.signal);
  const beyond = (what: string, start: string) =>
    times[what]!.map((seconds, i) => seconds - times[start]![i]!);
  const row = (name: string, what: string, torch: boolean): BenchRow => ({
    ...{ name, shape: 'a fresh process', unit: 'seconds' },
    ...comparePairs(beyond(what, 'node'), torch ? beyond('torch', 'python') : null),
    peerName: torch ? 'python: import torch' : null,
    conditions: conditionsOf(context, {
      ...{ rounds, wallSeconds: median(times[what]!), nodeSeconds: median(times['node']!) },
      ...(torch && {
        peerWallSeconds: median(times['torch']!),
        pythonSeconds: median(times['python']!),
      }),
      ...(!torch && { peerVersion: undefined }),
      ...(what !== 'core' && { peerMissing: 'PyTorch has nothing to compare it with' }),
      // None is used yet.
      threads: undefined,
    }),
  });
  return [
    row('rdrop --help', 'help', false),
    row('import of the library', 'import', false),
    row('import of rdrop/text', 'text', false),
    row('import of rdrop/evaluation', 'evaluation', false),
    row('import of rdrop/statistics', 'statistics', false),
    row('until the native core is loaded', 'core', python.path !== null),
  ];
}

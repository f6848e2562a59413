/** `rdrop bench loss`: the fused loss with its gradient, and copying the logits, against fairseq's composition in PyTorch. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { native } from '../native/binding.js';
import { klDirections } from '../options/loss.js';
import { fromNative, RdropError } from '../util/errors.js';
import {
  type BenchContext,
  type BenchRow,
  comparePairs,
  conditionsOf,
  coreConditions,
  interleave,
  median,
  roundsOf,
} from './measure.js';
import { Peer } from './peer_process.js';
import { benchLoss } from './shapes.js';
import { withTemporaryDirectory } from './temporary_directory.js';

/** Normal numbers (Box-Muller over a linear congruential generator): a network's logits, both passes alike but not equal. */
function makeInput(rows: number, classes: number, seed: number) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  const half = rows * classes;
  const logits = new Float32Array(2 * half);
  for (let i = 0; i < half; i++) {
    logits[i] = 2 * normal();
    logits[half + i] = logits[i]! + 0.5 * (uniform() - 0.5);
  }
  return { logits, targets: Int32Array.from({ length: rows }, () => Math.floor(uniform() * classes)) };
}

/** Largest error of our gradient and relative error of our loss against float64. */
const tolerance = 1e-5;

export const lossRows = (context: BenchContext): Promise<BenchRow[]> =>
  withTemporaryDirectory((directory) => rowsIn(context, directory));

async function rowsIn(context: BenchContext, directory: string): Promise<BenchRow[]> {
  const { options, python, onProgress } = context;
  const { seed, quick } = options;
  const [rows, classes] = quick ? [24, 120] : [2048, 10_152];
  const rounds = roundsOf(options, 'loss');
  const { logits, targets } = makeInput(rows, classes, seed);
  await fromNative(() => native().setThreads(options.threads));
  const { threads } = native().info();
  let peer: Peer | undefined;
  try {
    const errors = new Map<string, object>();
    let missing: string | undefined;
    if (python.path !== null) {
      const files = { logits: join(directory, 'logits'), targets: join(directory, 'targets') };
      await writeFile(files.logits, logits);
      await writeFile(files.targets, targets);
      const started = await Peer.startOrReason(python.path, 'rdrop_loss.py', {
        ...{ rows, classes, threads, seed, ...benchLoss, ...files },
      });
      if (typeof started === 'string') missing = started;
      else peer = started;
    }
    if (missing !== undefined) onProgress(`loss: without a peer: ${missing}`);
    if (peer !== undefined) {
      for (const direction of klDirections) {
        const ours = await fromNative(() =>
          native().rdropLoss(logits, classes, targets, { ...benchLoss, direction }),
        );
        const check = join(directory, 'gradient');
        await writeFile(check, ours.gradient as Float32Array);
        const found = await peer.ask<{ gradientError: number; lossError: number }>({
          ...{ check, direction, loss: ours.loss },
        });
        if (!(found.gradientError <= tolerance && found.lossError <= tolerance)) {
          throw new RdropError(
            'BENCHMARK_FAILED',
            `loss, ${direction}: expected errors against float64 of at most ${tolerance}, got ${found.gradientError} of the ` +
              `gradient and ${found.lossError} of the loss`,
          );
        }
        errors.set(direction, found);
      }
    }
    const found: BenchRow[] = [];
    for (const direction of klDirections) {
      onProgress(`loss, ${direction}: ${rounds} rounds`);
      const copies: number[] = [];
      const measures: Record<string, () => Promise<number>> = {
        ours: async () => {
          const runtime = { seed, device: 'cpu', precision: 'float32' } as const;
          const times = await fromNative(() =>
            native().timeLoss(logits, classes, targets, { ...benchLoss, direction }, 1, runtime),
          );
          copies.push(times.memoryCopy[0]!);
          return times.loss[0]!;
        },
      };
      for (const form of peer === undefined ? [] : options.peers) {
        const ask = { time: form, direction, repeats: 1 };
        measures[form] = async () => (await peer!.ask<{ seconds: number[] }>(ask)).seconds[0]!;
      }
      const { ours, ...theirs } = await interleave(rounds, measures, 0, context.signal);
      const row = {
        ...{
          name: `loss and gradient, ${direction}`,
          shape: `${quick ? 'quick: ' : ''}${rows}x${classes}`,
          unit: 'seconds',
        },
        conditions: conditionsOf(context, {
          ...{ precision: 'float32', direction, rounds, ...coreConditions(), ...errors.get(direction) },
          copySeconds: median(copies),
          ...(missing !== undefined && { peerMissing: missing, peerVersion: undefined }),
        }),
      };
      for (const [form, seconds] of Object.entries(theirs)) {
        const peerName = `PyTorch ${form === 'eager' ? 'eager' : 'compiled'}, float32`;
        found.push({ ...row, ...comparePairs(ours!, seconds), peerName });
      }
      if (peer === undefined) found.push({ ...row, ...comparePairs(ours!, null), peerName: null });
    }
    return found;
  } finally {
    peer?.stop();
  }
}

/** That the ranks of a run train the same run. */
import { native } from '../../native/binding.js';
import type { TrainConfig } from '../../options/training.js';
import { RdropError } from '../../util/errors.js';
import { packageVersion } from '../../util/package_version.js';
import { type DataHashes, differences } from '../run/run_directory.js';
import type { Ranks } from './ranks.js';

/**
 * The configuration of rank 0, on every rank: but for where things lie, and which rank this is.
 *
 * @param own this rank's, or null where it has none
 * @param data where this rank's prepared data lie; undefined: where rank 0's do
 * @throws RdropError RANKS_DIFFER, naming the rank and the options
 */
export async function agreedConfig(
  ranks: Ranks,
  own: TrainConfig | null,
  { data, distributed }: { data: string | undefined; distributed?: TrainConfig['distributed'] },
): Promise<TrainConfig> {
  if (ranks.alone) return own!;
  const first = await ranks.fromFirst(() => own!);
  if (ranks.first) return first;
  const others = own === null ? [] : differences(first, { ...own, data: first.data });
  if (others.length > 0) {
    throw new RdropError(
      'RANKS_DIFFER',
      `rank ${ranks.rank} was started with other options than rank 0: ${others.join(', ')}`,
    );
  }
  // How gradients travel is rank 0's as well.
  const { gradients = 'float32', backend, bucketMegabytes = 25 } = first.distributed ?? {};
  return {
    ...first,
    ...(data !== undefined && { data }),
    ...(distributed !== undefined && {
      distributed: { ...distributed, gradients, backend, bucketMegabytes },
    }),
  };
}

/** Every rank finds the same difference, so that all end by it. @throws RdropError RANKS_DIFFER, naming rank and file or version */
export async function checkRanks(ranks: Ranks, hashes: DataHashes): Promise<void> {
  if (ranks.alone) return;
  const own = { rdrop: packageVersion(), libtorch: native().info().compiledAgainst, data: hashes };
  const [first, ...others] = await ranks.gatherValues(own);
  for (const [i, other] of others.entries()) {
    const rank = i + 1;
    for (const what of ['rdrop', 'libtorch'] as const) {
      if (other[what] === first![what]) continue;
      throw new RdropError(
        'RANKS_DIFFER',
        `rank ${rank} has ${what} ${other[what]}, and rank 0 has ${first![what]}: expected the same version everywhere`,
      );
    }
    const files = Object.keys({ ...first!.data, ...other.data });
    const changed = files.filter((file) => first!.data[file] !== other.data[file]);
    if (changed.length === 0) continue;
    throw new RdropError(
      'RANKS_DIFFER',
      `rank ${rank} has other data than rank 0 (by their SHA-256): ${changed.join(', ')}`,
    );
  }
}

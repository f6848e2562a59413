import { availableParallelism } from 'node:os';
import type { DistributedConfig } from '../../options/distributed.js';
import type { TrainConfig } from '../../options/training.js';

/** Whether a process is told its rank, by whatever starts it. */
export const isPlaced = (
  options: DistributedConfig | undefined,
): options is DistributedConfig & { rank: number; worldSize: number; address: string; port: number } =>
  options?.rank !== undefined;

/** Processes of the run on this machine. */
const localRanksOf = (options: DistributedConfig | undefined): number =>
  options?.processes ?? options?.localRanks ?? 1;

/** Threads of this rank, 0 for every core: ranks on one machine share its cores. */
export function threadsOf({ threads, distributed }: Pick<TrainConfig, 'threads' | 'distributed'>): number {
  const localRanks = localRanksOf(distributed);
  if (threads > 0 || localRanks === 1) return threads;
  return Math.max(1, Math.floor(availableParallelism() / localRanks));
}

/** Which of a machine's devices is this rank's. */
export const localRankOf = (options: DistributedConfig | undefined): number => options?.localRank ?? 0;

/**
 * The environment in which torchrun, SLURM's srun and Kubernetes' PyTorchJob start the processes of a run. Names and meanings are
 * those of torch.distributed's env:// and of torch.distributed.elastic.
 */
import type { DistributedOptions } from '../../options/distributed.js';
import { describe } from '../../options/schema/parse.js';
import { RdropError } from '../../util/errors.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a launcher says which process of how many this is. */
const launchers = [
  {
    rank: 'RANK',
    worldSize: 'WORLD_SIZE',
    localRank: 'LOCAL_RANK',
    localRanks: ['LOCAL_WORLD_SIZE'],
  },
  {
    rank: 'SLURM_PROCID',
    worldSize: 'SLURM_NTASKS',
    localRank: 'SLURM_LOCALID',
    localRanks: ['SLURM_NTASKS_PER_NODE'],
  },
] as const;

/**
 * Which process of a run the environment says that this is; null where it says nothing, or that there is one.
 *
 * @throws RdropError INVALID_ARGUMENT, naming the variable, where it is lacking or no number in its range
 */
export function environmentRank(env: Environment = process.env): DistributedOptions | null {
  const [torch, slurm] = launchers;
  const set = (name: string) => env[name] !== undefined && env[name] !== '';
  if (set(torch.rank) || set(torch.worldSize)) return rankOf(env, torch);
  // srun starts many programs that are no ranks: its job says by an address that these are.
  const meant = set('MASTER_ADDR') && set('MASTER_PORT') && set(slurm.rank) && set(slurm.worldSize);
  return meant ? rankOf(env, slurm) : null;
}

function rankOf(env: Environment, names: (typeof launchers)[number]): DistributedOptions | null {
  const worldSize = integer(env, names.worldSize, 1, 2 ** 31 - 1);
  const rank = integer(env, names.rank, 0, worldSize - 1);
  if (worldSize === 1) return null;
  const localRank = optional(env, names.localRank, 0, worldSize - 1);
  const localRanks = names.localRanks
    .map((name) => optional(env, name, 1, worldSize))
    .find((value) => value !== undefined);
  const restart = optional(env, 'TORCHELASTIC_RESTART_COUNT', 0, Number.MAX_SAFE_INTEGER);
  return {
    rank,
    worldSize,
    address: text(env, 'MASTER_ADDR'),
    port: integer(env, 'MASTER_PORT', 1, 65_535),
    ...(localRank !== undefined && { localRank }),
    ...(localRanks !== undefined && { localRanks }),
    // As torch.distributed reads it.
    store: env['TORCHELASTIC_USE_AGENT_STORE'] === 'True' ? 'agent' : 'first',
    // One store outlives the processes that torchrun starts anew.
    prefix: `rdrop/${restart ?? 0}`,
  };
}

const ways = 'a process of a run over several needs it; --processes 1 trains in this one alone';

function text(env: Environment, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw new RdropError('INVALID_ARGUMENT', `${name}: expected a value in the environment, got none: ${ways}`);
}

function integer(env: Environment, name: string, from: number, to: number): number {
  const value = text(env, name);
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= from && number <= to) return number;
  throw new RdropError(
    'INVALID_ARGUMENT',
    `${name}: expected an integer from ${from} to ${to} in the environment, got ${describe(value)}: ${ways}`,
  );
}

const optional = (env: Environment, name: string, from: number, to: number): number | undefined =>
  env[name] === undefined || env[name] === '' ? undefined : integer(env, name, from, to);

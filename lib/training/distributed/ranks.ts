import type { NativeDistributed, NativeGroup } from '../../native/contract.js';
import type { DistributedConfig } from '../../options/distributed.js';
import { quietly } from '../../util/async/cleanup.js';
import { asRdropError, fromNative, RdropError } from '../../util/errors.js';
import type { RankProcesses } from './rank_processes.js';

/** What ends the run of every rank, and came from another one. */
const ofOthers = new Set(['RANK_LOST', 'RANK_FAILED', 'DISPOSED']);

/**
 * The processes that train one run, as one of them sees them. A run of one process is rank 0 of 1, and nothing is sent. Every rank
 * makes the same calls in the same order.
 */
export class Ranks {
  readonly rank: number;
  readonly size: number;
  readonly group: NativeGroup | null;
  /** The other ranks, where this one has started them. */
  readonly processes: RankProcesses | null;

  constructor(group: NativeGroup | null, processes: RankProcesses | null = null) {
    this.group = group;
    this.processes = processes;
    this.rank = group?.rank ?? 0;
    this.size = group?.worldSize ?? 1;
  }

  /** Whether this is rank 0, which alone writes. */
  get first(): boolean {
    return this.rank === 0;
  }

  get alone(): boolean {
    return this.size === 1;
  }

  /** Bytes of every rank, by rank. @throws RdropError RANK_LOST, RANK_FAILED, DISPOSED */
  async gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    const { group } = this;
    return group === null ? [bytes] : fromNative(() => group.gather(bytes));
  }

  /** Bytes of rank 0. @throws RdropError RANK_LOST, RANK_FAILED, DISPOSED */
  async broadcast(bytes: Uint8Array | null): Promise<Uint8Array> {
    const { group } = this;
    return group === null ? bytes! : fromNative(() => group.broadcast(bytes));
  }

  /** A value of JSON of every rank, by rank. */
  async gatherValues<T>(value: T): Promise<T[]> {
    if (this.alone) return [value];
    return (await this.gather(Buffer.from(JSON.stringify(value)))).map(parsed<T>);
  }

  /**
   * What rank 0 finds, a value of JSON: the work runs there alone, and every rank has its result.
   *
   * @throws RdropError ABORTED on every rank where it was aborted; any other error on rank 0, which is to tell the others by failed()
   */
  async fromFirst<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.alone) return work();
    if (!this.first) {
      const { found, aborted } = parsed<Found<T>>(await this.broadcast(null));
      if (aborted !== undefined) throw new RdropError('ABORTED', aborted);
      return found as T;
    }
    let answer: Found<T>;
    let aborted: RdropError | null = null;
    try {
      answer = { found: await work() };
    } catch (error) {
      aborted = asRdropError(error);
      if (aborted.code !== 'ABORTED') throw error;
      answer = { aborted: aborted.message };
    }
    await this.broadcast(Buffer.from(JSON.stringify(answer)));
    if (aborted !== null) throw aborted;
    return answer.found as T;
  }

  /** How the gradients of a model on the device travel; null where they do not. @throws RdropError INVALID_ARGUMENT */
  wire(options: DistributedConfig | undefined, device: 'cpu' | 'cuda'): NativeDistributed | null {
    const { group } = this;
    if (group === null || options === undefined) return null;
    const { gradients, bucketMegabytes, backend = device === 'cuda' ? 'nccl' : 'gloo' } = options;
    if (backend === 'nccl' && device !== 'cuda') {
      throw new RdropError(
        'INVALID_ARGUMENT',
        `distributed.backend: 'nccl' carries gradients between CUDA devices, and the run is on the CPU. Next: 'gloo'`,
      );
    }
    const bucketBytes = Math.ceil(bucketMegabytes * 2 ** 20);
    return { group, gradientType: gradients, bucketBytes, backend };
  }

  /** Tells the other ranks that this one ends with an error, unless it comes of theirs; returns it with what is known besides. */
  async failed(error: unknown): Promise<unknown> {
    const { group, processes } = this;
    const { code, message } = asRdropError(error);
    if (group !== null && !ofOthers.has(code)) await quietly(() => group.fail(`${code}: ${message}`));
    return processes === null ? error : processes.explain(error);
  }

  /** Calls under way end with DISPOSED, and the processes that this one started end. Idempotent. */
  dispose(): void {
    this.group?.dispose();
    this.processes?.end();
  }

  /** Resolves when the processes that this one started have ended. */
  async ended(): Promise<void> {
    await this.processes?.ended();
  }
}

interface Found<T> {
  found?: T;
  aborted?: string;
}

const parsed = <T>(bytes: Uint8Array): T => JSON.parse(Buffer.from(bytes).toString('utf8')) as T;

/** The one process of a run that is not shared. */
export const alone = new Ranks(null);

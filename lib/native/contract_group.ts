/** The processes of one run: part of the contract between TypeScript and C++ (contract.ts). */

/** Where the ranks of one run meet. */
export interface NativeGroupOptions {
  rank: number;
  worldSize: number;
  /** Host and port of the store; a name or a number. */
  address: string;
  port: number;
  /** Whether this rank serves the store: rank 0 does, unless torchrun's agent does. */
  serve: boolean;
  /** Of the keys in the store, so that several groups one after another may use one store. */
  prefix: string;
  /** Without a sign of life of a rank. */
  timeoutSeconds: number;
  /** To join. */
  joinSeconds: number;
  /** What carries the tensors of the CPU's memory. */
  backend: 'gloo';
  /** Path of librdrop_distributed.so: distributedLibrary() of binding.ts. */
  library: string;
}

/**
 * W processes that work on one run. Calls on a group are made by all ranks in the same order, those of a trainer included.
 * Every call, made or under way, rejects with RANK_LOST when a rank gives no sign of life for the timeout or its connection
 * closes, with RANK_FAILED when it said so itself; both name the rank. DISPOSED after dispose().
 */
export interface NativeGroup {
  readonly rank: number;
  readonly worldSize: number;
  /** Over the ranks, added in the order of their numbers: the same bits everywhere. Lengths must be equal. */
  sum(values: Float64Array): Promise<Float64Array>;
  /** Of every rank, by rank; lengths may differ. */
  gather(bytes: Uint8Array): Promise<Uint8Array[]>;
  /** Of rank 0, whoever else gives null. */
  broadcast(bytes: Uint8Array | null): Promise<Uint8Array>;
  /** Tells the others that this rank ends with an error. */
  fail(message: string): Promise<void>;
  /** That steps waited for the others so far. */
  waitedSeconds(): number;
  /** Leaves in peace; calls under way end with DISPOSED. */
  dispose(): void;
}

export interface NativeDistributed {
  group: NativeGroup;
  /** In which gradients travel. */
  gradientType: 'float32' | 'bfloat16';
  /** Of gradients that travel together. */
  bucketBytes: number;
  /** What carries gradients: `nccl` from one CUDA device to the other, `gloo` through the memory of the hosts. */
  backend: 'gloo' | 'nccl';
}

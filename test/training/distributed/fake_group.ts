import type { NativeGroup } from '../../../lib/native/contract.js';
import { Ranks } from '../../../lib/training/distributed/ranks.js';

/** Ranks in this process whose calls meet as those of a group do. An error of one (failed()) ends the calls of all. */
export function fakeRanks(size: number): Ranks[] {
  const rounds: { parts: (Uint8Array | null)[]; resolve: (parts: Uint8Array[]) => void }[] = [];
  const settled: Promise<Uint8Array[]>[] = [];
  let broken: (error: Error) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    broken = reject;
  });
  failure.catch(() => {});
  const round = (number: number) => {
    if (rounds[number] === undefined) {
      settled[number] = new Promise((resolve) => {
        rounds[number] = { parts: new Array(size).fill(null), resolve };
      });
    }
    return rounds[number]!;
  };
  const groupOf = (rank: number): NativeGroup => {
    let calls = 0;
    const gather = (bytes: Uint8Array): Promise<Uint8Array[]> => {
      const number = calls++;
      const { parts, resolve } = round(number);
      parts[rank] = bytes.slice();
      if (parts.every((part) => part !== null)) resolve(parts as Uint8Array[]);
      return Promise.race([settled[number]!, failure]);
    };
    return {
      rank,
      worldSize: size,
      gather,
      broadcast: async (bytes) => (await gather(bytes ?? new Uint8Array()))[0]!,
      sum: async (values) => values,
      fail: async (message) =>
        broken(Object.assign(new Error(`rank ${rank} failed: ${message}`), { code: 'RANK_FAILED' })),
      waitedSeconds: () => 0,
      dispose: () => {},
    };
  };
  return Array.from({ length: size }, (_, rank) => new Ranks(groupOf(rank)));
}

/** The same work on every rank at once. */
export const onAll = <T>(ranks: readonly Ranks[], work: (ranks: Ranks) => Promise<T>): Promise<T[]> =>
  Promise.all(ranks.map(work));

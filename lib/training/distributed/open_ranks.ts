/** How the ranks of a run come together. */
import { createServer } from 'node:net';
import { useCudaDevice } from '../../model/device.js';
import { distributedLibrary, native } from '../../native/binding.js';
import type { NativeGroup, NativeGroupOptions } from '../../native/contract.js';
import type { DistributedConfig } from '../../options/distributed.js';
import { untilAborted } from '../../util/async/abortable.js';
import { asRdropError, fromNative, RdropError } from '../../util/errors.js';
import type { RankStart } from './messages.js';
import { isPlaced, localRankOf } from './place.js';
import { RankProcesses } from './rank_processes.js';
import { alone, Ranks } from './ranks.js';

/** What the group of a run needs to know besides its options. */
export interface Meeting {
  device: 'cpu' | 'cuda';
  start: RankStart;
  signal?: AbortSignal | undefined;
}

/** Groups that this process has joined so far, by where they met: each has names of its own in a store that outlives it. */
const joined = new Map<string, number>();

/**
 * Joins the ranks of a run, and starts them where this process is to. Without options there is this process alone.
 *
 * @throws RdropError ABORTED, DISTRIBUTED_UNAVAILABLE, RANK_LOST, RANK_FAILED
 */
export async function openRanks(options: DistributedConfig | undefined, meeting: Meeting): Promise<Ranks> {
  if (options === undefined || (options.worldSize ?? options.processes ?? 1) === 1) return alone;
  if (meeting.device === 'cuda') useCudaDevice(localRankOf(options));
  if (isPlaced(options)) {
    const { rank, worldSize, address, port } = options;
    const place = { rank, worldSize, address, port, serve: rank === 0 && options.store === 'first' };
    return new Ranks(await join({ ...options, ...place }, meeting));
  }
  return openLocal(options, meeting);
}

/** Seconds to join where nothing else is said. */
const shortestJoin = 30;

function join(
  options: DistributedConfig & Pick<NativeGroupOptions, 'rank' | 'worldSize' | 'address' | 'port' | 'serve'>,
  { signal }: Meeting,
): Promise<NativeGroup> {
  const { rank, worldSize, address, port, serve, timeoutSeconds, prefix = 'rdrop' } = options;
  // A process that starts loads libtorch first, which a short timeout has no time for.
  const { joinSeconds = Math.max(timeoutSeconds, shortestJoin) } = options;
  const store = `${address}:${port}/${prefix}`;
  const number = (joined.get(store) ?? 0) + 1;
  joined.set(store, number);
  const group = fromNative(() =>
    native().Group.create({
      ...{ rank, worldSize, address, port, serve, timeoutSeconds, joinSeconds },
      prefix: `${prefix}/${number}`,
      backend: 'gloo',
      library: distributedLibrary(),
    }),
  );
  return untilAborted(group, signal, 'joining the processes of the run', (late) => late.dispose());
}

/** Times that another port is tried where a free one was taken meanwhile. */
const attempts = 3;

async function openLocal(options: DistributedConfig, meeting: Meeting): Promise<Ranks> {
  const { processes = 1, timeoutSeconds, joinSeconds, gradients, backend, bucketMegabytes } = options;
  const address = '127.0.0.1';
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const wire = { timeoutSeconds, joinSeconds, gradients, backend, bucketMegabytes };
    const place = { address, port, prefix: `rdrop/${process.pid}/${attempt}` };
    const children = RankProcesses.start(processes, meeting.start, { ...place, ...wire });
    const group = join({ ...options, ...place, rank: 0, worldSize: processes, serve: true }, meeting);
    try {
      return new Ranks(await Promise.race([group, children.failure]), children);
    } catch (error) {
      children.kill();
      group.then(
        (late) => late.dispose(),
        () => {},
      );
      if (!isTaken(error) || attempt === attempts) throw error;
    }
  }
}

const isTaken = (error: unknown): boolean =>
  /address (already )?in use|EADDRINUSE/i.test(asRdropError(error).message);

/** A port of this machine that nobody listens on at the moment. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) =>
      reject(
        new RdropError('DISTRIBUTED_UNAVAILABLE', `no port of this machine is free (${error.message})`, {
          cause: error,
        }),
      ),
    );
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

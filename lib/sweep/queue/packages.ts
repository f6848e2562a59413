import { RdropError } from '../../util/errors.js';
import { loadPart } from '../../util/load_part.js';
import { installQueue, queuePackages } from '../../util/optional_packages.js';

type Bullmq = typeof import('bullmq');
/** What a queue needs of its packages. */
export interface QueuePackages extends Pick<Bullmq, 'Queue' | 'Worker' | 'DelayedError' | 'WaitingError'> {
  Redis: typeof import('ioredis').Redis;
}

/** Loads what a queue needs. @throws RdropError PACKAGE_MISSING, with the command that installs it */
export async function loadQueuePackages(): Promise<QueuePackages> {
  try {
    const [bullmq, { Redis }] = await loadPart(() => Promise.all([import('bullmq'), import('ioredis')]));
    const { Queue, Worker, DelayedError, WaitingError } = bullmq;
    return { Queue, Worker, DelayedError, WaitingError, Redis };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new RdropError(
      'PACKAGE_MISSING',
      `a queue needs the packages ${queuePackages.join(' and ')}, which are not installed: ${installQueue}`,
      { cause: error },
    );
  }
}

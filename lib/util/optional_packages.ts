import { createRequire } from 'node:module';

/** The optional packages of sweeps over several machines. */
export const queuePackages = ['bullmq', 'ioredis'] as const;
export const installQueue = `npm install ${queuePackages.join(' ')}`;

/** Whether each of them can be loaded from here. */
export function findQueuePackages(): Record<(typeof queuePackages)[number], boolean> {
  const { resolve } = createRequire(import.meta.url);
  const isThere = (name: string): boolean => {
    try {
      resolve(name);
      return true;
    } catch {
      return false;
    }
  };
  return { bullmq: isThere('bullmq'), ioredis: isThere('ioredis') };
}

/** Where the queue of a sweep over several machines is. */
import * as z from 'zod';
import { documented } from './schema/documented.js';
import { text } from './schema/ranges.js';

/** A Redis (or Valkey) server that holds the trials of sweeps. */
export interface QueueOptions {
  /**
   * `redis://[user@]host[:port][/database]`, with TLS `rediss://…`. The password comes from the environment (RDROP_QUEUE_PASSWORD),
   * from `queuePasswordFile` or from the URL, in this order; it is in no job and no file that rdrop writes. Left out: a sweep's
   * trials run on this machine.
   */
  queue: string;
  /** A file that holds the password alone. Left out: RDROP_QUEUE_PASSWORD_FILE, or none. */
  queuePasswordFile?: string | undefined;
  /** Certificates (PEM) that the server's has to be signed by, with `rediss://`. Left out: RDROP_QUEUE_CA, or those of Node.js. */
  queueCa?: string | undefined;
}

export const queueSchema = documented<QueueOptions>()(
  z.strictObject({ queue: text, queuePasswordFile: text.optional(), queueCa: text.optional() }),
);
export type QueueConfig = z.output<typeof queueSchema>;

/** A sweep on a queue: a part of file names and keys, so that no name leads elsewhere. */
export const sweepName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'expected a name of at most 64 letters, digits, dots, hyphens and underscores, a letter or digit first',
  );

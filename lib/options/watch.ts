/** The live page. */
import * as z from 'zod';
import { type QueueOptions, queueSchema, sweepName } from './queue.js';
import { documented } from './schema/documented.js';

/** A sweep on a queue, in place of a directory. */
export interface WatchedQueue extends QueueOptions {
  /** The sweep's name on its queue. */
  name: string;
}

export const watchedQueueSchema = documented<WatchedQueue>()(
  z.strictObject({ ...queueSchema.shape, name: sweepName }),
);

/** `rdrop watch`. */
export interface WatchOptions {
  /**
   * The port of 127.0.0.1 on which the page is; 0 takes a free one.
   * @default 0
   * @range 0 to 65,535
   */
  port?: number | undefined;
  /**
   * The secret in the page's address: 16 to 128 letters, digits, `-` and `_`. Left out: made of a secret of this user and the
   * directory or queue, so that the address is the same after a restart.
   */
  token?: string | undefined;
}

export const watchSchema = documented<WatchOptions>()(
  z.strictObject({
    port: z.int().min(0).max(65_535).default(0),
    token: z
      .string()
      .regex(/^[\w-]{16,128}$/, { error: "expected 16 to 128 letters, digits, '-' and '_'" })
      .optional(),
  }),
);

/** How a directory is opened that another process may hold or may have changed. */
import * as z from 'zod';
import { documented } from './schema/documented.js';

/** How a directory is taken that another process holds. */
export interface LockOptions {
  /**
   * Takes the directory over: the process that held it stops with RUN_LOST before its next write.
   * @default false
   */
  unlock?: boolean | undefined;
}

/** Whether files are compared with what was recorded of them. */
export interface VerifyOptions {
  /**
   * Whether each file must be the one that a manifest or a checkpoint names.
   * @default true
   */
  verify?: boolean | undefined;
}

/** How a run directory is opened to write to it. */
export interface OpenOptions extends LockOptions, VerifyOptions {}

export const lockSchema = documented<LockOptions>()(z.strictObject({ unlock: z.boolean().default(false) }));

export const verifyOption = z.boolean().default(true);

export const openSchema = documented<OpenOptions>()(
  z.strictObject({ ...lockSchema.shape, verify: verifyOption }),
);

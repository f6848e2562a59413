/** The demo. */
import * as z from 'zod';
import { documented } from './schema/documented.js';
import { text } from './schema/ranges.js';

/** `rdrop demo`. */
export interface DemoOptions {
  /**
   * The directory to make.
   * @default "runs/demo"
   */
  directory?: string | undefined;
  /**
   * Seconds instead of minutes, to see that everything works; its metrics mean nothing.
   * @default false
   */
  quick?: boolean | undefined;
  /**
   * Removes an earlier demo in the directory first.
   * @default false
   */
  fresh?: boolean | undefined;
}

export const demoSchema = documented<DemoOptions>()(
  z.strictObject({
    directory: text.default('runs/demo'),
    quick: z.boolean().default(false),
    fresh: z.boolean().default(false),
  }),
);

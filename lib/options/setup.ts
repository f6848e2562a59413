/** What `rdrop setup` is asked for. */
import * as z from 'zod';
import { documented } from './schema/documented.js';
import { text } from './schema/ranges.js';

/** Where libtorch is taken from. */
export interface SetupOptions {
  /** A wheel of torch or a zip of libtorch: a path, or an https: or file: URL. Left out: what pip finds, or the official zip. */
  from?: string | undefined;
  /** The SHA-256 that the archive must have, 64 hexadecimal digits. Left out: an archive given by `from` is not compared. */
  sha256?: string | undefined;
}

export const setupSchema = documented<SetupOptions>()(
  z.strictObject({
    from: text.optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, { error: 'expected 64 hexadecimal digits' })
      .transform((hex) => hex.toLowerCase())
      .optional(),
  }),
);

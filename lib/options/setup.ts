/** What `rdrop setup` is asked for (lib/native/libtorch/setup.ts). */
import { lazily, z } from './zod.js';

export const setupSchema = lazily(() =>
  z.strictObject({
    /** A wheel of torch or a zip of libtorch instead of what pip finds: a path, or an https: or file: URL. */
    from: z.string().min(1).optional(),
    /** The SHA-256 that the archive must have, in hexadecimal. */
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, { error: 'expected 64 hexadecimal digits' })
      .transform((hex) => hex.toLowerCase())
      .optional(),
  }),
);

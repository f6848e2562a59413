import { join } from 'node:path';
import { fileBytes } from '../../text/lines/unpack.js';

/** The untouched text of a language model's split, below its directory. */
export const rawTextName = (split: 'valid' | 'test'): string => join('raw', `${split}.txt`);

/**
 * Characters (code points) of a file of valid UTF-8, line ends included.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE
 */
export async function countCodePoints(path: string): Promise<number> {
  let count = 0;
  for await (const bytes of fileBytes(path)) {
    // All but the bytes that continue a character.
    for (const byte of bytes) if ((byte & 0xc0) !== 0x80) count++;
  }
  return count;
}

// Files of gigabytes that take no space: their bytes are zero but for a few.
import { type FileHandle, open } from 'node:fs/promises';

/** Makes a file of `size` bytes; `bytes` by the places where they lie. */
export async function sparseFile(
  path: string,
  size: number,
  bytes: Iterable<readonly [at: number, bytes: Uint8Array]>,
): Promise<void> {
  const file: FileHandle = await open(path, 'w');
  try {
    await file.truncate(size);
    for (const [at, piece] of bytes) await file.write(piece, 0, piece.length, at);
  } finally {
    await file.close();
  }
}

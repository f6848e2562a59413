import { type FileHandle, open } from 'node:fs/promises';
import { RdropError } from '../errors.js';
import { fileError } from './files.js';

/** A call of the system reads less than 2 GiB; smaller pieces also leave the event loop free. */
const pieceBytes = 4 << 20;

/** A file that is read by position, so that one of any size costs the memory of what is asked for. */
export class PositionedFile {
  readonly #file: FileHandle;

  private constructor(
    readonly path: string,
    file: FileHandle,
    /** In bytes, when it was opened. */
    readonly size: number,
  ) {
    this.#file = file;
  }

  /** @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE (a directory or a device, too) */
  static async open(path: string): Promise<PositionedFile> {
    let file: FileHandle;
    try {
      file = await open(path, 'r');
    } catch (error) {
      throw fileError(error, path, 'read');
    }
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new Error('it is not a regular file');
      return new PositionedFile(path, file, stat.size);
    } catch (error) {
      await file.close().catch(() => {});
      throw fileError(error, path, 'read');
    }
  }

  /** Fills `bytes` from a position on. @throws RdropError FILE_UNREADABLE, CHECKPOINT_CORRUPT (the file ends before) */
  async fill(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(pieceBytes, bytes.length - done);
      let read: number;
      try {
        read = (await this.#file.read(bytes, done, length, position + done)).bytesRead;
      } catch (error) {
        throw fileError(error, this.path, 'read');
      }
      if (read === 0) {
        throw new RdropError('CHECKPOINT_CORRUPT', `${this.path}: truncated while it was read`);
      }
      done += read;
    }
  }

  /** Bytes in memory of their own. The caller knows that the file has them. */
  async read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    await this.fill(bytes, position);
    return bytes;
  }

  /** The bytes from one position to another, piece by piece; a piece is valid until the next one is asked for. */
  async *pieces(begin = 0, end = this.size): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(Math.min(pieceBytes / 4, Math.max(0, end - begin)));
    for (let at = begin; at < end; at += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, end - at));
      await this.fill(piece, at);
      yield piece;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

import { type FileHandle, open } from 'node:fs/promises';
import { withCleanup } from '../../util/async/cleanup.js';
import { fileError } from '../../util/files/files.js';

const blockCharacters = 2 ** 18;

/** Writes lines to a new file, block by block. The file stands only when close() has resolved. */
export class LineWriter {
  #text = '';
  readonly #file: FileHandle;

  private constructor(
    readonly path: string,
    file: FileHandle,
  ) {
    this.#file = file;
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE; also when the file is there already. */
  static async create(path: string): Promise<LineWriter> {
    try {
      return new LineWriter(path, await open(path, 'wx'));
    } catch (error) {
      throw fileError(error, path, 'write');
    }
  }

  /** @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  async write(lines: readonly string[]): Promise<void> {
    for (const line of lines) {
      this.#text += `${line}\n`;
      if (this.#text.length >= blockCharacters) await this.#flush();
    }
  }

  /** Writes text as it is. @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  async append(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= blockCharacters) await this.#flush();
  }

  /** Flushes to the disk and closes. @throws RdropError DISK_FULL, FILE_UNWRITABLE. */
  async close(): Promise<void> {
    try {
      await withCleanup(
        async () => {
          await this.#flush();
          await this.#file.sync();
        },
        () => this.#file.close(),
      );
    } catch (error) {
      throw fileError(error, this.path, 'write');
    }
  }

  /** Closes what need not stand; may be called after close(). */
  async abandon(): Promise<void> {
    await this.#file.close().catch(() => {});
  }

  async #flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text === '') return;
    try {
      await this.#file.writeFile(text);
    } catch (error) {
      throw fileError(error, this.path, 'write');
    }
  }
}

// Archives of torch.save around the limits of 2^31 and 2^32 bytes. What is read by ranges costs what is read.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ZipArchive } from '../../lib/interchange/torch_file/zip_archive.js';
import { ZipLayout } from '../../lib/interchange/torch_file/zip_writer.js';
import { sparseFile } from '../support/files/sparse_file.js';
import { scratchDirectory } from '../support/scratch.js';

describe.each([
  ['just under 2^31 bytes', 2 ** 31 - 100],
  ['just over 2^31 bytes', 2 ** 31 + 100],
  ['just under 2^32 bytes', 2 ** 32 - 10],
  ['just over 2^32 bytes', 2 ** 32 + 10],
])('members of %s', (_, size) => {
  it('are found and read by ranges, and so is what lies behind them', async () => {
    const path = join(scratchDirectory(), 'large.pt');
    const layout = new ZipLayout();
    const pieces: [number, Uint8Array][] = [];
    let at = 0;
    const put = (bytes: Uint8Array) => {
      pieces.push([at, bytes]);
      at += bytes.length;
    };
    const marks = [0, 2 ** 31 - 5, 2 ** 31 + 1, size - 5];
    for (const name of ['m/data/0', 'm/data/1']) {
      put(layout.header(name, size, 0x12345678));
      for (const mark of marks.filter((place) => place + 5 <= size)) {
        pieces.push([at + mark, Buffer.from(`${name.at(-1)}${String(mark).slice(-4)}`)]);
      }
      at += size;
    }
    put(layout.header('m/version', 2, 0));
    put(Buffer.from('3\n'));
    for (const piece of layout.end()) put(piece);
    await sparseFile(path, at, pieces);
    const archive = await ZipArchive.open(path);
    try {
      for (const name of ['m/data/0', 'm/data/1']) {
        const member = archive.members.get(name)!;
        expect(member.size).toBe(size);
        for (const mark of marks.filter((place) => place + 5 <= size)) {
          const found = Buffer.from(await archive.readRange(member, mark, 5)).toString();
          expect(found.replaceAll('\0', '')).toBe(`${name.at(-1)}${String(mark).slice(-4)}`);
        }
        await expect(archive.readRange(member, size - 4, 5)).rejects.toMatchObject({
          code: 'CHECKPOINT_CORRUPT',
        });
        await expect(archive.read(member, 1000)).rejects.toMatchObject({
          code: 'CHECKPOINT_CORRUPT',
          message: expect.stringContaining(`expected at most 1000 bytes, got ${size}`),
        });
      }
      const version = archive.members.get('m/version')!;
      expect(Buffer.from(await archive.readRange(version, 0, 2)).toString()).toBe('3\n');
    } finally {
      await archive.close();
      await rm(path);
    }
  });
});

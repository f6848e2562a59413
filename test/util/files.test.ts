import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readJsonFile } from '../../lib/util/files/files.js';
import { scratchDirectory } from '../support/scratch.js';

function fileOf(bytes: Uint8Array): string {
  const path = join(scratchDirectory(), 'config.json');
  writeFileSync(path, bytes);
  return path;
}

it('a JSON file in another encoding is refused by its name, and no character is replaced in silence', async () => {
  const utf16 = Buffer.from('\ufeff{"data": "x"}', 'utf16le');
  await expect(readJsonFile(fileOf(utf16))).rejects.toMatchObject({
    code: 'MALFORMED_FILE',
    message: expect.stringMatching(/not valid UTF-8, it looks like UTF-16$/),
  });
  await expect(readJsonFile(fileOf(Buffer.from('{"data": "dät"}', 'latin1')))).rejects.toMatchObject({
    code: 'MALFORMED_FILE',
    message: expect.stringMatching(/not valid UTF-8$/),
  });
  expect(await readJsonFile(fileOf(Buffer.from('\ufeff{"data": "dät"}\r\n')))).toEqual({ data: 'dät' });
});

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import { Lock } from '../../lib/lock/lock.js';
import { scratchDirectory } from '../support/scratch.js';

/** Files to prepare, and the options that do it. */
function corpus() {
  const directory = scratchDirectory();
  for (const split of ['train', 'valid']) {
    writeFileSync(join(directory, `${split}.de`), 'das haus\nder hund\n');
    writeFileSync(join(directory, `${split}.en`), 'the house\nthe dog\n');
  }
  const out = join(directory, 'out');
  const [train, valid] = ['train', 'valid'].map((split) => join(directory, split)) as [string, string];
  return { directory, options: { source: 'de', target: 'en', train, valid, out, bpe: 0 } };
}

/** What lies beside the prepared directory and was not given. */
const beside = (directory: string) => readdirSync(directory).filter((name) => /^out\./.test(name));

describe('a directory that is being prepared', () => {
  it('is refused to a second process, which is told what to do', async () => {
    const { directory, options } = corpus();
    const lock = await Lock.acquire(`${options.out}.lock`, { what: 'directory' });
    await expect(prepareCorpus(options)).rejects.toMatchObject({
      code: 'RUN_LOCKED',
      message: expect.stringMatching(/out\.lock.*--unlock/),
    });
    expect(existsSync(options.out)).toBe(false);
    await prepareCorpus({ ...options, unlock: true });
    await expect(lock.verify()).rejects.toMatchObject({ code: 'RUN_LOST' });
    lock.release();
    expect(beside(directory)).toEqual([]);
  });

  it('is taken from a process that prepares it: that one ends with a code and leaves nothing', async () => {
    const { directory, options } = corpus();
    let taken: Promise<unknown> | undefined;
    const onProgress = ({ text }: { text: string }) => {
      if (text.startsWith('tokenizing'))
        taken ??= Lock.acquire(`${options.out}.lock`, { what: 'directory', unlock: true });
    };
    await expect(prepareCorpus(options, { onProgress })).rejects.toMatchObject({ code: 'RUN_LOST' });
    ((await taken) as Lock).release();
    expect(existsSync(options.out)).toBe(false);
    expect(beside(directory)).toEqual([]);
  });

  it('by several at once is made by one of them, or replaced by one after the other', async () => {
    for (const overwrite of [false, true]) {
      const { directory, options } = corpus();
      if (overwrite) await prepareCorpus(options);
      const all = await Promise.allSettled(
        Array.from({ length: 4 }, () => prepareCorpus({ ...options, overwrite })),
      );
      const codes = all.map((one) => (one.status === 'fulfilled' ? 'made' : one.reason.code));
      expect(codes.filter((code) => code === 'made').length).toBeGreaterThan(0);
      if (!overwrite) expect(codes.filter((code) => code === 'made')).toHaveLength(1);
      // The others came while it was made, or when it was there.
      for (const code of codes) expect(['made', 'RUN_LOCKED', 'FILE_UNWRITABLE']).toContain(code);
      expect(readdirSync(options.out)).toContain('text.json');
      expect(beside(directory)).toEqual([]);
    }
  });
});

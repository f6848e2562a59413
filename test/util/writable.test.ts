import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeReport } from '../../lib/report/report.js';
import { sweep } from '../../lib/sweep/sweep.js';
import { Trainer } from '../../lib/training/trainer.js';
import { makePath } from '../../lib/util/files/make_path.js';
import { checkWritableDirectory, checkWritableFile } from '../../lib/util/files/writable.js';
import { makeReversalData, tinyOptions } from '../training/tiny_run.js';

let root: string;
const at = (...names: string[]) => join(root, ...names);
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rdrop-writable-'));
  await mkdir(at('directory'));
  await writeFile(at('file'), 'x');
});
afterAll(() => rm(root, { recursive: true, force: true }));
const refused = { code: 'FILE_UNWRITABLE' };

describe('a place for an output', () => {
  it('is found good without leaving anything behind', async () => {
    const before = await readdir(root, { recursive: true });
    await checkWritableFile(at('new'));
    await checkWritableFile(at('file'));
    await checkWritableDirectory(at('directory'));
    await checkWritableDirectory(at('new', 'and', 'deeper'));
    expect(await readdir(root, { recursive: true })).toEqual(before);
  });

  it.each([
    ['a directory', () => at('directory')],
    ['in a directory that is not there', () => at('missing', 'file')],
    ['below a file', () => at('file', 'below')],
    ['a device', () => '/dev/null'],
    ['no path', () => ''],
    ['a name with no room for that of the file beside it', () => at('n'.repeat(250))],
    ['on a file system that takes no files', () => '/proc/rdrop'],
  ])('of a file is refused: %s', async (_, path) => {
    await expect(checkWritableFile(path())).rejects.toMatchObject(refused);
  });

  it.each([
    ['a file', () => at('file')],
    ['below a file', () => at('file', 'a', 'b')],
    ['no path', () => ''],
    ['on a file system that takes no files', () => '/proc/rdrop/run'],
  ])('of a directory is refused: %s', async (_, path) => {
    await expect(checkWritableDirectory(path())).rejects.toMatchObject(refused);
  });

  it('is asked for before the work: a run, a report', async () => {
    await makeReversalData(at('data'));
    // Data that would be refused are not even read.
    const options = tinyOptions(at('missing-data'), at('file', 'run'));
    await expect(Trainer.create(options)).rejects.toMatchObject(refused);
    await expect(writeReport(at('missing'), at('file'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

describe('a directory with those above it', () => {
  it('is made; the first one made is reported, and none where all are there', async () => {
    expect(await makePath(at('made', 'and', 'deeper'))).toBe(at('made'));
    expect(await makePath(at('made', 'and', 'deeper'))).toBeUndefined();
    expect(await readdir(at('made', 'and'))).toEqual(['deeper']);
    const both = await Promise.all([makePath(at('twice', 'a', 'b')), makePath(at('twice', 'a', 'b'))]);
    expect(both).toContain(at('twice'));
    await expect(makePath(at('file', 'below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(makePath(at('file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makePath('')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.skipIf(!existsSync('/proc/self'))('that cannot be made is told instead of tried for ever', async () => {
    await expect(makePath('/proc/rdrop/run')).rejects.toMatchObject({ code: 'ENOENT' });
    await makeReversalData(at('sweep-data'));
    const { runDirectory: _, seed: __, ...config } = tinyOptions(at('sweep-data'), at('unused'));
    const given = { directory: '/proc/rdrop', seeds: [1], directions: ['bi' as const] };
    await expect(sweep(config, given).next()).rejects.toMatchObject(refused);
  });
});

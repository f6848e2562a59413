import { readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { create } from 'tar';
import { describe, expect, it } from 'vitest';
import { fileSize, readTarMembers } from '../../lib/data/tar_archive.js';
import { packedMembers, unpackedMembers } from '../support/fixtures/iwslt14_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

/** Hard to compress, so that an archive can be cut in the middle of a member. */
function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (state * 48271) % 2147483647;
    return state;
  });
}

const members = {
  'd/a': 'first\n',
  'd/skipped': noise(3000),
  'd/b': noise(5000),
  'd/empty': '',
  'd/c': 'last',
};

function fileOf(bytes: Uint8Array): string {
  const path = join(scratchDirectory(), 'x.tgz');
  writeFileSync(path, bytes);
  return path;
}

describe('readTarMembers', () => {
  it.each([
    ['packed', { gzip: true }],
    ['unpacked', { gzip: false }],
    ['with ./ before names', { prefix: './' }],
  ])('reads the wanted members: %s', async (_, form) => {
    const path = packedMembers(members, form);
    const told: number[] = [];
    const found = await readTarMembers(path, ['d/b', 'd/empty', 'd/a'], { onProgress: (n) => told.push(n) });
    expect([...found.keys()].sort()).toEqual(['d/a', 'd/b', 'd/empty']);
    expect(Buffer.from(found.get('d/a')!).toString()).toBe('first\n');
    expect(Uint8Array.from(found.get('d/b')!)).toEqual(members['d/b']);
    expect(found.get('d/empty')).toHaveLength(0);
    expect(told.at(-1)).toBe(await fileSize(path));
  });

  it('reads long names', async () => {
    const name = `d/${'long/'.repeat(50)}name`;
    const found = await readTarMembers(packedMembers({ [name]: 'text' }), [name]);
    expect(Buffer.from(found.get(name)!).toString()).toBe('text');
  });

  it('takes the last of two members of one name', async () => {
    const bytes = (content: string) => readFileSync(packedMembers({ a: content }, { gzip: false }));
    const path = fileOf(gzipSync(Buffer.concat([bytes('old').subarray(0, 1024), bytes('new')])));
    expect(Buffer.from((await readTarMembers(path, ['a'])).get('a')!).toString()).toBe('new');
  });

  it('refuses a packed archive that is cut off, wherever, and names the place', async () => {
    const whole = readFileSync(packedMembers(members));
    for (const part of [0.3, 0.5, 0.9, 0.999]) {
      const path = fileOf(whole.subarray(0, Math.floor(whole.length * part)));
      await expect(readTarMembers(path, ['d/a'])).rejects.toThrow(
        fault('MALFORMED_FILE', `${path}: damaged or cut off`),
      );
    }
    const cut = fileOf(whole.subarray(0, Math.floor(whole.length * 0.7)));
    await expect(readTarMembers(cut, ['d/a'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'inside the member d/b'),
    );
  });

  it('refuses an unpacked archive that is cut off', async () => {
    const whole = readFileSync(packedMembers(members, { gzip: false }));
    const inside = fileOf(whole.subarray(0, 512 * 10));
    await expect(readTarMembers(inside, ['d/a'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'inside the member d/b'),
    );
    // Between two members only the end mark decides.
    const between = fileOf(whole.subarray(0, 1024));
    expect((await readTarMembers(between, ['d/a'])).size).toBe(1);
    await expect(readTarMembers(between, ['d/a', 'd/b', 'd/c'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'expected a member d/b, d/c, the archive has none, and its end is missing'),
    );
  });

  it('refuses damaged data and damaged headers', async () => {
    const packed = readFileSync(packedMembers(members));
    packed[Math.floor(packed.length / 2)]! ^= 0xff;
    const header = fileOf(packed.subarray(0, 5));
    await expect(readTarMembers(header, ['d/a'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'damaged or cut off'),
    );
    await expect(readTarMembers(fileOf(packed), ['d/a'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'damaged or cut off'),
    );
    const plain = gunzipSync(readFileSync(packedMembers(members)));
    plain[1024 + 3]! ^= 1;
    await expect(readTarMembers(fileOf(plain), ['d/a'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'damaged or cut off behind the member d/a'),
    );
  });

  it.each([
    ['text', Buffer.from('not an archive\n'.repeat(100))],
    ['a little text', Buffer.from('x')],
    ['gzip of text', gzipSync('not an archive\n'.repeat(100))],
    ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, ...noise(600)])],
  ])('refuses what is no archive: %s', async (_, bytes) => {
    const path = fileOf(bytes);
    await expect(readTarMembers(path, ['a'])).rejects.toThrow(
      fault('MALFORMED_FILE', `${path}: expected a tar archive, packed with gzip or not`),
    );
  });

  it('names what is missing', async () => {
    const path = packedMembers(members);
    await expect(readTarMembers(path, ['d/a', 'd/x', 'd/y'])).rejects.toThrow(
      fault('MALFORMED_FILE', `${path}: expected a member d/x, d/y, the archive has none`),
    );
    await expect(readTarMembers('nowhere.tgz', ['a'])).rejects.toThrow(
      fault('FILE_NOT_FOUND', 'nowhere.tgz'),
    );
    await expect(fileSize('nowhere.tgz')).rejects.toThrow(fault('FILE_NOT_FOUND', 'nowhere.tgz'));
    truncateSync(path);
    await expect(readTarMembers(path, ['a'])).rejects.toThrow(fault('FILE_EMPTY', path));
    await expect(readTarMembers(scratchDirectory(), ['a'])).rejects.toThrow(fault('FILE_UNREADABLE', ''));
  });

  it('refuses a link where a file should be', async () => {
    const root = unpackedMembers({ 'd/a': 'x' });
    symlinkSync('/etc/passwd', join(root, 'd/b'));
    const file = join(scratchDirectory(), 'x.tar');
    create({ file, cwd: root, sync: true }, ['d/a', 'd/b']);
    await expect(readTarMembers(file, ['d/b'])).rejects.toThrow(
      fault('MALFORMED_FILE', 'd/b: expected a file, got a SymbolicLink'),
    );
  });

  it('keeps within limits', async () => {
    const path = packedMembers(members);
    const limited = (member: number, archive: number) =>
      readTarMembers(path, ['d/b'], { limits: { member, archive } });
    expect((await limited(5000, 20_000)).size).toBe(1);
    await expect(limited(4999, 20_000)).rejects.toThrow(
      fault('TOO_LARGE', 'd/b: expected at most 4999 bytes, got 5000'),
    );
    await expect(limited(5000, 9000)).rejects.toThrow(
      fault('TOO_LARGE', 'expected at most 9000 bytes once unpacked (maxUnpackedBytes)'),
    );
  });

  it('passes over what stands behind its end, in time that grows with it', async () => {
    const plain = readFileSync(packedMembers({ a: 'text' }, { gzip: false }));
    const path = fileOf(gzipSync(Buffer.concat([plain, Buffer.alloc(2 ** 26)]), { level: 1 }));
    const { user, system } = process.cpuUsage();
    expect((await readTarMembers(path, ['a'])).size).toBe(1);
    const worked = process.cpuUsage({ user, system });
    // A tenth of a second; half a minute where what comes is put behind what came, again and again.
    expect((worked.user + worked.system) / 1e6).toBeLessThan(5);
    await expect(readTarMembers(path, ['a'], { limits: { archive: 2 ** 25 } })).rejects.toThrow(
      fault('TOO_LARGE', 'expected at most 33554432 bytes once unpacked (maxUnpackedBytes)'),
    );
  });

  it('refuses an archive that is packed twice', async () => {
    const path = fileOf(gzipSync(readFileSync(packedMembers(members))));
    await expect(readTarMembers(path, ['d/a'])).rejects.toThrow(fault('MALFORMED_FILE', 'packed twice'));
  });

  it('stops when it is aborted', async () => {
    const controller = new AbortController();
    const reading = readTarMembers(packedMembers({ a: noise(300_000) }), ['a'], {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(reading).rejects.toThrow(fault('ABORTED', 'reading an archive'));
  });
});

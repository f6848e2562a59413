import { spawnSync } from 'node:child_process';
import { readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { type LineReading, lineBlocks, linesOfPieces, readLines } from '../../lib/text/lines/line_reader.js';
import { scratchDirectory } from '../support/scratch.js';

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

function fileOf(bytes: string | Uint8Array, name = 'text.gz'): string {
  const path = join(scratchDirectory(), name);
  writeFileSync(path, bytes);
  return path;
}

const read = (bytes: string | Uint8Array, reading: LineReading = {}) => readLines(fileOf(bytes), reading);

describe('a text file as lines', () => {
  it.each([
    ['LF', 'a\nb\n', ['a', 'b']],
    ['no LF at the end', 'a\nb', ['a', 'b']],
    ['CR and LF, as Windows writes', 'a\r\n\r\nb\r\n', ['a', '', 'b']],
    ['CR at the very end', 'a\r\nb\r', ['a', 'b']],
    ['a byte-order mark', '\ufeffa\n\ufeffb\n', ['a', '\ufeffb']],
    ['lone CR, U+2028 and U+0085, which end no line', 'a\rb\u2028c\u0085d\n', ['a\rb\u2028c\u0085d']],
    ['blank lines', '\n\n', ['', '']],
  ])('%s', async (_, text, lines) => {
    expect(await read(text)).toEqual(lines);
    expect(await read(gzipSync(text))).toEqual(lines);
  });

  it.each([
    ['plain', (bytes: Buffer) => bytes],
    ['packed', gzipSync],
  ])('leaves no file open when its reader leaves early: %s', async (_, pack) => {
    const path = fileOf(pack(Buffer.from('a b c\n'.repeat(200_000))));
    for await (const _lines of lineBlocks(path)) break;
    // The unpacker gives its source back a moment later.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const open = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ''; // The descriptor of the listing itself.
      }
    });
    expect(open).not.toContain(path);
  });

  it('wherever the bytes are cut, characters included', async () => {
    const bytes = Buffer.from('\ufeffäö\r\n\n😀 x\r\r\nlast\r');
    for (let size = 1; size <= bytes.length; size++) {
      const pieces = async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      };
      const lines: string[] = [];
      for await (const block of linesOfPieces(pieces(), 'input')) lines.push(...block);
      expect(lines).toEqual(['äö', '', '😀 x\r', 'last']);
    }
  });

  it('as written where a program is imitated to the byte', async () => {
    const keep = { mark: true, carriageReturns: true };
    expect(await read('\ufeffa\r\nb\r', { keep })).toEqual(['\ufeffa\r', 'b\r']);
  });

  it.each([
    ['nothing', '', 'FILE_EMPTY', 'text.gz: expected at least one line'],
    ['only a byte-order mark', '\ufeff', 'FILE_EMPTY', 'text.gz: expected at least one line'],
    ['packed nothing', gzipSync(''), 'FILE_EMPTY', 'text.gz: expected at least one line'],
    ['Latin-1', Buffer.from('a\n\xff\n', 'latin1'), 'INVALID_UTF8', 'text.gz:2: not valid UTF-8'],
    ['half a character at the end', Buffer.from('a\nb\u00e4').subarray(0, 4), 'INVALID_UTF8', 'text.gz:2: '],
    ['a surrogate', Buffer.from('a\n\xed\xa0\x80\n', 'latin1'), 'INVALID_UTF8', 'text.gz:2: '],
    [
      'UTF-16',
      Buffer.from('\ufeffa\n', 'utf16le'),
      'INVALID_UTF8',
      'text.gz:1: not valid UTF-8, it looks like UTF-16',
    ],
  ])('refuses %s', async (_, bytes, code, message) => {
    await expect(read(bytes)).rejects.toThrow(fault(code, message));
  });

  it('gives the lines before a fault', async () => {
    const lines: string[] = [];
    const reading = async () => {
      for await (const block of lineBlocks(fileOf(Buffer.from('a\nb\n\xff\nd\n', 'latin1'))))
        lines.push(...block);
    };
    await expect(reading()).rejects.toThrow(fault('INVALID_UTF8', ':3:'));
    expect(lines).toEqual(['a', 'b']);
  });

  it('refuses a line that is too long, by its number, wherever it lies in a block', async () => {
    const limits = { maxLineBytes: 10 };
    expect(await read('0123456789\nb\n', { limits })).toEqual(['0123456789', 'b']);
    for (const text of ['a\n0123456789x\nb\n', 'a\n0123456789x', `a\n${'x'.repeat(600_000)}`]) {
      await expect(read(text, { limits })).rejects.toThrow(
        fault('TOO_LARGE', 'text.gz:2: expected a line of at most 10 bytes (maxLineBytes)'),
      );
    }
  });

  it('is aborted at once, and when the signal was aborted before', async () => {
    const signal = AbortSignal.abort();
    await expect(read('a\n', { signal })).rejects.toThrow(fault('ABORTED', 'reading'));
    const controller = new AbortController();
    const onBytes = () => controller.abort();
    const reading = read('a\n'.repeat(500_000), { signal: controller.signal, onBytes });
    await expect(reading).rejects.toThrow(fault('ABORTED', 'reading'));
  });

  it('refuses what is not there and what is a directory', async () => {
    await expect(readLines('nowhere')).rejects.toThrow(fault('FILE_NOT_FOUND', 'nowhere'));
    await expect(readLines(scratchDirectory())).rejects.toThrow(fault('FILE_UNREADABLE', ''));
  });
});

describe('gzip data', () => {
  const packed = gzipSync('one\n');
  it.each([
    [
      'of several members',
      Buffer.concat([packed, gzipSync('two\nthree'), gzipSync('\n')]),
      ['one', 'two', 'three'],
    ],
    ['of a member that begins inside a line', Buffer.concat([gzipSync('o'), gzipSync('ne\n')]), ['one']],
    ['with zeros behind them', Buffer.concat([packed, Buffer.alloc(1000)]), ['one']],
    ['of an empty member and another', Buffer.concat([gzipSync(''), packed]), ['one']],
  ])('%s', async (_, bytes, lines) => {
    expect(await read(bytes)).toEqual(lines);
  });

  it.each([
    ['cut off', packed.subarray(0, -1)],
    ['cut off in the second member', Buffer.concat([packed, packed.subarray(0, 15)])],
    ['with text behind them', Buffer.concat([packed, Buffer.from('text\n')])],
    ['with a member behind zeros', Buffer.concat([packed, Buffer.alloc(8), packed])],
    ['damaged', Buffer.concat([packed.subarray(0, 12), Buffer.from([255, 255]), packed.subarray(14)])],
  ])('%s are refused', async (_, bytes) => {
    await expect(read(bytes)).rejects.toThrow(fault('MALFORMED_FILE', 'text.gz: broken gzip data'));
  });

  it('that unpack to more than a limit are refused, and the error names it', async () => {
    const limits = { maxUnpackedBytes: 1000 };
    expect(await read(gzipSync('a\n'.repeat(500)), { limits })).toHaveLength(500);
    await expect(read(gzipSync('a\n'.repeat(501)), { limits })).rejects.toThrow(
      fault('TOO_LARGE', 'text.gz: expected at most 1000 bytes once unpacked (maxUnpackedBytes)'),
    );
  });
});

describe('more text than fits', () => {
  /** Runs TypeScript's output, which is there when the tests run, in a process with little memory. */
  const limited = (script: string, ...args: string[]) =>
    spawnSync(process.execPath, ['--max-old-space-size=64', '--input-type=module', '-e', script, ...args], {
      encoding: 'utf8',
      cwd: new URL('../..', import.meta.url),
    });
  // 64 MiB of short lines in 64 kB: as strings they would need a gigabyte.
  const bomb = () => fileOf(gzipSync(Buffer.alloc(2 ** 26, 'a\n')));

  it('passes in blocks through a small memory', () => {
    const script = `import { lineBlocks } from './dist/text/lines/line_reader.js';
      let lines = 0;
      for await (const block of lineBlocks(process.argv[1])) lines += block.length;
      console.log(lines);`;
    expect(limited(script, bomb()).stdout).toBe(`${2 ** 25}\n`);
  });

  it('is refused by name where all lines are asked for, and the process lives', () => {
    const script = `import { readLines } from './dist/text/lines/line_reader.js';
      await readLines(process.argv[1]).catch(({ code, message }) => console.log(code, message));`;
    expect(limited(script, bomb()).stdout).toMatch(
      /^TOO_LARGE .*text\.gz: expected text that fits .* NODE_OPTIONS=--max-old-space-size/,
    );
  });
});

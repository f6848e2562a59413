import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import type { PrepareProgress } from '../../lib/data/preparation/stages.js';
import { SentenceStore } from '../../lib/data/sentence_store.js';
import type { PrepareOptions } from '../../lib/options/index.js';
import { replaceInOrder } from '../../lib/text/moses/many_replacements.js';
import { scratchDirectory } from '../support/scratch.js';

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

/** Lines of words of 2 to 9 letters, in no order, the same every time. */
function lines(count: number, seed: number): string[] {
  let state = seed;
  const draw = (most: number) => {
    state = (state * 48271) % 2147483647;
    return state % most;
  };
  const word = () => Array.from({ length: 2 + draw(8) }, () => 'aeinrstlmd'[draw(10)]).join('');
  return Array.from({ length: count }, () => `${Array.from({ length: 12 }, word).join(' ')}.`);
}

function corpus(
  count: number,
  write: (text: string) => string | Uint8Array = (text) => text,
): PrepareOptions {
  const root = scratchDirectory();
  const [source, target] = [lines(count, 1), lines(count, 2)];
  mkdirSync(join(root, 'text'));
  for (const split of ['train', 'valid', 'test']) {
    const part = split === 'train' ? count : Math.min(count, 50);
    writeFileSync(join(root, 'text', `${split}.de`), write(`${source.slice(0, part).join('\n')}\n`));
    writeFileSync(join(root, 'text', `${split}.en`), write(`${target.slice(0, part).join('\n')}\n`));
  }
  const prefix = (split: string) => join(root, 'text', split);
  const prefixes = { train: prefix('train'), valid: prefix('valid'), test: prefix('test') };
  return { source: 'de', target: 'en', ...prefixes, out: join(root, 'data'), bpe: 100 };
}

/** The files of a directory and what they hold. */
function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return Object.fromEntries(
    names.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(directory.length), readFileSync(path, 'utf8')];
    }),
  );
}

describe('prepareCorpus', () => {
  it.each([
    [
      'with CR and a byte-order mark, as Windows writes it',
      (text: string) => `\ufeff${text.replaceAll('\n', '\r\n')}`,
    ],
    [
      'packed in several members',
      (text: string) => Buffer.concat([text.slice(0, 99), text.slice(99)].map((part) => gzipSync(part))),
    ],
  ])('makes the same directory of text %s', async (_, write) => {
    const [plain, other] = [corpus(200), corpus(200, write)];
    for (const tokenizer of ['moses', 'none'] as const) {
      await prepareCorpus({ ...plain, tokenizer, overwrite: true });
      await prepareCorpus({ ...other, tokenizer, overwrite: true });
      expect(contents(other.out)).toEqual(contents(plain.out));
    }
  });

  it('lets others work every few milliseconds, in every stage', async () => {
    const options = corpus(6000);
    let stage = 'before';
    let working = true;
    const longest = new Map<string, number>();
    const ticks = (async () => {
      for (let last = performance.now(); working; ) {
        await setImmediate();
        // Of the time that passed what this process worked: other programs take their part of the cores.
        const now = performance.now();
        longest.set(stage, Math.max(longest.get(stage) ?? 0, now - last));
        last = now;
      }
    })();
    await prepareCorpus(options, {
      onProgress: ({ text }) => {
        stage = text;
      },
    });
    working = false;
    await ticks;
    // A slice is 5 ms; before, a stage of this size took up to a second in one piece. A machine under load is given time.
    for (const [name, milliseconds] of longest) expect(milliseconds, name).toBeLessThan(250);
  });

  it('reports counts, their unit and seconds of every stage', async () => {
    const told: PrepareProgress[] = [];
    await prepareCorpus(corpus(300), { onProgress: (progress) => told.push(progress) });
    const last = new Map(told.map((progress) => [progress.text, progress]));
    expect(
      [...last.values()].map(({ text, total, unit }) => [text.replace(/ from .*/, ''), total, unit]),
    ).toEqual([
      ...['train', 'valid', 'test'].map((split) => [`reading ${split}`, expect.any(Number), 'bytes']),
      ...[600, 100, 100].map((total, i) => [`tokenizing ${['train', 'valid', 'test'][i]}`, total, 'lines']),
      ['counting words', 600, 'lines'],
      ['learning 100 merges', 100, 'merges'],
      ...[600, 100, 100].map((total, i) => [`segmenting ${['train', 'valid', 'test'][i]}`, total, 'lines']),
    ]);
    for (const { done, total, seconds } of told) {
      expect(done).toBeLessThanOrEqual(total);
      expect(seconds).toBeGreaterThanOrEqual(0);
    }
    for (const { done, total } of last.values()) expect(done).toBe(total);
  });

  it('sees a signal that was aborted before, and reads nothing', async () => {
    const options = corpus(5);
    const told: PrepareProgress[] = [];
    const run = {
      signal: AbortSignal.abort(),
      onProgress: (progress: PrepareProgress) => told.push(progress),
    };
    await expect(prepareCorpus(options, run)).rejects.toThrow(fault('ABORTED', 'preparing text was aborted'));
    expect(told).toEqual([]);
    expect(readdirSync(join(options.out, '..'))).toEqual(['text']);
  });

  it('refuses a line beyond the limit, and a .gz that unpacks beyond its own, by option and line', async () => {
    const options = corpus(20);
    writeFileSync(`${options.valid}.en`, `${'a\n'.repeat(19)}${'b'.repeat(200)}\n`);
    await expect(prepareCorpus({ ...options, maxLineBytes: 150 })).rejects.toThrow(
      fault('TOO_LARGE', 'valid.en:20: expected a line of at most 150 bytes (maxLineBytes)'),
    );
    const packed = corpus(20, (text) => gzipSync(text));
    await expect(prepareCorpus({ ...packed, maxUnpackedBytes: 1000 })).rejects.toThrow(
      fault('TOO_LARGE', 'train.de: expected at most 1000 bytes once unpacked (maxUnpackedBytes)'),
    );
    expect(readdirSync(join(packed.out, '..'))).toEqual(['text']);
  });
});

describe('SentenceStore', () => {
  it('gives what was put in, by number', () => {
    const sentences = Array.from({ length: 3000 }, (_, i) =>
      Int32Array.from({ length: 1 + ((i * 7919) % 2500) }, (__, k) => i + k),
    );
    const store = new SentenceStore();
    for (const sentence of sentences) store.push(sentence);
    expect(store.length).toBe(3000);
    expect(store.lengths).toEqual(Int32Array.from(sentences, ({ length }) => length));
    expect([0, 1, 419, 2999].map((i) => store.at(i))).toEqual([0, 1, 419, 2999].map((i) => sentences[i]));
    // By bytes: millions of numbers.
    const bytes = (of: Int32Array[]) => of.map(({ buffer }) => Buffer.from(buffer));
    expect(store.toArray().map(({ length }) => length)).toEqual(sentences.map(({ length }) => length));
    expect(Buffer.concat(bytes(store.toArray())).equals(Buffer.concat(bytes(sentences)))).toBe(true);
  });
});

describe('replaceInOrder', () => {
  it('is one replacement after the other', () => {
    let state = 1;
    const draw = (most: number) => {
      state = (state * 48271) % 2147483647;
      return state % most;
    };
    const letters = (most: number) => Array.from({ length: 1 + draw(most) }, () => 'ab-'[draw(3)]).join('');
    for (let round = 0; round < 500; round++) {
      const text = letters(60);
      const parts = [...new Set(Array.from({ length: 1 + draw(8) }, () => letters(5)))];
      const expected = parts.reduce((result, part, i) => result.replaceAll(part, ` ${i} `), text);
      expect(replaceInOrder(text, parts, (i) => ` ${i} `)).toBe(expected);
    }
  });
});

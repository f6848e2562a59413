import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Translation, Translator } from '../../lib/translation/translator.js';
import { warningsOf } from '../support/warnings.js';
import { makeReversalData, tinyOptions, trainAll, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let run: string;
let translator: Translator;
beforeAll(async () => {
  place = await workplace();
  run = join(place.path, 'run');
  await makeReversalData(join(place.path, 'data'));
  await trainAll({ ...tinyOptions(join(place.path, 'data'), run), maxUpdates: 60 });
  translator = await load();
});
afterAll(async () => {
  await translator[Symbol.asyncDispose]();
  await place.remove();
});
const load = () => Translator.load(run, { threads: 1, device: 'cpu', precision: 'float32' });

const lines = Array.from({ length: 100 }, (_, i) =>
  i % 17 === 0 ? '' : Array.from({ length: 1 + (i % 6) }, (_, k) => `w${(i * 7 + k * 5) % 12}`).join(' '),
);
const beam = { beam: 2, maxLenB: 10 };
const never = new Promise<never>(() => {});

/** A source that says how far it was read and whether it was closed; `at` is awaited before each line. */
function source(text: readonly unknown[] = lines, at: (line: number) => unknown = () => {}) {
  const seen = { read: 0, closed: false };
  const iterable = (async function* () {
    try {
      for (const [i, line] of text.entries()) {
        await at(i);
        seen.read++;
        yield line as string;
      }
    } finally {
      seen.closed = true;
    }
  })();
  return { seen, iterable };
}
async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const each of stream) all.push(each);
  return all;
}
/** What came before the error, and the error. */
async function untilError(stream: AsyncIterable<Translation>) {
  const texts: string[] = [];
  try {
    for await (const { text } of stream) texts.push(text);
  } catch (error) {
    return { texts, error };
  }
  throw new Error('expected an error');
}

describe('translate() of a stream', () => {
  it('gives what the array form gives, in order, whatever the window; the same window gives the same bits', async () => {
    const all = await translator.translate(lines, beam);
    for (const window of [1, 7, 64, 1000]) {
      const streamed = await collect(translator.translate(source().iterable, beam, { window }));
      expect(streamed.map(({ text }) => text)).toEqual(all.map(({ text }) => text));
      expect(streamed.map(({ tokens }) => tokens)).toEqual(all.map(({ tokens }) => tokens));
      for (const [i, { score, logProbabilities }] of streamed.entries()) {
        expect(score).toBeCloseTo(all[i]!.score, 5);
        expect(logProbabilities.length).toBe(all[i]!.logProbabilities.length);
      }
      // A synchronous iterable, and again.
      expect(await collect(translator.translate(new Set(lines).values(), beam, { window }))).toEqual(
        await collect(translator.translate(source([...new Set(lines)]).iterable, beam, { window })),
      );
    }
    // One window with everything in it is the array.
    expect(await collect(translator.translate(source().iterable, beam, { window: 100 }))).toEqual(all);
    expect(await collect(translator.translate(source([]).iterable))).toEqual([]);
  });

  it('has hypotheses with nBest', async () => {
    const options = { beam: 3, nBest: 2 };
    const streamed = await collect(translator.translate(source().iterable, options, { window: 100 }));
    expect(streamed).toEqual(await translator.translate(lines, options));
    expect(streamed[1]!.hypotheses.length).toBe(2);
  });

  it('reads a window when the last has been taken, and nothing before it is asked', async () => {
    const { seen, iterable } = source();
    const done: number[] = [];
    const work = { window: 10, onProgress: (translated: number) => done.push(translated) };
    const stream = translator.translate(iterable, beam, work);
    await sleep(10);
    expect(seen.read).toBe(0);
    for (let i = 0; i < 30; i++) {
      await stream.next();
      await sleep(i % 10 === 0 ? 5 : 0);
      expect(seen.read).toBe(10 * (Math.floor(i / 10) + 1));
    }
    expect(done.toSorted((a, b) => a - b)).toEqual(done);
    expect(done.at(-1)).toBe(30);
    await stream.return?.();
    expect(seen).toEqual({ read: 30, closed: true });
  });

  it('answers before a slow source has ended', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { seen, iterable } = source(lines.slice(0, 8), (i) => (i === 4 ? gate : undefined));
    const stream = translator.translate(iterable, beam, { window: 4 });
    for (let i = 0; i < 4; i++) expect((await stream.next()).done).toBe(false);
    expect(seen.read).toBe(4);
    release();
    expect((await collect(stream)).length).toBe(4);
  });
});

describe('errors of a stream', () => {
  const good = lines.slice(1, 8);
  const bad = (line: unknown) => source([...good, line, ...good]);
  it.each([
    ['a line that is no string', () => bad(3), {}, /^line 8: expected a string, got 3/],
    ['a line too long', () => bad('w1 '.repeat(1100)), {}, /^line 8: .*at most 1024 tokens.*got 1101/],
    ['a line too long of a file', () => bad('w1 '.repeat(1100)), { name: 'in.de' }, /^in\.de:8: .*got 1101/],
  ])('%s: named, behind the translations before it', async (_, make, more, message) => {
    const expected = (await translator.translate(good, beam)).map(({ text }) => text);
    for (const window of [1, 5, 100]) {
      const { seen, iterable } = make();
      const { texts, error } = await untilError(translator.translate(iterable, beam, { window, ...more }));
      expect(texts).toEqual(expected);
      expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) });
      expect(seen.closed).toBe(true);
    }
  });

  it('of the source come through as they are, behind the translations before them', async () => {
    const broken = new Error('the source broke');
    const { iterable } = source(lines, (i) => (i === 12 ? Promise.reject(broken) : undefined));
    const { texts, error } = await untilError(translator.translate(iterable, beam, { window: 10 }));
    expect(texts.length).toBe(12);
    expect(error).toBe(broken);
  });

  it.each([
    ['an unknown option of the beam', { beams: 3 }, {}, /beams/],
    ['an unknown option', {}, { windows: 3 }, /windows/],
    ['a window of nothing', {}, { window: 0 }, /window/],
  ])('%s comes from the iteration', async (_, options, work, message) => {
    const { seen, iterable } = source();
    const stream = translator.translate(iterable, options as never, work as never);
    await expect(stream.next()).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
    expect(seen.read).toBe(0);
    await expect(stream.next()).resolves.toEqual({ value: undefined, done: true });
  });

  it('a string and what cannot be iterated are refused as before', async () => {
    for (const wrong of ['w1', 5, null, {}]) {
      await expect(translator.translate(wrong as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(() => Translator.prototype.translate.call({} as never, new Set(lines))).toThrow(TypeError);
  });

  it('warns of long lines once, with all there were, and of pieces once', async () => {
    const long = 'w1 '.repeat(1100);
    const told = await warningsOf('OVERLONG', async () => {
      const { iterable } = source([long, ...good, long]);
      const all = await collect(translator.translate(iterable, beam, { window: 2, overlong: 'skip' }));
      expect(all.map(({ overlong }) => overlong)).toEqual([
        'skipped',
        ...good.map(() => undefined),
        'skipped',
      ]);
    });
    expect(told).toEqual([expect.stringMatching(/^2 of 9 sentences.*left out, the first in line 1 /)]);
  });
});

describe('the end of a stream', () => {
  const coded = (code: string) => expect.objectContaining({ code });

  it('abort: while the source lets it wait, between two lines, before the first', async () => {
    for (const [when, wait] of [
      [5, 5],
      [0, 0],
    ] as const) {
      const controller = new AbortController();
      const { iterable } = source(lines, (i) => (i === wait ? never : undefined));
      const stream = translator.translate(iterable, beam, { window: 5, signal: controller.signal });
      for (let i = 0; i < when; i++) await stream.next();
      const waiting = stream.next();
      await sleep(5);
      controller.abort();
      await expect(waiting).rejects.toEqual(coded('ABORTED'));
      await expect(stream.next()).resolves.toEqual({ value: undefined, done: true });
    }
    const controller = new AbortController();
    const { seen, iterable } = source();
    const stream = translator.translate(iterable, beam, { window: 5, signal: controller.signal });
    await stream.next();
    controller.abort();
    await expect(stream.next()).rejects.toEqual(coded('ABORTED'));
    expect(seen).toEqual({ read: 5, closed: true });
    const unread = source();
    const late = translator.translate(unread.iterable, beam, { signal: AbortSignal.abort() });
    await expect(late.next()).rejects.toEqual(coded('ABORTED'));
    expect(unread.seen.read).toBe(0);
  });

  it('break closes the source; return() ends a next() under way, whether it reads or translates', async () => {
    const { seen, iterable } = source();
    for await (const _ of translator.translate(iterable, beam, { window: 5 })) break;
    expect(seen).toEqual({ read: 5, closed: true });

    const stuck = translator.translate(source(lines, () => never).iterable, beam);
    const reading = stuck.next();
    await sleep(5);
    await stuck.return?.();
    await expect(reading).resolves.toEqual({ value: undefined, done: true });

    // 4,000 long lines in batches of 128 tokens: stopped after a few.
    const many = source(Array.from({ length: 4000 }, () => 'w1 w2 w3 w4 w5 w6 '.repeat(5)));
    let translated = 0;
    let begun = () => {};
    const first = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const work = {
      window: 4000,
      onProgress: (done: number) => {
        translated = done;
        begun();
      },
    };
    const stream = translator.translate(many.iterable, beam, work);
    const translating = stream.next();
    await first;
    await stream.return?.();
    await expect(translating).resolves.toEqual({ value: undefined, done: true });
    expect(translated).toBeLessThan(2000);
    expect(many.seen.closed).toBe(true);
  });

  it('dispose() ends it with DISPOSED: between two lines, while it reads, and before it began', async () => {
    const paused = await load();
    const { seen, iterable } = source();
    const stream = paused.translate(iterable, beam, { window: 5 });
    await stream.next();
    paused.dispose();
    await expect(stream.next()).rejects.toEqual(coded('DISPOSED'));
    await expect(stream.next()).resolves.toEqual({ value: undefined, done: true });
    expect(seen).toEqual({ read: 5, closed: true });
    await expect(paused.translate(source().iterable).next()).rejects.toEqual(coded('DISPOSED'));

    let ended: unknown;
    {
      await using reading = await load();
      const waiting = reading.translate(source(lines, () => never).iterable).next();
      waiting.catch((error) => {
        ended = error;
      });
      await sleep(5);
    }
    expect(ended).toEqual(coded('DISPOSED'));
  });

  it('leaves nothing on a signal that lives on', async () => {
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++;
      addEventListener.apply(signal, args);
    };
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--;
      removeEventListener.apply(signal, args);
    };
    await collect(translator.translate(source().iterable, beam, { window: 5, signal }));
    for await (const _ of translator.translate(source().iterable, beam, { window: 5, signal })) break;
    expect(listeners).toBe(0);
  });
});

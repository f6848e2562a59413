import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { fitAll, makeReversalData, tinyOptions, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let run: string;
let trainer: Trainer;
beforeAll(async () => {
  place = await workplace();
  const data = join(place.path, 'data');
  run = join(place.path, 'run');
  await makeReversalData(data);
  trainer = await Trainer.create({ ...tinyOptions(data, run), maxUpdates: 60 });
  await fitAll(trainer);
});
afterAll(async () => {
  trainer.dispose();
  await place.remove();
});

describe('Translator', () => {
  it('answers each line as if it were alone, in the order given', async () => {
    using translator = await Translator.load(run, { checkpoint: 'last', threads: 1 });
    const lines = ['w1 w2 w3', '', 'w4', 'w5 w6 w7 w8 w9 w10', '   ', 'w1 w2 w3'];
    const all = await translator.translate(lines);
    const pipeline = await TextPipeline.load(run);
    const beam = { beam: 2, maxLenB: 10 };
    for (const [i, line] of lines.entries()) {
      if (line.trim() === '') {
        expect(all[i]).toEqual({
          text: '',
          tokens: new Int32Array(0),
          score: 0,
          logProbabilities: new Float32Array(0),
        });
        continue;
      }
      const [best] = (await trainer.model.translate([pipeline.encode(line)], beam))[0]!;
      expect(all[i]!.tokens).toEqual(best!.tokens);
      expect(all[i]!.text).toBe(pipeline.decode(best!.tokens));
      expect(all[i]!.score).toBeCloseTo(best!.score, 4);
    }
    expect(all[5]!.text).toBe(all[0]!.text);
    expect(await translator.translate([])).toEqual([]);
  });

  it('takes options over those of the run, and reports its progress', async () => {
    using translator = await Translator.load(run);
    const done: [number, number][] = [];
    const [translation] = await translator.translate(
      ['w1 w2 w3 w4 w5'],
      { maxLenB: 2 },
      { onProgress: (...progress) => done.push(progress) },
    );
    expect(translation!.tokens.length).toBeLessThanOrEqual(3);
    expect(done).toEqual([[1, 1]]);
  });

  it.each([
    ['not a list', 'w1', {}, /lines: expected an array/],
    ['not a string', ['w1', 3], {}, /lines\[1\].*got 3/],
    ['an unknown option', ['w1'], { beams: 3 }, /beams/],
    ['more answers than the beam has', ['w1'], { nBest: 3 }, /nBest/],
    ['a line too long', ['w1', 'w1 '.repeat(1100)], {}, /lines\[1\].*1024.*1101/],
  ])('refuses %s', async (_, lines, options, message) => {
    using translator = await Translator.load(run);
    await expect(translator.translate(lines as never, options as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  it('misuse: aborted, disposed, foreign', async () => {
    const translator = await Translator.load(run);
    const signal = AbortSignal.abort();
    await expect(translator.translate(['w1'], {}, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
    translator.dispose();
    translator.dispose();
    await expect(translator.translate([''])).rejects.toMatchObject({ code: 'DISPOSED' });
    const { translate } = Translator.prototype;
    for (const threads of [-1, 1.5, 1025, Number.NaN]) {
      await expect(Translator.load(run, { threads })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    await expect(translate.call({} as never, ['w1'])).rejects.toBeInstanceOf(TypeError);
  });

  it('says which checkpoint is not there yet', async () => {
    const data = join(place.path, 'data');
    const young = join(place.path, 'young');
    using _fresh = await Trainer.create(tinyOptions(data, young));
    await expect(Translator.load(young)).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
      message: expect.stringContaining('best'),
    });
  });
});

describe('nBest', () => {
  it('gives so many hypotheses a line, the best in front, as the model gives them', async () => {
    using translator = await Translator.load(run, { threads: 1 });
    const lines = ['w1 w2 w3', '', 'w4 w5'];
    const found = await translator.translate(lines, { beam: 3, nBest: 2 });
    const one = await translator.translate(lines, { beam: 3 });
    expect(found.map(({ hypotheses }) => hypotheses.length)).toEqual([2, 0, 2]);
    for (const [i, { hypotheses, ...best }] of found.entries()) {
      expect(best).toEqual(one[i]);
      if (hypotheses.length === 0) continue;
      expect(hypotheses[0]).toEqual(one[i]);
      expect(hypotheses[0]!.score).toBeGreaterThanOrEqual(hypotheses[1]!.score);
      expect(hypotheses[0]!.tokens).not.toEqual(hypotheses[1]!.tokens);
    }
    expect('hypotheses' in one[0]!).toBe(false);
  });
});

describe('an abort', () => {
  it('is seen at once, in the midst of a batch; the search ends unseen, and dispose() waits for it', async () => {
    const translator = await Translator.load(run, { checkpoint: 'last', threads: 1 });
    const before = await translator.translate(['w1 w2']);
    // Hypotheses that never end: one batch of seconds.
    const slow = { beam: 8, minLen: 900, maxLenB: 900 };
    const lines = Array.from({ length: 4 }, (_, i) => `w1 w2 w${i}`);
    const progress: number[] = [];
    const abort = async () => {
      const controller = new AbortController();
      const { signal } = controller;
      const onProgress = (done: number) => progress.push(done);
      const call = translator.translate(lines, slow, { signal, onProgress });
      await sleep(300);
      const at = performance.now();
      controller.abort(new Error('enough'));
      await expect(call).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'enough' } });
      return performance.now() - at;
    };
    expect(await abort()).toBeLessThan(100);
    const at = performance.now();
    expect(await translator.translate(['w1 w2'])).toEqual(before);
    // Else the batch was too short to show anything.
    expect(performance.now() - at).toBeGreaterThan(200);
    expect(await abort()).toBeLessThan(100);
    translator.dispose();
    await expect(translator.translate(['w1'])).rejects.toMatchObject({ code: 'DISPOSED' });
    expect(progress).toEqual([]);
  });
});

describe('a long text', () => {
  it('leaves the event loop free while it is read, and calls under way end before dispose() takes the model', async () => {
    const translator = await Translator.load(run, { threads: 1 });
    const lines = Array.from({ length: 60_000 }, (_, i) => `w${i % 12} w${(i * 7) % 12} `.repeat(40));
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    const call = translator.translate(lines, { maxLenB: 1 }, { signal: controller.signal });
    await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    clearInterval(timer);
    expect(longest).toBeLessThan(1000);
    const under = translator.translate(['w1 w2', 'w3']);
    translator.dispose();
    expect((await under).length).toBe(2);
    await expect(translator.translate(['w1'])).rejects.toMatchObject({ code: 'DISPOSED' });
  });
});

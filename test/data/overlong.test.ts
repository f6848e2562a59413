// One line that is too long must not end a training or a translation unless that is wanted; the warning says what and where.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fitPairs } from '../../lib/data/overlong.js';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import type { DropoutMomentsOptions, TrainOptions } from '../../lib/options/index.js';
import { dropoutMoments } from '../../lib/theory/theory.js';
import type { RunResult } from '../../lib/training/run/run_directory.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { warningsOf } from '../support/warnings.js';
import { fitAll, makeReversalData, modelBytes, tinyOptions, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
/** Reversal data as it is, with long lines in it, and with those lines taken out or cut by hand. */
const data: Record<'plain' | 'long' | 'without' | 'cut', string> = {
  plain: '',
  long: '',
  without: '',
  cut: '',
};
const longSource = Array.from({ length: 20 }, (_, i) => `w${i % 12}`);
const most = 10;
let runs = 0;

const lines = async (path: string) => (await readFile(path, 'utf8')).trimEnd().split('\n');

beforeAll(async () => {
  place = await workplace();
  for (const name of Object.keys(data) as (keyof typeof data)[]) {
    data[name] = join(place.path, name);
    await makeReversalData(data[name]);
  }
  const insert = async (file: string, at: number, line: string | null) => {
    for (const directory of file.startsWith('train') ? [''] : ['', 'raw']) {
      const path = (name: 'long' | 'without' | 'cut') => join(data[name], directory, file);
      const whole = await lines(path('long'));
      await writeFile(path('long'), `${whole.toSpliced(at, 0, line ?? longSource.join(' ')).join('\n')}\n`);
      const shortened = line ?? longSource.slice(0, most - 1).join(' ');
      await writeFile(path('cut'), `${whole.toSpliced(at, 0, shortened).join('\n')}\n`);
    }
  };
  // Long on the source side of training, on the target side of validation, on the source side of the test.
  await insert('train.de', 5, null);
  await insert('train.en', 5, 'w1 w2');
  await insert('valid.de', 2, 'w1 w2');
  await insert('valid.en', 2, null);
  await insert('test.de', 3, null);
  await insert('test.en', 3, 'w3 w4');
});
afterAll(() => place.remove());

const options = (from: keyof typeof data, more: Partial<TrainOptions> = {}): TrainOptions => {
  const base = tinyOptions(data[from], join(place.path, `run${runs++}`));
  return { ...base, maxUpdates: 10, model: { ...base.model, maxPositions: most }, ...more };
};
async function train(from: keyof typeof data, more: Partial<TrainOptions> = {}) {
  const given = options(from, more);
  using trainer = await Trainer.create(given);
  const events = await fitAll(trainer);
  return {
    run: given.runDirectory,
    events,
    result: JSON.parse(await readFile(join(given.runDirectory, 'result.json'), 'utf8')) as RunResult,
  };
}

describe('training', () => {
  it.each([
    ['model.maxPositions', 'train.de:6', {}],
    ['batches.maxTokens', 'train.de:6', { model: { maxPositions: 64 }, batches: { maxTokens: 16 } }],
  ])('refuses by %s with file, line and the way out', async (option, where, more) => {
    const given = options('long');
    const refused = { ...given, ...more, model: { ...given.model, ...('model' in more ? more.model : {}) } };
    await expect(Trainer.create(refused as TrainOptions)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        new RegExp(
          `${where}: expected at most 1[06] tokens with eos \\(${option}\\), got 21; overlong "truncate" or "skip"`,
        ),
      ),
    });
  });

  it('skips: as if the pairs were not there, and the test line counts as an empty translation', async () => {
    const skipped = await train('long', { overlong: 'skip' });
    const without = await train('without');
    expect(await modelBytes(skipped.run)).toEqual(await modelBytes(without.run));
    const losses = (events: typeof skipped.events) =>
      events.flatMap((event) => (event.type === 'validation' ? [event.loss] : []));
    expect(losses(skipped.events)).toEqual(losses(without.events));
    const hypotheses = (run: string) => lines(join(run, 'hypotheses', 'test.en'));
    expect(await hypotheses(skipped.run)).toEqual((await hypotheses(without.run)).toSpliced(3, 0, ''));
    expect(await lines(join(skipped.run, 'hypotheses', 'test.tokenised.reference.en'))).toContain('w3 w4');
    expect(skipped.result.overlong).toMatchObject({
      train: { policy: 'skip', count: 1, first: join(data.long, 'train.de:6'), tokens: 21 },
      valid: { policy: 'skip', count: 1, first: join(data.long, 'valid.en:3'), tokens: 21 },
      test: { policy: 'skip', count: 1, first: join(data.long, 'test.de:4'), tokens: 21 },
    });
    expect(without.result).not.toHaveProperty('overlong');
    const told = skipped.events.flatMap((event) => (event.type === 'warning' ? [event] : []));
    expect(told.map(({ code }) => code)).toEqual(['OVERLONG', 'OVERLONG', 'OVERLONG']);
    expect(told[0]!.message).toBe(
      `1 of 161 sentences have more than 10 tokens with eos and were left out, the first in ${join(data.long, 'train.de:6')} (21 tokens)`,
    );
  });

  it('truncates: as if the lines were cut by hand', async () => {
    const cut = await train('long', { overlong: 'truncate' });
    const byHand = await train('cut');
    expect(await modelBytes(cut.run)).toEqual(await modelBytes(byHand.run));
    expect(await lines(join(cut.run, 'hypotheses', 'test.en'))).toEqual(
      await lines(join(byHand.run, 'hypotheses', 'test.en')),
    );
    expect(cut.result.overlong!.test).toMatchObject({ policy: 'truncate', count: 1 });
  });

  it('goes on after a resume as it began', async () => {
    const whole = await train('long', { overlong: 'skip', maxUpdates: 12 });
    const half = options('long', { overlong: 'skip', maxUpdates: 6 });
    using first = await Trainer.create(half);
    await fitAll(first);
    first.dispose();
    using second = await Trainer.resume(half.runDirectory, { maxUpdates: 12 });
    await fitAll(second);
    expect(await modelBytes(half.runDirectory)).toEqual(await modelBytes(whole.run));
  });
});

describe('translation', () => {
  let run: string;
  beforeAll(async () => {
    run = (await train('plain')).run;
  });
  const long = longSource.join(' ');
  const beam = { beam: 2, maxLenA: 0, maxLenB: 10 };

  it('refuses with file and line, skips or cuts, and gives a line for a line', async () => {
    using translator = await Translator.load(run, { threads: 1 });
    const input = ['w1 w2', long, '', 'w3'];
    const cut = longSource.slice(0, most - 1).join(' ');
    const plain = await translator.translate(['w1 w2', cut, '', 'w3'], beam);
    await expect(translator.translate(input, beam, { name: 'input.de' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(
        /^input\.de:2: expected at most 10 tokens.*, got 21; overlong "truncate" or "skip" \(--overlong\)/,
      ),
    });
    await expect(translator.translate(input, beam)).rejects.toMatchObject({
      message: expect.stringMatching(/^lines\[1\] \(line 2\): /),
    });
    const told = await warningsOf('OVERLONG', async () => {
      const skipped = await translator.translate(input, beam, { overlong: 'skip', name: 'input.de' });
      expect(skipped.map(({ text }) => text)).toEqual([plain[0]!.text, '', '', plain[3]!.text]);
      expect(skipped.map(({ overlong }) => overlong)).toEqual([undefined, 'skipped', undefined, undefined]);
      const truncated = await translator.translate(input, beam, { overlong: 'truncate', name: 'input.de' });
      expect(truncated.map(({ text }) => text)).toEqual(plain.map(({ text }) => text));
      expect(truncated[1]!.overlong).toBe('truncated');
    });
    expect(told).toEqual([
      '1 of 4 sentences have more than 10 tokens with eos and were left out, the first in input.de:2 (21 tokens)',
      '1 of 4 sentences have more than 10 tokens with eos and were cut, the first in input.de:2 (21 tokens)',
    ]);
  });

  it('a line of exactly the limit is whole, and all may be too long', async () => {
    using translator = await Translator.load(run, { threads: 1 });
    const [exact] = await translator.translate([longSource.slice(0, most - 1).join(' ')], beam);
    expect(exact).not.toHaveProperty('overlong');
    const none = await translator.translate([long, long], beam, { overlong: 'skip' });
    expect(none.map(({ text }) => text)).toEqual(['', '']);
    await expect(translator.translate([long], beam, { overlong: 'cut' as 'skip' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/translate\.overlong/),
    });
  });

  it('theory does what the option says', async () => {
    // A limit of its own, since the same sentence is reported once a process.
    const experiment: DropoutMomentsOptions = {
      ...{ run: { directory: run }, data: data.long, batches: 1, maxTokens: 9 },
      ...{ pairs: 4, samples: 20, threads: 1 },
    };
    await expect(dropoutMoments(experiment)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/valid\.en:3: .*\(model\.maxPositions\), got 21; theory\.overlong/),
    });
    const told = await warningsOf('OVERLONG', async () => {
      const { draws } = await dropoutMoments({ ...experiment, overlong: 'skip' });
      expect(draws).toEqual((await dropoutMoments({ ...experiment, data: data.without })).draws);
    });
    expect(told).toEqual([expect.stringMatching(/^1 of 17 .* left out, .*valid\.en:3/)]);
  });
});

it('preparing says what the usual model will not take', async () => {
  const text = join(place.path, 'text');
  const long = Array.from({ length: 1024 }, () => 'w').join(' ');
  for (const side of ['de', 'en']) {
    await writeFile(`${text}.${side}`, `w w\n${side === 'en' ? long : 'w'}\nw\n`);
  }
  const out = join(place.path, 'prepared');
  const told = await warningsOf('OVERLONG', () =>
    prepareCorpus({
      ...{ source: 'de', target: 'en', train: text, valid: text, tokenizer: 'none', bpe: 0, out },
    }),
  );
  expect(told).toEqual(
    ['train', 'valid'].map((split) =>
      expect.stringMatching(
        new RegExp(`^1 of 3 sentences have more than 1024 .*prepared/${split}\\.en:2 \\(1025 tokens\\)`),
      ),
    ),
  );
});

it('what would leave nothing is an error', () => {
  const pair = { source: [Int32Array.of(4, 4, 4, 2)], target: [Int32Array.of(2)] };
  const limits = [{ most: 3, option: 'x' }];
  const given = { limits, name: (side: string) => `f.${side}`, goOn: 'y' };
  expect(() => fitPairs(pair, { ...given, policy: 'skip' })).toThrow(
    /f\.source: expected at least one pair of at most 3/,
  );
  expect(fitPairs(pair, { ...given, policy: 'truncate' }).pairs.source).toEqual([Int32Array.of(4, 4, 2)]);
});

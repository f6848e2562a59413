import { createHash } from 'node:crypto';
import { cp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepareCorpus } from '../../lib/data/preparation/prepare.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { writeReport } from '../../lib/report/report.js';
import { sweep } from '../../lib/sweep/sweep.js';
import { dropoutMoments } from '../../lib/theory/theory.js';
import { Trainer } from '../../lib/training/trainer.js';
import { Translator } from '../../lib/translation/translator.js';
import { makeReversalData, tinyOptions, trainAll, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('text'), { train: 40, valid: 8, test: 8 });
  const raw = (split: string) => join(at('text'), 'raw', split);
  await prepareCorpus({
    ...{ train: raw('test'), valid: raw('valid'), test: raw('test'), source: 'de', target: 'en' },
    ...{ tokenizer: 'none', bpe: 4, ratio: 0, out: at('data') },
  });
  await trainAll({ ...tinyOptions(at('data'), at('run')), maxUpdates: 4 });
});
afterAll(() => place.remove());

let copies = 0;
async function copyOf(name: 'data' | 'run'): Promise<string> {
  const copy = at(`${name}${copies++}`);
  await cp(at(name), copy, { recursive: true });
  return copy;
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[3] = bytes[3]! ^ 1;
  await writeFile(path, bytes);
}

const refusal = (path: string) => ({
  code: 'MANIFEST_MISMATCH',
  message: expect.stringContaining(`${path}: expected the file that`),
});

describe('manifest.json of a prepared directory', () => {
  it('has the size and the SHA-256 of every other file', async () => {
    const { version, files } = JSON.parse(await readFile(join(at('data'), 'manifest.json'), 'utf8'));
    expect(version).toBe(1);
    const splits = ['train', 'valid', 'test', 'raw/valid', 'raw/test'];
    const names = splits.flatMap((split) => [`${split}.de`, `${split}.en`]);
    expect(Object.keys(files).sort()).toEqual([...names, 'codes', 'dict.txt', 'text.json'].sort());
    for (const [name, entry] of Object.entries(files)) {
      const path = join(at('data'), name);
      const sha256 = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
      expect(entry, name).toEqual({ bytes: (await stat(path)).size, sha256 });
    }
  });

  const damages: [string, (path: string) => Promise<void>][] = [
    ['of one bit', flip],
    ['cut short', (path) => truncate(path, 5)],
    ['gone', (path) => rm(path)],
  ];
  it.each(damages)('refuses each file %s before training, a sweep and the theory', async (name, damage) => {
    const { files } = JSON.parse(await readFile(join(at('data'), 'manifest.json'), 'utf8'));
    for (const file of Object.keys(files)) {
      // text.json that is gone or no JSON is reported by the reader that needs it first.
      if (file === 'text.json' && name !== 'of one bit') continue;
      const data = await copyOf('data');
      await damage(join(data, file));
      const expected =
        file === 'text.json'
          ? { code: expect.stringMatching(/MANIFEST_MISMATCH|MALFORMED_FILE/) }
          : refusal(join(data, file));
      const { runDirectory: _, seed: _s, ...shared } = tinyOptions(data, '');
      const options = { ...tinyOptions(data, `${data}-run`) };
      await expect(Trainer.create(options)).rejects.toMatchObject(expected);
      const trials = sweep(shared, { directory: `${data}-sweep`, seeds: [1], directions: ['uni'] });
      await expect(trials.next()).rejects.toMatchObject(expected);
      const model = { embedDim: 16, ffnDim: 16, heads: 2, encoderLayers: 1, decoderLayers: 1 };
      await expect(dropoutMoments({ data, model, batches: 1, pairs: 4 })).rejects.toMatchObject(expected);
    }
  });

  it('is passed over by verify false, and where there is none', async () => {
    const data = await copyOf('data');
    await flip(join(data, 'raw', 'test.en'));
    (await Trainer.create(tinyOptions(data, `${data}-run`), { verify: false })).dispose();
    await rm(join(data, 'manifest.json'));
    (await Trainer.create(tinyOptions(data, `${data}-other`))).dispose();
  });

  it('that is damaged itself is reported', async () => {
    const data = await copyOf('data');
    const path = join(data, 'manifest.json');
    await writeFile(path, '{"version": 1, "files": {"codes": 3}}');
    const expected = { code: 'MALFORMED_FILE', message: expect.stringContaining(path) };
    await expect(Trainer.create(tinyOptions(data, `${data}-run`))).rejects.toMatchObject(expected);
  });
});

describe('the text files of a run', () => {
  const readers: [string, (run: string, verify?: boolean) => Promise<unknown>][] = [
    ['translate', async (run, verify = true) => (await Translator.load(run, { verify })).dispose()],
    ['resume', async (run, verify = true) => (await Trainer.resume(run, { verify })).dispose()],
    ['export', (run, verify = true) => exportModel({ run, format: 'fairseq', out: `${run}-out`, verify })],
    ['report', (run, verify = true) => writeReport(run, `${run}-report`, { verify })],
    [
      'theory',
      (run, verify = true) =>
        dropoutMoments({ run: { directory: run }, batches: 1, pairs: 4, maxTokens: 64, verify }),
    ],
  ];
  it.each(readers)('%s refuses another dictionary, other codes, another text.json', async (_, open) => {
    for (const file of ['dict.txt', 'codes', 'text.json']) {
      const run = await copyOf('run');
      // What still reads: a count, a blank at the end, other white space.
      const text = await readFile(join(run, file), 'utf8');
      await writeFile(join(run, file), file === 'dict.txt' ? text.replace(/ \d+\n/, ' 7\n') : `${text}\n`);
      await expect(open(run)).rejects.toMatchObject(refusal(join(run, file)));
    }
    const run = await copyOf('run');
    await open(run);
    const text = await readFile(join(run, 'dict.txt'), 'utf8');
    await writeFile(join(run, 'dict.txt'), text.replace(/ \d+\n/, ' 7\n'));
    await rm(`${run}-out`, { recursive: true, force: true });
    await open(run, false);
  });

  it.each(readers)(
    '%s refuses a run whose environment.json is gone, or says nothing of them',
    async (name, open) => {
      const run = await copyOf('run');
      const path = join(run, 'environment.json');
      for (const damage of [() => writeFile(path, '{}'), () => rm(path)]) {
        await damage();
        if (name === 'report') await open(run);
        else
          await expect(open(run)).rejects.toMatchObject({
            code: 'MANIFEST_MISMATCH',
            message: expect.stringContaining(`${path}: expected the file with the SHA-256`),
          });
      }
      await rm(`${run}-out`, { recursive: true, force: true });
      await open(run, false);
    },
  );

  it('of an archived run may be missing for a report', async () => {
    const run = await copyOf('run');
    for (const file of ['dict.txt', 'codes', 'text.json']) await rm(join(run, file));
    await writeReport(run, `${run}-report`);
    await expect(Translator.load(run)).rejects.toMatchObject(refusal(join(run, 'dict.txt')));
  });
});

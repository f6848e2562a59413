// Published data sets, whose sizes are known; they are beside the repository, or the tests are skipped.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { prepareTask } from '../../../lib/data/tasks/prepare_task.js';
import {
  loadRawTexts,
  loadSequences,
  loadTokenLines,
  readLabels,
} from '../../../lib/data/tasks/task_splits.js';
import { TaskText } from '../../../lib/text/tasks/task_text.js';
import { sharedData } from '../../support/fixtures/shared_data.js';
import { scratchDirectory } from '../../support/scratch.js';

const absent = 'the data are not beside the repository';
const trec = (split: string) => sharedData(`classification/trec.${split}.txt.gz`);
const sst2 = (split: string) => sharedData(`classification/sst2.${split}.tsv.gz`);
const shakespeare = sharedData('language_model/tinyshakespeare.txt.gz');

describe('published data', () => {
  it('TREC has the 5,452 and 500 questions of Li and Roth 2002', async (context) => {
    const [train, test] = [trec('train'), trec('test')];
    if (train === null || test === null) return context.skip(absent);
    const out = join(scratchDirectory(), 'data');
    const { splits, labels } = await prepareTask({
      ...{ task: 'classification', format: 'trec', train, test, out },
      ...{ validFraction: 500 / 5452, lang: 'en', lowercase: true },
    });
    expect(labels).toEqual(['ABBR', 'DESC', 'ENTY', 'HUM', 'LOC', 'NUM']);
    expect([splits.train!.lines, splits.valid!.lines]).toEqual([4952, 500]);
    const both = (label: string) => splits.train!.labels![label]! + splits.valid!.labels![label]!;
    expect(labels!.map(both)).toEqual([86, 1162, 1250, 1223, 835, 896]);
    expect(Object.values(splits.test!.labels!)).toEqual([9, 138, 94, 65, 81, 113]);
    const text = await TaskText.load(out);
    const { sequences, classes } = await loadSequences(out, 'test', text, await readLabels(out));
    expect(await loadRawTexts(out, 'test', false)).toHaveLength(500);
    // Aspen is in no training question.
    expect(text.decode(sequences.at(0).subarray(1, -1))).toBe('how far is it from denver to <unk>?');
    expect(classes[0]).toBe(5);
  });

  it('SST-2 has 6,920, 872 and 1,821 sentences', async (context) => {
    const [train, valid, test] = [sst2('train'), sst2('dev'), sst2('test')];
    if (train === null || valid === null || test === null) return context.skip(absent);
    const out = join(scratchDirectory(), 'data');
    const { splits } = await prepareTask({
      task: 'classification',
      train,
      valid,
      test,
      pieces: 'bpe:500',
      out,
    });
    const counts = [splits.train, splits.valid, splits.test].map((split) => Object.values(split!.labels!));
    expect(counts).toEqual([
      [3310, 3610],
      [428, 444],
      [912, 909],
    ]);
  });

  it('Tiny Shakespeare has 65 characters, and is cut where nanoGPT cuts it', async (context) => {
    if (shakespeare === null) return context.skip(absent);
    const out = join(scratchDirectory(), 'data');
    const { splits } = await prepareTask({
      ...{ task: 'language-model', train: shakespeare, validFraction: 0.1, pieces: 'characters', out },
    });
    expect(splits.train).toMatchObject({ tokens: 1_003_854, types: 65 });
    expect(splits.valid).toMatchObject({ tokens: 111_540, characters: 111_540, unknownRate: 0 });
    const whole = gunzipSync(readFileSync(shakespeare)).toString('utf8');
    const text = await TaskText.load(out);
    const lines = await loadTokenLines(out, 'valid', text);
    const ids = Int32Array.from(lines.toArray().flatMap((line) => [...line]));
    expect(text.decode(ids)).toBe(whole.slice(1_003_854));
    expect(readFileSync(join(out, 'raw/valid.txt'), 'utf8')).toBe(whole.slice(1_003_854));
  });
});

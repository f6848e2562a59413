// The made text of each task: the same everywhere, and what it says of itself.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { demoCommand } from '../../lib/cli/demo.js';
import { prepareTask } from '../../lib/data/tasks/prepare_task.js';
import { demoCorpus } from '../../lib/demo/corpus.js';
import { type DemoText, demoText, writeDemoText } from '../../lib/demo/task_text.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';

const all = ({ train, valid, test }: DemoText) => [...train, ...valid, ...test];
const hash = (lines: string[]) => createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 16);

describe('text of a task', () => {
  it.each([
    ['language-model', 'ff96913f21618734'],
    ['classification', '69a0fa7ba5593f2c'],
    ['regression', '9e5aae5b9b2817fb'],
  ] as const)(
    '%s is the same on every machine, another for another seed, and holds no text twice',
    (task, recorded) => {
      const text = demoText({ task });
      expect([text.train.length, text.valid.length, text.test.length]).toEqual([1000, 200, 500]);
      expect(hash(all(text))).toBe(recorded);
      expect(hash(all(demoText({ task, seed: 2 })))).not.toBe(recorded);
      expect(new Set(all(text).map((line) => line.split('\t')[0])).size).toBe(1700);
    },
  );

  it('of classification names the tense of the main clause', () => {
    const rows = all(demoText({ task: 'classification' })).map(
      (line) => line.split('\t') as [string, string],
    );
    const of = (wanted: string) => rows.filter(([, label]) => label === wanted).map(([text]) => text);
    expect(new Set(rows.map(([, label]) => label))).toEqual(
      new Set(['present', 'progressive', 'past', 'perfect', 'future']),
    );
    // What each tense cannot do without, and those that are alone in it.
    for (const text of of('future')) expect(text).toMatch(/\b(?:[Ww]ill|won't)\b/);
    for (const text of of('progressive')) expect(text).toMatch(/\b(?:is|are|am|Is|Are|Am)\b.*\w+ing\b/);
    for (const text of of('perfect')) expect(text).toMatch(/\b(?:[Hh]as|[Hh]ave)\b/);
    // Sentences of one clause: the forms of other tenses are not in them.
    const single = (text: string) =>
      !/, |\b(?:that|who|which|because|before|when|while|if|although|after|whom|since|until|so)\b/i.test(
        text,
      );
    for (const text of [...of('present'), ...of('past')].filter(single))
      expect(text).not.toMatch(/\b(?:[Ww]ill|won't)\b/);
  });

  it('of regression says how long the German translation is', () => {
    const { test } = demoText({ task: 'regression', test: 100 });
    const corpus = demoCorpus({ test: 100 });
    const german = new Map(corpus.test.english.map((line, at) => [line, corpus.test.german[at]!]));
    const known = test
      .map((line) => line.split('\t') as [string, string])
      .filter(([text]) => german.has(text));
    expect(known.length).toBeGreaterThan(90);
    for (const [text, value] of known)
      expect(Number(value) * 20).toBeCloseTo([...german.get(text)!].length, 9);
  });

  it('is written by rdrop demo text, and can be prepared', async () => {
    const root = scratchDirectory();
    const out = join(root, 'text');
    const args = ['text', 'classification', '--out', out, '--train', '60', '--valid', '20', '--test', '20'];
    const { output, thrown } = await runCommand(demoCommand(), args, []);
    expect(thrown).toBeNull();
    const paths = ['train', 'valid', 'test'].map((split) => join(out, `${split}.tsv`)) as [
      string,
      string,
      string,
    ];
    expect(output).toBe(`${paths.join('\n')}\n`);
    const expected = demoText({ task: 'classification', train: 60, valid: 20, test: 20 });
    expect(readFileSync(paths[0], 'utf8')).toBe(`${expected.train.join('\n')}\n`);
    const [train, valid, test] = paths;
    const prepared = { train, valid, test, out: join(root, 'data') };
    const { splits } = await prepareTask({ task: 'classification', ...prepared, unknownLabels: 'skip' });
    expect(splits.train!.lines).toBe(60);
    const pair = await writeDemoText({ task: 'translation', directory: join(root, 'pairs'), train: 5 });
    expect(pair.map((path) => path.slice(root.length))).toContain('/pairs/train.de');
    const wrong = await runCommand(demoCommand(), ['text', 'poems', '--out', out], []);
    expect(wrong.thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('demo.task'),
    });
  });
});

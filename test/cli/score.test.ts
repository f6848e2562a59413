import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { scoreCommand } from '../../lib/cli/score.js';
import {
  bootstrapConfidence,
  pairedApproximateRandomization,
  pairedBootstrap,
} from '../../lib/evaluation/significance.js';
import { readLines } from '../../lib/text/lines/line_reader.js';
import { printedBy as run } from '../support/printed_command.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rdrop-score-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function file(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

describe('rdrop score', () => {
  it('prints one JSON document with the fields of the contract', async () => {
    const hyp = await file('hyp', 'the cat sat on the mat\na dog\n');
    const ref = await file('ref', 'The cat sat on the mat\na dog\n');
    const out = await run(scoreCommand(), '--hyp', hyp, '--ref', ref, '--lowercase', '--json');
    const document = JSON.parse(out) as { score: number; signature: string; metrics: { name: string }[] };
    expect(document).toEqual({
      score: expect.closeTo(100, 9),
      precisions: [100, 100, 100, 100],
      brevityPenalty: 1,
      systemLength: 8,
      referenceLength: 8,
      signature: 'nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:2.6.0',
      metrics: expect.any(Array),
    });
    const { metrics } = document;
    expect(metrics.map(({ name }) => name)).toEqual([
      'BLEU',
      'BLEU',
      'BLEU',
      'BLEU',
      'chrF2',
      'chrF2++',
      'TER',
    ]);
    expect(metrics[0]).toEqual({
      name: 'BLEU',
      score: document.score,
      signature: document.signature,
      higherIsBetter: true,
      text: expect.stringMatching(/^BLEU\|.* = 100.00 100.0/),
    });
    expect(metrics[6]).toMatchObject({ name: 'TER', score: 0, higherIsBetter: false });
  });

  it('takes several references and another tokenizer', async () => {
    const hyp = await file('hyp', 'a b c d\n');
    const one = await file('one', 'a b x y\n');
    const two = await file('two', 'x y c d\n');
    const score = async (...refs: string[]) => {
      const args = refs.flatMap((ref) => ['--ref', ref]);
      const out = await run(scoreCommand(), '--hyp', hyp, ...args, '--tokenize', 'char', '--json');
      return JSON.parse(out) as { precisions: number[]; signature: string };
    };
    expect((await score(one)).precisions[0]).toBe(50);
    const both = await score(one, two);
    expect(both.precisions[0]).toBe(100);
    expect(both.signature).toContain('nrefs:2|case:mixed|eff:no|tok:char');
  });

  it("prints sacreBLEU's line for people, then the other scores", async () => {
    const hyp = await file('hyp', 'a b c d e\n');
    const out = await run(scoreCommand(), '--hyp', hyp, '--ref', hyp);
    const [first, ...others] = out.trimEnd().split('\n');
    expect(first).toBe(
      'BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 100.00 100.0/100.0/100.0/100.0 ' +
        '(BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)',
    );
    expect(others.filter((line) => line.includes('|')).map((line) => line.split(/ {2,}/))).toEqual([
      ['BLEU|nrefs:1|case:mixed|eff:no|tok:intl|smooth:exp|version:2.6.0', '100.00'],
      ['BLEU|nrefs:1|case:mixed|eff:no|tok:none|smooth:exp|version:2.6.0', '100.00'],
      ['BLEU|nrefs:1|case:mixed|eff:no|tok:char|smooth:exp|version:2.6.0', '100.00'],
      ['chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0', '100.00'],
      ['chrF2++|nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.6.0', '100.00'],
      ['TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0', '0.00'],
    ]);
  });

  it('prints the lines of fairseq-score for tokenized text, compounds whole and split', async () => {
    const hyp = await file('hyp', 'a well-known b c d\n');
    const ref = await file('ref', 'a well-known b c e\n');
    const score = (...flags: string[]) => run(scoreCommand(), '--hyp', hyp, '--ref', ref, ...flags);
    const whole = 'BLEU4 = 66.87, 80.0/75.0/66.7/50.0 (BP=1.000, ratio=1.000, syslen=5, reflen=5)';
    const split = 'BLEU4 = 80.91, 85.7/83.3/80.0/75.0 (BP=1.000, ratio=1.000, syslen=7, reflen=7)';
    const both = await score('--tokenized');
    expect(both).toMatch(/^BLEU\|nrefs:1\|case:mixed\|eff:no\|tok:none\|/);
    expect(both).toContain(`  ${whole}\n  ${split}\n`);
    const alone = await score('--tokenized', '--compound-split', '--metrics', 'fairseq');
    expect(alone).not.toMatch(/^BLEU\|/m);
    expect(alone).toContain(`  ${split}\n`);
    expect(alone).not.toContain(whole);
    const { metrics, score: front } = JSON.parse(
      await score('--tokenized', '--metrics', 'fairseq', '--json'),
    );
    expect(front).toBeUndefined();
    expect(metrics.map(({ text }: { text: string }) => text)).toEqual([whole, split]);
  });

  it('tests the difference to baselines and adds intervals', async () => {
    const hyp = await file('hyp', 'a b c d e f\ng h i j k\nl m n o p\n');
    const ref = await file('ref', 'a b c d e f\ng h i j l\nl m n o q\n');
    const one = await file('one', 'a b x d e f\ng h y j k\nl m n\n');
    const arguments_ = ['--hyp', hyp, '--ref', ref, '--baseline', one, '--metrics', 'bleu,ter'];
    const report = async (...flags: string[]) =>
      JSON.parse(await run(scoreCommand(), ...arguments_, '--json', ...flags));
    const { paired } = await report('--baseline', ref, '--samples', '30', '--seed', '5');
    expect(paired.map((each: { baseline: string; test: string }) => [each.baseline, each.test])).toEqual([
      [one, 'bootstrap'],
      [one, 'randomization'],
      [ref, 'bootstrap'],
      [ref, 'randomization'],
    ]);
    const { metrics } = paired[0];
    expect(metrics.map(({ name }: { name: string }) => name)).toEqual([
      'BLEU',
      'BLEU',
      'BLEU',
      'BLEU',
      'TER',
    ]);
    const corpus = {
      hypotheses: await readLines(hyp),
      references: await readLines(ref),
      baseline: await readLines(one),
    };
    expect(metrics[0]).toEqual((await pairedBootstrap(corpus, { samples: 30, seed: 5 }))[0]);
    expect(paired[1].metrics[0]).toEqual(
      (await pairedApproximateRandomization(corpus, { samples: 30, seed: 5 }))[0],
    );
    const only = await report('--paired', 'randomization', '--samples', '9');
    expect(only.paired.map(({ test }: { test: string }) => test)).toEqual(['randomization']);

    const confident = JSON.parse(
      await run(scoreCommand(), '--hyp', hyp, '--ref', ref, '--confidence', '--samples', '50', '--json'),
    );
    const [interval] = await bootstrapConfidence(corpus, { samples: 50 });
    expect(confident.metrics[0].confidence).toEqual({
      mean: interval?.mean,
      halfWidth: interval?.halfWidth,
      signature: interval?.signature,
    });
    expect(confident.paired).toBeUndefined();

    const text = await run(scoreCommand(), ...arguments_, '--confidence', '--samples', '20');
    expect(text).toContain(`Paired bootstrap resampling, baseline ${one}\n`);
    expect(text).toContain(`Paired approximate randomization, baseline ${one}\n`);
    expect(text).toMatch(/^TER\|nrefs:1\|ar:20\|seed:12345\|\S+ +\S+ +\S+ +[01]\.\d{4}/m);
    expect(text).toMatch(/^TER\|nrefs:1\|bs:20\|seed:12345\|\S+ +\S+ \(μ = \S+ ± \S+\)$/m);
  });

  it('refuses flags without effect, unknown metrics and bad numbers', async () => {
    const hyp = await file('hyp', 'a b c d e f\n');
    const two = await file('two', 'a\nb\n');
    const score = (...flags: string[]) => run(scoreCommand(), '--hyp', hyp, '--ref', hyp, ...flags);
    expect(await score('--paired', 'both')).toMatch(/^INVALID_ARGUMENT: .*--paired needs --baseline/);
    expect(await score('--samples', '5')).toMatch(/^INVALID_ARGUMENT: .*--samples needs/);
    expect(await score('--seed', '5')).toMatch(/^INVALID_ARGUMENT: .*--seed needs/);
    expect(await score('--compound-split')).toMatch(/^INVALID_ARGUMENT: .*needs --tokenized/);
    expect(await score('--metrics', 'bleu,rouge')).toMatch(/^INVALID_ARGUMENT: score.metrics.1: .*"rouge"/);
    expect(await score('--metrics', 'fairseq')).toMatch(
      /^INVALID_ARGUMENT: .*fairseq is defined on tokenized/,
    );
    expect(await score('--tokenized', '--metrics', 'chrf')).toMatch(/^INVALID_ARGUMENT: .*detokenized/);
    expect(await score('--baseline', hyp, '--samples', '0')).toMatch(/^INVALID_ARGUMENT: score.samples/);
    expect(await score('--confidence', '--seed', '-1')).toMatch(/^INVALID_ARGUMENT: score.seed/);
    expect(await score('--baseline', two)).toMatch(/^LINE_COUNT_MISMATCH: .*two: .*hyp has \(1\), got 2$/);
  });

  it('refuses empty, unequal, missing and invalid files, naming them', async () => {
    const two = await file('two', 'a\nb\n');
    const one = await file('one', 'a\n');
    const empty = await file('empty', '');
    const broken = await file('broken', new Uint8Array([97, 10, 0xff, 10]));
    const score = (hyp: string, ref: string) => run(scoreCommand(), '--hyp', hyp, '--ref', ref, '--json');
    expect(await score(two, one)).toMatch(/^LINE_COUNT_MISMATCH: .*one: .*two has \(2\), got 1$/);
    expect(await score(empty, one)).toMatch(/^FILE_EMPTY: .*empty/);
    expect(await score(one, empty)).toMatch(/^FILE_EMPTY: .*empty/);
    expect(await score(two, broken)).toMatch(/^INVALID_UTF8: .*broken:2/);
    expect(await score(two, join(directory, 'missing'))).toMatch(/^FILE_NOT_FOUND: .*missing/);
  });

  it('refuses an unknown tokenizer', async () => {
    const one = await file('one', 'a\n');
    expect(await run(scoreCommand(), '--hyp', one, '--ref', one, '--tokenize', 'zh')).toMatch(
      /13a, none, intl, char/,
    );
  });
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scoreCommand } from '../../lib/cli/score.js';
import { bleu } from '../../lib/evaluation/bleu.js';
import { chrf } from '../../lib/evaluation/chrf.js';
import { fairseqScore } from '../../lib/evaluation/fairseq_score.js';
import { ter } from '../../lib/evaluation/ter.js';
import { runCommand } from '../support/run_command.js';
import { scratchDirectory } from '../support/scratch.js';
import { warningsOf } from '../support/warnings.js';

const hypotheses = ['the small d@@ o@@ g runs .', 'a c@@ at sits here .', 'two b@@ irds .'];
const references = ['the small d@@ o@@ g ran .', 'the c@@ at sits here .', 'two b@@ irds fly .'];
const whole = (lines: string[]) => lines.map((line) => line.replaceAll('@@ ', ''));

async function files() {
  const directory = scratchDirectory();
  const write = async (name: string, lines: string[]) => {
    await writeFile(join(directory, name), `${lines.join('\n')}\n`);
    return join(directory, name);
  };
  const [hyp, ref, base] = [
    await write('hyp', hypotheses),
    await write('ref', references),
    await write('base', [...references].reverse()),
  ];
  return ['--hyp', hyp, '--ref', ref, '--baseline', base, '--samples', '20', '--json'];
}

const told = (work: () => unknown) => warningsOf('PIECES', work);

describe('rdrop score on pieces', () => {
  const right = bleu(whole(hypotheses), whole(references)).score;

  it('joins both sides and the baselines where an option says whose they are', async () => {
    const args = await files();
    const heard = await told(async () => {
      const { output, thrown } = await runCommand(scoreCommand(), [...args, '--pieces', 'subword-nmt']);
      expect(thrown).toBe(null);
      const report = JSON.parse(output) as {
        score: number;
        paired: { metrics: { baseline: { score: number } }[] }[];
      };
      expect(report.score).toBe(right);
      const base = bleu(whole([...references].reverse()), whole(references)).score;
      expect(report.paired[0]!.metrics[0]!.baseline.score).toBe(base);
    });
    expect(heard).toEqual([]);
  });

  it('warns of each file where nobody says so, and not where they are said to be words', async () => {
    const args = await files();
    const heard = await told(async () => {
      const { output } = await runCommand(scoreCommand(), args);
      expect((JSON.parse(output) as { score: number }).score).not.toBe(right);
    });
    expect(heard).toEqual(
      ['hyp', 'ref', 'base'].map((name) => expect.stringMatching(`${name}: .*--pieces joins them`)),
    );
    const quiet = await files();
    expect(await told(() => runCommand(scoreCommand(), [...quiet, '--pieces', 'none']))).toEqual([]);
  });

  it('refuses a mark without pieces', async () => {
    const { thrown } = await runCommand(scoreCommand(), [...(await files()), '--piece-mark', '~']);
    expect(thrown).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/--piece-mark needs --pieces/),
    });
  });

  it('the library warns as well', async () => {
    expect(await told(() => bleu(hypotheses.slice(0, 1), references.slice(0, 1)))).toEqual([
      expect.stringMatching(/^hypotheses: /),
      expect.stringMatching(/^references: /),
    ]);
    for (const [i, score] of [bleu, chrf, ter, fairseqScore].entries()) {
      // Other lines, since each text is reported once a process.
      const cut = (lines: string[]) => lines.map((line) => `${'x '.repeat(i + 1)}${line}`);
      expect((await told(() => score(cut(hypotheses), cut(references)))).length, score.name).toBe(2);
      expect(await told(() => score(whole(hypotheses), whole(references)))).toEqual([]);
    }
  });
});

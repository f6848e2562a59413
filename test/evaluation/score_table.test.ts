import { describe, expect, it } from 'vitest';
import { bleu, formatBleu } from '../../lib/evaluation/bleu.js';
import { chrf } from '../../lib/evaluation/chrf.js';
import { splitCompounds } from '../../lib/evaluation/compound_split.js';
import { fairseqScore } from '../../lib/evaluation/fairseq_score.js';
import { scoreTable } from '../../lib/evaluation/score_table.js';
import { ter } from '../../lib/evaluation/ter.js';

const plain = {
  hypotheses: ['A well-known man sits, sadly.', 'Two Dogs run here!'],
  references: ['A well-known man sits down sadly.', 'Two dogs run over here.'],
};
const tokenized = {
  hypotheses: ['A well-known man sits , sadly .', 'Two Dogs run here !'],
  references: ['A well-known man sits down sadly .', 'Two dogs run over here .'],
};

describe('scoreTable', () => {
  it('shows every score that applies, equal to each alone', async () => {
    const rows = await scoreTable({ ...plain, tokenized });
    const { hypotheses, references } = plain;
    const bleus = (['13a', 'intl', 'none', 'char'] as const).map((tokenize) =>
      bleu(hypotheses, references, { tokenize }),
    );
    const chrf2 = await chrf(hypotheses, references);
    const chrfpp = await chrf(hypotheses, references, { wordOrder: 2 });
    const edits = await ter(hypotheses, references);
    const whole = fairseqScore(tokenized.hypotheses, tokenized.references);
    const split = fairseqScore(
      tokenized.hypotheses.map(splitCompounds),
      tokenized.references.map(splitCompounds),
    );
    expect(split.score).not.toBe(whole.score);
    expect(rows.map(({ name, score, higherIsBetter }) => [name, score, higherIsBetter])).toEqual([
      ...bleus.map(({ score }) => ['BLEU', score, true]),
      ['chrF2', chrf2.score, true],
      ['chrF2++', chrfpp.score, true],
      ['TER', edits.score, false],
      ['fairseq-score', whole.score, true],
      ['fairseq-score (compounds split)', split.score, true],
    ]);
    expect(rows.slice(0, 7).map(({ signature }) => signature)).toEqual(
      [...bleus, chrf2, chrfpp, edits].map(({ signature }) => signature),
    );
    expect(rows[7]?.signature).toBe('nrefs:1|case:mixed|order:4|tok:none|smooth:none|compounds:whole');
    expect(rows[8]?.signature).toMatch(/compounds:split$/);
    expect(rows.slice(0, 4).map(({ text }) => text)).toEqual(bleus.map(formatBleu));
    expect(rows[6]?.text).toBe(`TER|${edits.signature} = ${edits.score.toFixed(2)}`);
    expect(rows.slice(7).map(({ text }) => text)).toEqual([whole.text, split.text]);
  });

  it('of tokenized text alone shows BLEU without a tokenizer and fairseq-score', async () => {
    const rows = await scoreTable({ tokenized });
    expect(rows.map(({ name, signature }) => [name, /tok:(\w+)/.exec(signature)?.[1]])).toEqual([
      ['BLEU', 'none'],
      ['fairseq-score', 'none'],
      ['fairseq-score (compounds split)', 'none'],
    ]);
    const streams = { ...tokenized, references: [tokenized.references, tokenized.hypotheses] };
    expect((await scoreTable({ tokenized: streams })).map(({ name }) => name)).toEqual(['BLEU']);
  });

  it('lower-cases everything on demand', async () => {
    const cased = await scoreTable({ ...plain, tokenized });
    const lower = await scoreTable({ ...plain, tokenized }, { lowercase: true });
    expect(lower.every(({ signature }) => signature.includes('case:lc'))).toBe(true);
    const higher = lower.filter(({ score }, r) => score > (cased[r]?.score as number));
    expect(higher.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['BLEU', 'chrF2', 'fairseq-score']),
    );
  });

  it('shows what is asked for', async () => {
    const names = async (options: object) =>
      (await scoreTable({ ...plain, tokenized }, options)).map(({ name }) => name);
    expect(await names({ metrics: ['ter', 'chrf'] })).toEqual(['chrF2', 'chrF2++', 'TER']);
    expect(await names({ metrics: ['fairseq'], compoundSplit: true })).toEqual([
      'fairseq-score (compounds split)',
    ]);
    expect(await names({ metrics: ['fairseq'], compoundSplit: false })).toEqual(['fairseq-score']);
  });

  it('refuses metrics that the texts do not allow, and options without effect', async () => {
    const refused = async (call: Promise<unknown>, message: RegExp) => {
      await expect(call).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await expect(call).rejects.toThrow(message);
    };
    await refused(scoreTable(plain, { metrics: ['fairseq'] }), /fairseq is defined on tokenized text/);
    await refused(scoreTable({ tokenized }, { metrics: ['ter'] }), /ter is defined on detokenized text/);
    const streams = { ...tokenized, references: [tokenized.references, tokenized.hypotheses] };
    await refused(scoreTable({ tokenized: streams }, { metrics: ['fairseq'] }), /one reference, and got 2/);
    await refused(scoreTable(plain, { compoundSplit: true }), /compoundSplit: has an effect only/);
    await refused(scoreTable({} as never), /got neither/);
    await refused(scoreTable(plain, { metrics: [] }), /metrics/);
    await refused(scoreTable(plain, { metrics: ['rouge'] } as never), /metrics/);
    await refused(scoreTable(plain, { tokenize: 'intl' } as never), /tokenize/);
    await expect(scoreTable({ ...plain, references: ['a'] })).rejects.toMatchObject({
      code: 'LINE_COUNT_MISMATCH',
    });
    await expect(scoreTable(plain, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

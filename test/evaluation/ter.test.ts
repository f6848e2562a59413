import { describe, expect, it } from 'vitest';
import { ter, terMetric } from '../../lib/evaluation/ter.js';
import { translationEdits } from '../../lib/evaluation/ter_edits.js';
import {
  compared,
  corpora,
  evaluationFixture,
  type SearchKind,
  searches,
  segments,
} from '../support/fixtures/sacrebleu_fixtures.js';

/** Park and Miller's generator, as record_chrf_ter.py has it. */
function below(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (state * 48271) % 2147483647;
    return state % count;
  };
}

function searchCase(
  seed: number,
  kind: SearchKind,
  length: number,
  other: number,
  words: number,
): { hypothesis: string[]; reference: string[] } {
  const draw = below(seed);
  const reference = Array.from({ length: other }, () => `w${draw(words)}`);
  if (kind === 'random') {
    return { hypothesis: Array.from({ length }, () => `w${draw(words)}`), reference };
  }
  const filling = new Array<string>(length).fill('x');
  if (kind === 'later') {
    return { hypothesis: [...filling, ...reference.slice(0, other - length)], reference };
  }
  if (kind === 'earlier') return { hypothesis: [...reference.slice(length), ...filling], reference };
  const hypothesis = [...reference];
  for (let i = 0; i < length; i++) {
    const piece = hypothesis.splice(draw(hypothesis.length), 1 + draw(6));
    hypothesis.splice(draw(hypothesis.length + 1), 0, ...piece);
    if (draw(3) === 0) hypothesis[draw(hypothesis.length)] = 'x';
  }
  return { hypothesis, reference };
}

describe('TER against sacreBLEU 2.6.0', () => {
  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    '%s: score and signature',
    async (_, corpus) => {
      const rows = await compared('TER', corpus);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) {
        expect(Math.abs(row.ours - row.theirs), row.context).toBeLessThan(1e-9);
        expect(row.name).toBe(row.theirName);
        expect(row.signature).toBe(row.theirSignature);
      }
    },
  );

  it.each([
    ['TER', {}],
    ['TER normalized', { normalized: true }],
  ] as const)('%s: the edits of every hard segment', (name, options) => {
    const { corpora: texts } = evaluationFixture<{
      corpora: { name: string; hypotheses: string[]; references: string[][] }[];
    }>('bleu.json');
    const hard = texts.find((each) => each.name === 'hard');
    if (hard === undefined) throw new Error('no hard corpus');
    const metric = terMetric(options);
    hard.hypotheses.forEach((hypothesis, i) => {
      const references = hard.references.map((stream) => stream[i] as string);
      expect(metric.segment(hypothesis, references), hypothesis).toEqual(segments.hard[name]?.[i]);
    });
  });

  it('finds the same shifts in generated words, beyond its limits too', () => {
    expect(searches.length).toBeGreaterThan(170);
    for (const [seed, kind, length, other, words, edits] of searches) {
      const { hypothesis, reference } = searchCase(seed, kind, length, other, words);
      const context = `${kind} ${seed}: ${length}, ${other}, ${words}`;
      expect(translationEdits(hypothesis, reference), context).toBe(edits);
    }
  });

  it('is a function of a corpus', async () => {
    expect(await ter(['b c a', 'x'], ['a b c', 'x y'])).toEqual({
      score: 40,
      edits: 2,
      referenceLength: 5,
      signature: 'nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0',
    });
  });
});

it('leaves the event loop free', async () => {
  const { hypotheses, streams } = corpora[0] as (typeof corpora)[number];
  const many = (lines: readonly (string | null)[]) =>
    Array.from({ length: 10_000 }, (_, i) => `${lines[i % 60]} ${i}`);
  let turns = 0;
  let ended = false;
  const turn = () => {
    turns++;
    if (!ended) setImmediate(turn);
  };
  setImmediate(turn);
  await ter(many(hypotheses), many(streams[0] as string[]));
  ended = true;
  // One turn of the loop would mean that the work was done at a stretch.
  expect(turns).toBeGreaterThan(3);
});

describe('ter refuses', () => {
  it('bad options, texts of different lengths and an aborted signal', async () => {
    await expect(ter(['a'], ['a'], { asianSupport: true })).rejects.toThrow(/ter.asianSupport.*normalized/);
    await expect(ter(['a'], ['a'], { lowercase: true } as object)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(ter(['a', 'b'], ['a'])).rejects.toMatchObject({ code: 'LINE_COUNT_MISMATCH' });
    await expect(ter(['a'], ['a'], {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

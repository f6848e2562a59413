import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Hypothesis, Transformer } from '../../lib/model/transformer.js';
import { type BeamSearchConfig, parseConfig, textSchema, trainSchema } from '../../lib/options/index.js';
import { mergeOptions, preset } from '../../lib/options/presets.js';
import type { ValidationSample } from '../../lib/tasks/task.js';
import { scoreTest, searchTest, validationBleu } from '../../lib/tasks/translation/validation.js';
import { Dictionary } from '../../lib/text/dictionary.js';
import { TextPipeline } from '../../lib/text/pipeline.js';
import { scratchDirectory } from '../support/scratch.js';
import { makeReversalData, tinyOptions, trainAll } from './tiny_run.js';

const recorded = JSON.parse(
  readFileSync(new URL('../fixtures/training/validation.json', import.meta.url), 'utf8'),
) as { types: string[]; references: number[][]; hypotheses: number[][]; bleu: number };

const dictionary = Dictionary.parse(recorded.types.map((type) => `${type} 1\n`).join(''), 'dict.txt');
const bpe = { segment: (line: string) => line } as unknown as ConstructorParameters<typeof TextPipeline>[2];
const pipeline = new TextPipeline(
  parseConfig(textSchema, { source: 'de', target: 'en' }, 'text'),
  dictionary,
  bpe,
);
const config = parseConfig(
  trainSchema,
  mergeOptions(preset('iwslt14-rdrop-uni'), { data: 'data', runDirectory: 'run' }),
  'config',
);

/** A model that knows the answers: sentence i, whose source is [4 + i, …, eos], becomes answers[i]. */
function scripted(answers: number[][]) {
  const calls: { longest: number; beam: BeamSearchConfig }[] = [];
  const model = {
    translate: async (sources: Int32Array[], beam: BeamSearchConfig): Promise<Hypothesis[][]> => {
      calls.push({ longest: Math.max(...sources.map((source) => source.length)), beam });
      return sources.map((source) => [
        {
          tokens: Int32Array.from(answers[source[0]! - 4]!),
          score: 0,
          logProbabilities: new Float32Array(),
        },
      ]);
    },
  } as unknown as Transformer;
  return { model, calls };
}

const set = {
  pairs: {
    source: recorded.references.map((_, i) =>
      Int32Array.from([4 + i, ...new Array<number>(1 + (i % 17)).fill(4), 2]),
    ),
    target: recorded.references.map((tokens) => Int32Array.from(tokens)),
  },
  references: recorded.references.map(() => 'The text as it was.'),
  sources: recorded.references.map((_, i) => `source ${i + 1}`),
};

describe('validationBleu as fairseq has it', () => {
  it('is what fairseq prints for the same tokens', async () => {
    const { model } = scripted(recorded.hypotheses);
    expect(await validationBleu(model, pipeline, set, { config })).toBe(recorded.bleu);
  });

  it('shows eight sentences, each beside its own source and reference', async () => {
    const shown: ValidationSample[] = [];
    const { model } = scripted(recorded.hypotheses);
    await validationBleu(model, pipeline, set, { config, onSamples: (samples) => shown.push(...samples) });
    expect(shown.length).toBe(Math.min(8, set.references.length));
    for (const { line, source, reference, hypothesis } of shown) {
      expect([source, reference]).toEqual([`source ${line}`, 'The text as it was.']);
      expect(hypothesis).toBe(pipeline.decode(Int32Array.from(recorded.hypotheses[line - 1]!)));
    }
  });

  it('limits translations by the longest source of the batch', async () => {
    const { model, calls } = scripted(recorded.hypotheses);
    await validationBleu(model, pipeline, set, {
      config: { ...config, batches: { ...config.batches, maxTokens: 100 } },
    });
    expect(calls.length).toBeGreaterThan(3);
    for (const { longest, beam } of calls) {
      expect(beam).toMatchObject({
        beam: 5,
        lengthPenalty: 1,
        maxLenA: 0,
        maxLenB: Math.floor(1.2 * longest + 10),
      });
    }
  });

  it('never matches an unknown word of the reference', async () => {
    const unknown = [[3, 3, 3, 3, 2]];
    const one = {
      ...set,
      pairs: { source: set.pairs.source.slice(0, 1), target: [Int32Array.from(unknown[0]!)] },
    };
    expect(await validationBleu(scripted(unknown).model, pipeline, one, { config })).toBe(0);
  });
});

it('validationBleu against the untouched text knows nothing of the reference tokens', async () => {
  const raw = { ...config, validation: { ...config.validation, bleu: 'raw' as const } };
  const { model, calls } = scripted(recorded.hypotheses);
  const own = {
    ...set,
    references: recorded.hypotheses.map((tokens) => pipeline.decode(Int32Array.from(tokens))),
  };
  expect(await validationBleu(model, pipeline, own, { config: raw })).toBeCloseTo(100, 10);
  expect(calls[0]!.beam).toEqual(config.validation.beam);
});

describe('the test split', () => {
  it('gives both sides as fairseq-generate prints them, and every figure', async () => {
    const { model } = scripted(recorded.hypotheses);
    const test = await scoreTest(await searchTest(model, set, { config }), pipeline, set);
    const first = recorded.references.findIndex((tokens) => tokens.includes(3));
    expect(test.tokenized.references[first]).toContain('<<unk>>');
    expect(test.tokenized.references.join(' ')).not.toContain('@@ ');
    expect(test.tokenized.hypotheses.some((line) => line.includes('<unk>'))).toBe(true);
    expect(test.hypotheses.join(' ')).not.toContain('&apos;');
    expect(test.scores.length).toBeGreaterThan(5);
    for (const { signature, score } of test.scores) {
      expect(signature).not.toBe('');
      expect(score).toBeGreaterThanOrEqual(0);
    }
  });
});

it.each([
  [false, 'mixed'],
  [true, 'lc'],
  ['after', 'lc'],
])('compares text as the data have it: lowercase %j, case %s', async (lowercase, expected) => {
  const root = scratchDirectory();
  const data = join(root, 'data');
  await makeReversalData(data);
  const text = join(data, 'text.json');
  writeFileSync(text, JSON.stringify({ ...JSON.parse(readFileSync(text, 'utf8')), lowercase }));
  await trainAll({ ...tinyOptions(data, join(root, 'run')), maxUpdates: 1 });
  const { testBleu } = JSON.parse(readFileSync(join(root, 'run', 'result.json'), 'utf8'));
  expect(testBleu.signature).toContain(`case:${expected}|`);
});

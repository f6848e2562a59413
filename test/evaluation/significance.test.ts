import { describe, expect, it } from 'vitest';
import {
  bootstrapConfidence,
  type PairedCorpus,
  type PairedResult,
  pairedApproximateRandomization,
  pairedBootstrap,
} from '../../lib/evaluation/significance.js';
import { terMetric } from '../../lib/evaluation/ter.js';
import { evaluationFixture, type Family, metricOf } from '../support/fixtures/sacrebleu_fixtures.js';

type Numbers = Partial<Record<'score' | 'mean' | 'halfWidth' | 'pValue', number>>;

interface Paired {
  name: string;
  signature: string;
  baseline: Numbers;
  system: Numbers;
}

interface Case {
  metric: Family;
  options: Record<string, unknown>;
  samples: number;
  seed: number;
  bootstrap: Paired;
  randomization: Paired;
  confidence: (Required<Omit<Numbers, 'pValue'>> & { signature: string }) | null;
}

const { corpora } = evaluationFixture<{
  corpora: {
    name: string;
    baseline: string[];
    hypotheses: string[];
    references: string[][];
    cases: Case[];
  }[];
}>('significance.json');
type Corpus = (typeof corpora)[number];
const [corpus] = corpora as [Corpus];

function expectEqual(result: PairedResult | undefined, truth: Paired): void {
  if (result === undefined) throw new Error('no result');
  expect(result.name).toBe(truth.name);
  expect(result.signature).toBe(truth.signature);
  expect(result.pValue).toBe(truth.system.pValue);
  const { pValue, ...system } = truth.system;
  for (const [ours, theirs] of [
    [result.baseline, truth.baseline],
    [result.system, system],
  ] as const) {
    expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort());
    for (const key of ['score', 'mean', 'halfWidth'] as const) {
      if (theirs[key] === undefined) continue;
      expect(Math.abs((ours[key] ?? Number.NaN) - theirs[key]), key).toBeLessThan(1e-9);
    }
  }
}

const label = ({ metric, options, samples, seed }: Case) =>
  `${metric} ${JSON.stringify(options)}, ${samples} samples, seed ${seed}`;

describe.each(corpora.map((each) => [each.name, each] as const))('%s, against sacreBLEU 2.6.0', (_, each) => {
  const own = each.cases.map((truth) => [label(truth), truth] as const);
  const paired = (truth: Case): PairedCorpus => ({ ...each, metrics: [metricOf(truth)] });

  it.each(own)('pairedBootstrap: %s', async (_, truth) => {
    const [result] = await pairedBootstrap(paired(truth), { samples: truth.samples, seed: truth.seed });
    expectEqual(result, truth.bootstrap);
  });

  it.each(own)('pairedApproximateRandomization: %s', async (_, truth) => {
    const { samples, seed } = truth;
    const confidenceSamples = truth.randomization.signature.includes('bs:50|') ? 50 : 0;
    const [result] = await pairedApproximateRandomization(paired(truth), {
      samples,
      seed,
      confidenceSamples,
    });
    expectEqual(result, truth.randomization);
  });

  it.each(own.filter(([, { confidence }]) => confidence !== null))(
    'bootstrapConfidence: %s',
    async (_, truth) => {
      const [result] = await bootstrapConfidence(paired(truth), { samples: truth.samples, seed: truth.seed });
      const { signature, ...numbers } = truth.confidence as NonNullable<Case['confidence']>;
      expect(result?.signature).toBe(signature);
      for (const key of ['score', 'mean', 'halfWidth'] as const) {
        expect(Math.abs((result?.[key] ?? Number.NaN) - numbers[key]), key).toBeLessThan(1e-9);
      }
    },
  );
});

describe('several metrics at once', () => {
  it('get the same resamples as each alone', async () => {
    const metrics = corpus.cases.filter(({ seed }) => seed === 12345).map(metricOf);
    expect(metrics.length).toBe(7);
    for (const test of [pairedBootstrap, pairedApproximateRandomization]) {
      const together = await test({ ...corpus, metrics }, { samples: 50 });
      const alone = [];
      for (const metric of metrics)
        alone.push(...(await test({ ...corpus, metrics: [metric] }, { samples: 50 })));
      expect(together).toEqual(alone);
    }
  });

  it('BLEU, 1,000 and 10,000 samples and seed 12345 are the defaults', async () => {
    expect((await pairedBootstrap(corpus))[0]?.signature).toMatch(/^nrefs:1\|bs:1000\|seed:12345\|.*tok:13a/);
    expect((await pairedApproximateRandomization(corpus))[0]?.signature).toMatch(
      /^nrefs:1\|ar:10000\|seed:12345\|case/,
    );
    expect((await bootstrapConfidence(corpus))[0]?.signature).toMatch(/^nrefs:1\|bs:1000\|seed:12345\|case/);
  });
});

describe('long tests', () => {
  it('leave the event loop free and stop when aborted', async () => {
    for (const test of [pairedBootstrap, pairedApproximateRandomization, bootstrapConfidence]) {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 30);
      const call = test(
        { ...corpus, metrics: [terMetric()] },
        { samples: 1_000_000 },
        { signal: controller.signal },
      );
      await expect(call).rejects.toMatchObject({ code: 'ABORTED' });
    }
  });
});

describe('tests over sentences refuse', () => {
  it('systems of different lengths, naming which', async () => {
    for (const test of [pairedBootstrap, pairedApproximateRandomization]) {
      await expect(test({ ...corpus, baseline: ['a'] })).rejects.toThrow(/baseline: .*\(1\), got 80/);
      await expect(test({ ...corpus, hypotheses: ['a'] })).rejects.toMatchObject({
        code: 'LINE_COUNT_MISMATCH',
      });
    }
  });
  it('unknown options and numbers out of range', async () => {
    await expect(pairedBootstrap(corpus, { samples: 0 })).rejects.toThrow(/pairedBootstrap.samples/);
    await expect(pairedBootstrap(corpus, { seed: -1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(bootstrapConfidence(corpus, { level: 0.9 } as object)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(pairedApproximateRandomization(corpus, { trials: 5 } as object)).rejects.toThrow(/trials/);
  });
});

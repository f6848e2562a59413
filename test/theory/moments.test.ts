import { describe, expect, it } from 'vitest';
import { Transformer } from '../../lib/model/transformer.js';
import { groupEstimates, layerEstimates } from '../../lib/theory/estimates.js';
import { GradientMoments, type GradientSample } from '../../lib/theory/moments.js';
import { groupOf, parameterGroups } from '../../lib/theory/parameter_groups.js';
import { type NaiveDirection, naiveEstimate, type Vectors } from '../support/naive_gradients.js';

/** Uniform numbers in [0, 1) (mulberry32), and normal ones. */
function source(seed: number) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

const names = {
  'encoder.embed_tokens.weight': 7,
  'encoder.layers.0.self_attn.q_proj.weight': 4,
  'encoder.layers.1.self_attn.q_proj.weight': 4,
  'decoder.layers.0.encoder_attn.k_proj.bias': 3,
};
type Name = keyof typeof names;
const sizes = Object.entries(names);

/** Gradients of CE, D(P1‖P2) and D(P2‖P1) for one mask pair, by parameter. */
type Triple = Record<Name, { c: number[]; u: number[]; r: number[] }>;

/** As the native loss gives them: CE + weight·KL, undivided. */
function sampleOf(triple: Triple, weight: number, tokens: number): GradientSample {
  const by = (value: (each: Triple[Name], i: number) => number) =>
    new Map(
      sizes.map(([name, size]) => [
        name,
        Float64Array.from({ length: size }, (_, i) => tokens * value(triple[name as Name], i)),
      ]),
    );
  return {
    uni: by(({ c, u }, i) => c[i]! + weight * u[i]!),
    reverse: by(({ c, r }, i) => c[i]! + weight * r[i]!),
    plain: by(({ c }, i) => c[i]!),
    weight,
    tokens,
  };
}

/** Samples with means, noise that the three share, and noise of their own. */
function drawTriple({ normal }: ReturnType<typeof source>, shift: number): Triple {
  return Object.fromEntries(
    sizes.map(([name, size]) => {
      const vector = (value: (i: number) => number) => Array.from({ length: size }, (_, i) => value(i));
      const common = vector(() => normal());
      return [
        name,
        {
          c: vector((i) => 0.3 * shift + common[i]! + 0.5 * normal()),
          u: vector((i) => 0.2 - 0.1 * i + 0.4 * common[i]! + 0.3 * normal()),
          r: vector((i) => 0.2 - 0.1 * i + 0.4 * common[i]! + 0.3 * normal()),
        },
      ];
    }),
  ) as Triple;
}

const scheme = { pairs: 9, level: 0.95 };
const alpha = 3;

describe('estimates from running sums', () => {
  it('equal those from all samples kept, in both objectives, over several batches', async () => {
    const random = source(4);
    const moments = new GradientMoments(sizes, scheme.pairs);
    const batches: Triple[][] = [];
    for (const [b, tokens] of [11, 5, 8].entries()) {
      const triples = Array.from({ length: scheme.pairs }, () => drawTriple(random, b));
      batches.push(triples);
      for (const triple of triples) await moments.add(sampleOf(triple, 1024, tokens));
    }
    const members: Record<string, Name[]> = {
      embeddings: ['encoder.embed_tokens.weight'],
      'encoder self-attention': [
        'encoder.layers.0.self_attn.q_proj.weight',
        'encoder.layers.1.self_attn.q_proj.weight',
      ],
      'cross-attention': ['decoder.layers.0.encoder_attn.k_proj.bias'],
      all: sizes.map(([name]) => name as Name),
    };
    for (const objective of [{ kl: true }, { alpha }] as const) {
      const found = groupEstimates(moments.result(), scheme, objective);
      expect(found.map(({ group }) => group)).toEqual(Object.keys(members));
      for (const estimate of found) {
        const own = members[estimate.group]!;
        const vectors: Vectors[] = batches.map((triples) =>
          triples.map((triple) => {
            const flat = (value: (each: Triple[Name], i: number) => number) =>
              own.flatMap((name) => triple[name].c.map((_, i) => value(triple[name], i)));
            const [ce, weight] = 'alpha' in objective ? [1, alpha] : [0, 1];
            return {
              uni: flat(({ c, u }, i) => ce * c[i]! + weight * u[i]!),
              uniReverse: flat(({ c, r }, i) => ce * c[i]! + weight * r[i]!),
              bi: flat(({ c, u, r }, i) => ce * c[i]! + (weight * (u[i]! + r[i]!)) / 2),
            };
          }),
        );
        const truth = naiveEstimate(vectors);
        for (const direction of ['uni', 'uniReverse', 'bi'] as const) {
          const { meanSquaredNorm, variance }: NaiveDirection = truth[direction];
          expect(estimate[direction].meanSquaredNorm).toBeCloseTo(meanSquaredNorm, 9);
          expect(estimate[direction].variance).toBeCloseTo(variance, 9);
          expect(estimate[direction].signalToNoise).toBeCloseTo(meanSquaredNorm / variance, 9);
          expect(estimate[direction].meanNorm ?? Number.NaN).toBeCloseTo(Math.sqrt(meanSquaredNorm), 9);
        }
        expect(estimate.cosine).toBeCloseTo(truth.cosine, 9);
        expect(estimate.varianceRatio.ratio).toBeCloseTo(truth.uni.variance / truth.bi.variance, 9);
        expect(estimate.expectedRatio.ratio).toBeCloseTo(1 + truth.halfVariance / truth.bi.variance, 9);
        expect(estimate.parameters).toBe(vectors[0]![0]!.uni.length);
      }
    }
    const layers = layerEstimates(moments.result(), scheme, { kl: true });
    expect(layers.map(({ layer, group }) => `${layer} ${group}`)).toEqual([
      'encoder.layers.0 encoder self-attention',
      'encoder.layers.1 encoder self-attention',
      'decoder.layers.0 cross-attention',
    ]);
    const attention = groupEstimates(moments.result(), scheme, { kl: true })[1]!;
    expect(layers[0]!.uni.variance + layers[1]!.uni.variance).toBeCloseTo(attention.uni.variance, 12);
  });

  it('leave no norm of a mean where there is only noise: on average 0, above and below', async () => {
    const random = source(9);
    const squares: number[] = [];
    let variance = 0;
    for (let k = 0; k < 200; k++) {
      const moments = new GradientMoments([['encoder.embed_tokens.weight', 7]], 5);
      for (let i = 0; i < 5; i++) {
        const gradient = () =>
          new Map([['encoder.embed_tokens.weight', Float64Array.from({ length: 7 }, random.normal)]]);
        const uni = gradient();
        await moments.add({
          uni,
          reverse: uni,
          plain: new Map([['encoder.embed_tokens.weight', new Float64Array(7)]]),
          weight: 1,
          tokens: 1,
        });
      }
      const [{ uni }] = groupEstimates(moments.result(), { pairs: 5, level: 0.95 }, { kl: true }) as [
        ReturnType<typeof groupEstimates>[number],
      ];
      squares.push(uni.meanSquaredNorm);
      variance += uni.variance / 200;
      if (uni.meanSquaredNorm < 0) expect(uni.meanNorm).toBeNull();
    }
    expect(variance).toBeCloseTo(7, 0);
    const mean = squares.reduce((sum, value) => sum + value, 0) / squares.length;
    // Uncorrected it would be 7/5; its standard error here is 0.06.
    expect(Math.abs(mean)).toBeLessThan(0.25);
    expect(squares.some((value) => value < 0)).toBe(true);
  });

  it('put the true variance ratio into the interval as often as the level says', async () => {
    const random = source(77);
    const experiments = 400;
    const size = 7;
    let covered = 0;
    let expectedCovered = 0;
    for (let k = 0; k < experiments; k++) {
      const moments = new GradientMoments([['encoder.embed_tokens.weight', size]], 40);
      for (let i = 0; i < 40; i++) {
        // Exchangeable as the passes are: d is as likely as -d whatever s is, but its size hangs on s.
        const s = Float64Array.from({ length: size }, random.normal);
        const d = s.map((value) => random.normal() * (0.5 + 0.3 * value ** 2));
        const map = (values: Float64Array) => new Map([['encoder.embed_tokens.weight', values]]);
        const uni = map(s.map((value, j) => value + d[j]!));
        const reverse = map(s.map((value, j) => value - d[j]!));
        await moments.add({ uni, reverse, plain: map(new Float64Array(size)), weight: 1, tokens: 1 });
      }
      const [estimate] = groupEstimates(moments.result(), { pairs: 40, level: 0.95 }, { kl: true });
      // E (½ + 0.3 z²)² = 0.25 + 0.3 + 0.27.
      const inside = ({ low, high }: { low: number | null; high: number | null }) =>
        low! <= 1.82 && high! >= 1.82;
      if (inside(estimate!.varianceRatio)) covered++;
      if (inside(estimate!.expectedRatio)) expectedCovered++;
    }
    for (const count of [covered, expectedCovered]) {
      expect(count / experiments).toBeGreaterThan(0.9);
      expect(count / experiments).toBeLessThan(0.985);
    }
  });

  it('stop when they are told to', async () => {
    const size = 1 << 20;
    const moments = new GradientMoments([['encoder.embed_tokens.weight', size]], 4);
    const zero = new Map([['encoder.embed_tokens.weight', new Float32Array(size)]]);
    const sample = { uni: zero, reverse: zero, plain: zero, weight: 1, tokens: 1 };
    await expect(moments.add(sample, AbortSignal.abort())).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('parameter groups', () => {
  it.each(['all', 'decoder', 'none'] as const)(
    'hold every parameter of a model (shared: %s)',
    async (share) => {
      const shape = { vocabSize: 12, embedDim: 8, ffnDim: 16, heads: 2, encoderLayers: 2, decoderLayers: 2 };
      for (const norm of ['post', 'pre'] as const) {
        using model = await Transformer.create({ ...shape, shareEmbeddings: share, norm });
        const parameters = await model.parameters();
        const groups = new Map<string, number>();
        for (const [name, { data }] of parameters) {
          const { group, layer } = groupOf(name);
          groups.set(group, (groups.get(group) ?? 0) + data.length);
          expect(layer === null, name).toBe(!name.includes('layers.'));
        }
        expect([...groups.keys()].sort()).toEqual(parameterGroups.filter((group) => group !== 'head').sort());
        // D 8, F 16: an attention has 4 (D² + D), an ffn 2DF + F + D.
        expect(groups.get('cross-attention')).toBe(2 * 4 * (64 + 8));
        expect(groups.get('encoder self-attention')).toBe(2 * 4 * (64 + 8));
        expect(groups.get('decoder ffn')).toBe(2 * (2 * 8 * 16 + 16 + 8));
        expect(groups.get('embeddings')).toBe({ all: 1, decoder: 2, none: 3 }[share] * 12 * 8);
        expect(groups.get('layer norms')).toBe((2 * 2 + 2 * 3 + (norm === 'pre' ? 2 : 0)) * 16);
      }
    },
  );

  it('refuse a name that is none', () => {
    expect(() => groupOf('encoder.layers.0.conv.weight')).toThrow(/fairseq's names, got "encoder/);
  });
});

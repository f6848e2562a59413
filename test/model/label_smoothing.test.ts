// Both ways to spread ε, against their formulas in float64, with gradients by differences: fairseq's label_smoothed_nll_loss
// (criterions/label_smoothed_cross_entropy.py) is written here as it stands there, with its own factors.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rdropLoss } from '../../lib/model/rdrop_loss.js';
import { Transformer } from '../../lib/model/transformer.js';
import { type LossOptions, parseConfig, trainSchema } from '../../lib/options/index.js';
import { fingerprint } from '../../lib/training/fingerprint.js';
import { Trainer } from '../../lib/training/trainer.js';
import { makeReversalData, tinyOptions, workplace } from '../training/tiny_run.js';

function logProbabilities(row: Float64Array): Float64Array {
  const largest = Math.max(...row);
  const sum = Math.log(row.reduce((total, z) => total + Math.exp(z - largest), 0));
  return row.map((z) => z - largest - sum);
}

/** Cross-entropy of all rows; logits [rows,V], the targets of both passes one after the other. */
function crossEntropy(
  logits: Float64Array,
  classes: number,
  targets: Int32Array,
  { epsilon, smoothing }: { epsilon: number; smoothing: 'dropreg' | 'fairseq' },
): number {
  let total = 0;
  for (let row = 0; row < logits.length / classes; row++) {
    const logP = logProbabilities(logits.subarray(row * classes, (row + 1) * classes));
    const nll = -logP[targets[row % targets.length]!]!;
    const smooth = -logP.reduce((sum, each) => sum + each, 0);
    const share = smoothing === 'fairseq' ? epsilon / (classes - 1) : epsilon / classes;
    const left = smoothing === 'fairseq' ? 1 - epsilon - share : 1 - epsilon;
    total += left * nll + share * smooth;
  }
  return total;
}

const random = (count: number, seed: number) =>
  Float64Array.from({ length: count }, (_, i) => 3 * Math.sin(12.9898 * (i + 1) + seed) * Math.cos(i * seed));

describe('label smoothing', () => {
  const rows = 4;
  for (const smoothing of ['dropreg', 'fairseq'] as const) {
    it.each([
      [2, 0.1],
      [2, 0.6],
      [3, 0.1],
      [17, 0.3],
      [1000, 0.1],
      [50, 0],
    ])(`is spread as ${smoothing} spreads it: %i classes, ε %f`, async (classes, epsilon) => {
      const logits = random(2 * rows * classes, 7 + classes);
      const targets = Int32Array.from({ length: rows }, (_, i) => (5 * i + 1) % classes);
      const options: LossOptions = { direction: 'bi', alpha: 0, labelSmoothing: epsilon, smoothing };
      const found = await rdropLoss(logits, classes, targets, options);
      const truth = (z: Float64Array) => crossEntropy(z, classes, targets, { epsilon, smoothing });
      expect(Math.abs(found.crossEntropy / truth(logits) - 1)).toBeLessThan(1e-12);
      expect(found.loss).toBe(found.crossEntropy);
      for (const place of [0, 1, classes, 2 * rows * classes - 1]) {
        const step = 1e-5;
        const moved = (by: number) => truth(logits.map((z, i) => (i === place ? z + by : z)));
        const slope = (moved(step) - moved(-step)) / (2 * step);
        expect(Math.abs(found.gradient[place]! - slope)).toBeLessThan(1e-8);
      }
    });
  }

  it('is dropreg where nothing is said, and other than fairseq', async () => {
    const loss = async (options: Partial<LossOptions>) =>
      (
        await rdropLoss(random(60, 3), 10, Int32Array.of(1, 2, 3), {
          direction: 'uni',
          alpha: 5,
          labelSmoothing: 0.1,
          ...options,
        })
      ).loss;
    expect(await loss({})).toBe(await loss({ smoothing: 'dropreg' }));
    expect(await loss({})).not.toBe(await loss({ smoothing: 'fairseq' }));
  });

  it('refuses another name, and a single class', async () => {
    const call = (options: object, classes = 5) =>
      rdropLoss(random(2 * classes, 1), classes, Int32Array.of(0), {
        direction: 'uni',
        alpha: 1,
        labelSmoothing: 0.1,
        ...options,
      });
    await expect(call({ smoothing: 'uniform' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('options.smoothing'),
    });
    await expect(call({ smoothing: 'fairseq' }, 1)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('at least 2 classes'),
    });
    await expect(call({ smoothing: 'fairseq', labelSmoothing: 0 }, 1)).resolves.toBeDefined();
  });
});

describe('label smoothing of a model and of a run', () => {
  let place: Awaited<ReturnType<typeof workplace>>;
  beforeAll(async () => {
    place = await workplace();
    await makeReversalData(join(place.path, 'data'));
  });
  afterAll(() => place.remove());

  it('takes V from the model: validation loss and gradients', async () => {
    using model = await Transformer.create(
      { vocabSize: 12, embedDim: 8, ffnDim: 8, heads: 2, encoderLayers: 1, decoderLayers: 1 },
      { precision: 'float64' },
    );
    const batch = { source: [Int32Array.of(5, 6, 2)], target: [Int32Array.of(7, 4, 2)] };
    const logits = (await model.logits(batch)) as Float64Array;
    for (const smoothing of ['dropreg', 'fairseq'] as const) {
      const options = { direction: 'uni', alpha: 5, labelSmoothing: 0.2, smoothing } as const;
      const truth = crossEntropy(logits, 12, batch.target[0]!, { epsilon: 0.2, smoothing });
      expect((await model.evaluate(batch, options)).crossEntropy).toBeCloseTo(truth, 10);
      // Without dropout both passes are one.
      expect((await model.lossAndGradients(batch, options)).crossEntropy).toBeCloseTo(2 * truth, 10);
    }
  });

  it('trains by that of the configuration', async () => {
    const data = join(place.path, 'data');
    const first = async (smoothing: 'dropreg' | 'fairseq') => {
      const options = { ...tinyOptions(data, join(place.path, smoothing)), loss: { smoothing } };
      using trainer = await Trainer.create({ ...options, precision: 'float64' });
      expect(trainer.config.loss.smoothing).toBe(smoothing);
      const batch = { source: [Int32Array.of(5, 6, 2)], target: [Int32Array.of(7, 4, 2)] };
      const { crossEntropy: found } = await trainer.step(batch);
      return { found, vocabSize: trainer.model.config.vocabSize };
    };
    const [dropreg, fairseq] = [await first('dropreg'), await first('fairseq')];
    expect(dropreg.vocabSize).toBe(16);
    expect(Math.abs(fairseq.found / dropreg.found - 1)).toBeGreaterThan(1e-6);
    const kept = JSON.parse(await readFile(join(place.path, 'fairseq', 'config.json'), 'utf8'));
    expect(kept.loss.smoothing).toBe('fairseq');
  });

  it('leaves the fingerprint of runs from before the option as it was', () => {
    const of = (loss: object) =>
      fingerprint(parseConfig(trainSchema, { data: 'd', runDirectory: 'r', loss }, 'train'));
    // Recorded with the version that had no such option.
    expect(of({})).toBe('c7fe4506c5781bc1');
    expect(of({ alpha: 1, smoothing: 'dropreg' })).toBe('fa973f6e9e900a42');
    expect(of({ smoothing: 'fairseq' })).not.toBe('c7fe4506c5781bc1');
  });
});

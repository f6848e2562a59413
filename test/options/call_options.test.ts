// Options that say how a call is to be done: by a wrong name they would do nothing, in silence.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bench } from '../../lib/benchmark/bench.js';
import {
  bootstrapConfidence,
  chrf,
  cleanCorpus,
  dropoutMoments,
  exportModel,
  importFairseq,
  importHuggingFace,
  loadCorpus,
  pairedApproximateRandomization,
  pairedBootstrap,
  plannedPower,
  prepareCorpus,
  prepareIwslt14,
  readFairseqCheckpoint,
  scoreTable,
  sweep,
  Trainer,
  Transformer,
  Translator,
  ter,
  writeReport,
} from '../../lib/index.js';
import { makeReversalData, tinyOptions, workplace } from '../training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => `${place.path}/${name}`;
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'));
});
afterAll(() => place.remove());

const system = { hypotheses: ['a'], references: ['a'] };
const pair = { ...system, baseline: ['a'] };
const tinyModel = { vocabSize: 8, embedDim: 8, ffnDim: 8, heads: 1, encoderLayers: 1, decoderLayers: 1 };
/** With options in the last place. */
const calls: Record<string, (options: object) => Promise<unknown>> = {
  'Trainer.create': (options) => Trainer.create(tinyOptions(at('data'), at('new')), options),
  'Trainer.resume': (options) => Trainer.resume(at('none'), {}, options),
  'Trainer.fit': async (options) => {
    using trainer = await Trainer.create(tinyOptions(at('data'), at('fit')));
    await trainer.fit(options).next();
  },
  'Translator.load': (options) => Translator.load(at('none'), options),
  loadCorpus: (options) => loadCorpus(at('none'), 'train', {} as never, options),
  cleanCorpus: (options) =>
    cleanCorpus({ source: [], target: [] }, { minLength: 1, maxLength: 1, ratio: 1 }, options),
  prepareCorpus: (options) =>
    prepareCorpus(
      { source: 'de', target: 'en', train: at('none'), valid: at('none'), out: at('new') },
      options,
    ),
  prepareIwslt14: (options) => prepareIwslt14({ archive: at('none'), out: at('new') }, options),
  theory: (options) => dropoutMoments({ run: { directory: at('none') } }, options),
  sweep: (options) => sweep({ data: at('none') }, { directory: at('new'), ...options }).next(),
  bench: (options) => bench({ suites: ['loss'], quick: true }, options),
  writeReport: (options) => writeReport(at('none'), at('new'), options),
  importFairseq: (options) =>
    importFairseq({ checkpoint: at('none'), dict: at('none'), out: at('new') }, options),
  importHuggingFace: (options) => importHuggingFace({ directory: at('none'), out: at('new') }, options),
  readFairseqCheckpoint: (options) => readFairseqCheckpoint(at('none'), options),
  exportModel: (options) => exportModel({ run: at('none'), format: 'fairseq', out: at('new') }, {}, options),
  plannedPower: (options) => plannedPower({ runsPerCondition: 3, effectSize: 1, ...options }),
  scoreTable: (options) => scoreTable(system, {}, options),
  chrf: (options) => chrf(['a'], ['a'], {}, options),
  ter: (options) => ter(['a'], ['a'], {}, options),
  bootstrapConfidence: (options) => bootstrapConfidence(system, {}, options),
  pairedBootstrap: (options) => pairedBootstrap(pair, {}, options),
  pairedApproximateRandomization: (options) => pairedApproximateRandomization(pair, {}, options),
};

describe.each(Object.entries(calls))('%s', (_, call) => {
  it('refuses an option that there is not, and says which was meant', async () => {
    await expect(call({ signl: new AbortController().signal })).rejects.toMatchObject({
      code: expect.stringMatching(/^INVALID_(ARGUMENT|CONFIG)$/),
      message: expect.stringMatching(
        /\.signl: unknown option, did you mean signal\?; expected one of .*signal/,
      ),
    });
  });

  it('refuses a signal that is none', async () => {
    await expect(call({ signal: 'now' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/\.signal: expected an AbortSignal, got "now"/),
    });
  });
});

describe('options without a signal', () => {
  it('of a model', async () => {
    using model = await Transformer.create(tinyModel);
    const batch = { source: [Int32Array.of(4, 2)], target: [Int32Array.of(4, 2)] };
    const wrong = { trainning: true } as object;
    await expect(model.lossAndGradients(batch, { direction: 'uni', alpha: 1 }, wrong)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('did you mean training?'),
    });
    await expect(
      Transformer.load(at('none'), tinyModel, {}, { verfy: false } as object),
    ).rejects.toMatchObject({
      message: expect.stringContaining('did you mean verify?'),
    });
  });

  it('that are no object', async () => {
    await expect(Translator.load(at('none'), 'last' as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'Translator.load: expected an object of options, got "last"',
    });
  });
});

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bench } from '../lib/benchmark/bench.js';
import {
  dropoutMoments,
  exportModel,
  importFairseq,
  importHuggingFace,
  pairedBootstrap,
  plannedPower,
  prepareCorpus,
  prepareIwslt14,
  scoreTable,
  Trainer,
  Translator,
  writeReport,
} from '../lib/index.js';
import { setup } from '../lib/native/libtorch/setup.js';
import { fitAll, makeReversalData, tinyOptions, workplace } from './training/tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
const at = (name: string) => join(place.path, name);
beforeAll(async () => {
  place = await workplace();
  await makeReversalData(at('data'));
  using trainer = await Trainer.create({ ...tinyOptions(at('data'), at('run')), maxUpdates: 10 });
  await fitAll(trainer);
});
afterAll(() => place.remove());

const signal = AbortSignal.abort();
const work = { signal };
const data = { source: 'de', target: 'en', tokenizer: 'none', bpe: 0 } as const;
const calls: Record<string, () => Promise<unknown>> = {
  'Trainer.create': () => Trainer.create(tinyOptions(at('data'), at('new')), work),
  'Trainer.resume': () => Trainer.resume(at('run'), {}, work),
  'Translator.load': () => Translator.load(at('run'), work),
  'Translator.translate': async () => {
    using translator = await Translator.load(at('run'));
    return await translator.translate(['w1'], {}, work);
  },
  prepareCorpus: () =>
    prepareCorpus({ ...data, train: at('data/train'), valid: at('data/valid'), out: at('new') }, work),
  prepareIwslt14: () => prepareIwslt14({ archive: at('none.tgz'), out: at('new') }, work),
  dropoutMoments: () => dropoutMoments({ run: { directory: at('run') }, batches: 1, pairs: 4 }, work),
  bench: () => bench({ suites: ['loss'], quick: true }, work),
  writeReport: () => writeReport(at('run'), at('new'), work),
  setup: () => setup({ env: { ...process.env, XDG_CACHE_HOME: at('cache') }, signal }),
  importFairseq: () => importFairseq({ checkpoint: at('none.pt'), dict: at('none'), out: at('new') }, work),
  importHuggingFace: () => importHuggingFace({ directory: at('none'), out: at('new') }, work),
  exportModel: () => exportModel({ run: at('run'), format: 'fairseq', out: at('new') }, {}, work),
  plannedPower: () => plannedPower({ runsPerCondition: 3, effectSize: 1, ...work }),
  scoreTable: () => scoreTable({ hypotheses: ['a'], references: ['a'] }, {}, work),
  pairedBootstrap: () => pairedBootstrap({ hypotheses: ['a'], baseline: ['a'], references: ['a'] }, {}, work),
};

describe('a signal that was aborted before the call', () => {
  it.each(Object.entries(calls))('is seen by %s before anything is done', async (_, call) => {
    await expect(call()).rejects.toMatchObject({ code: 'ABORTED' });
    expect(existsSync(at('new'))).toBe(false);
  });

  it('ends fit() with the event that says so', async () => {
    using trainer = await Trainer.create(tinyOptions(at('data'), at('fit')));
    expect((await fitAll(trainer, signal)).at(-1)).toMatchObject({
      type: 'end',
      reason: 'aborted',
      update: 0,
    });
  });
});

// Run by await_using.test.ts as compiled JavaScript: `await using` with work in flight, for each class that is disposed of.
// Prints what was seen where its block has ended.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Trainer, Transformer, Translator } from '../lib/index.js';

const [data, finished, place] = process.argv.slice(2) as [string, string, string];
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/**
 * Of the process, without what JavaScript has dropped: the buffers that a model was saved through, for instance. V8 frees those on a
 * thread of its own a little after the collection, so the least of a second is taken.
 */
const megabytes = async () => {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++) {
    collect();
    await setTimeout(50);
    least = Math.min(least, process.memoryUsage().rss / 2 ** 20);
  }
  return least;
};
const batch = { source: [Int32Array.of(5, 6, 2)], target: [Int32Array.of(6, 5, 2)] };
/** About 120 MB of parameters, so that they stand out from everything else. */
const large = { embedDim: 512, ffnDim: 512, heads: 4, encoderLayers: 1, decoderLayers: 1 };
/** How a call in flight ended, by the end of the block. */
const outcome = { transformer: '', save: '', step: '', ownModel: '', fit: '', translator: '' };
/** A caller's own function around a call, whose promise settles a little later. */
const around = async (work: Promise<unknown>) => await work;
const noteTo = (name: keyof typeof outcome, work: Promise<unknown>) => {
  around(around(around(around(work)))).then(
    () => {
      outcome[name] = 'value';
    },
    (error) => {
      outcome[name] = error.code;
    },
  );
};
/** All of it at once: the first model opens libtorch. */
{
  await using model = await Transformer.create({ vocabSize: 20, ...large }, { device: 'cpu' });
  await model.logits(batch);
}

const before = await megabytes();
let during = 0;
let kept: Transformer;
{
  await using model = await Transformer.create({ vocabSize: 60_000, ...large }, { device: 'cpu' });
  kept = model;
  during = await megabytes();
  noteTo('transformer', Promise.all(Array.from({ length: 4 }, () => model.logits(batch))));
  noteTo('save', model.save(join(place, 'model.safetensors')));
}
// At once: what settles while memory is measured was not waited for.
const seen = { ...outcome };
const after = await megabytes();
// Idempotent, and after dispose() too.
kept[Symbol.dispose]();
await kept[Symbol.asyncDispose]();
{
  await using model = await Transformer.create({ vocabSize: 60_000, ...large }, { device: 'cpu' });
  // 480 MB, dropped at once.
  const target = Int32Array.from({ length: 1000 }, (_, i) => (i < 999 ? 5 : 2));
  await model.logits({ source: [...batch.source, ...batch.source], target: [target, target] });
}
const afterLogits = await megabytes();

const options = {
  data,
  seed: 3,
  device: 'cpu',
  threads: 1,
  model: { embedDim: 16, ffnDim: 32, heads: 2, encoderLayers: 1, decoderLayers: 1 },
  batches: { maxTokens: 128 },
  maxUpdates: 100_000,
  logInterval: 1,
} as const;
const locks: Record<string, [held: boolean, left: boolean]> = {};
for (const call of ['step', 'fit'] as const) {
  const runDirectory = join(place, call);
  const lock = join(runDirectory, 'run.lock');
  let held = false;
  {
    await using trainer = await Trainer.create({ ...options, runDirectory });
    held = existsSync(lock);
    if (call === 'step') {
      noteTo('step', trainer.step(batch));
      noteTo('ownModel', Promise.all(Array.from({ length: 50 }, () => trainer.model.logits(batch))));
    } else {
      const events = trainer.fit();
      await events.next();
      noteTo('fit', events.next());
    }
  }
  locks[call] = [held, existsSync(lock)];
  if (call === 'fit') seen.fit = outcome.fit;
  else Object.assign(seen, { step: outcome.step, ownModel: outcome.ownModel });
}

{
  await using translator = await Translator.load(finished, { device: 'cpu', threads: 1 });
  noteTo('translator', translator.translate(Array.from({ length: 200 }, (_, i) => `w${i % 12} w3`)));
}
seen.translator = outcome.translator;

const memory = { taken: during - before, left: after - before, ofLogits: afterLogits - before };
console.log(JSON.stringify({ seen, locks, memory }));

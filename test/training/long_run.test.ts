import { join } from 'node:path';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Trainer } from '../../lib/training/trainer.js';
import { makeReversalData, tinyOptions, workplace } from './tiny_run.js';

let place: Awaited<ReturnType<typeof workplace>>;
let data: string;
beforeAll(async () => {
  place = await workplace();
  data = join(place.path, 'data');
  await makeReversalData(data);
});
afterAll(() => place.remove());

const sentences = (count: number, length: number) =>
  Array.from({ length: count }, (_, i) =>
    Int32Array.from({ length }, (_, k) => (k === length - 1 ? 2 : 4 + ((i + k) % 12))),
  );

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Without V8's young generation, which grows to its limit whether or not anything is kept. */
function residentMegabytes(): number {
  collect();
  const young = getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')!;
  return (process.memoryUsage.rss() - young.physical_space_size) / 2 ** 20;
}

describe('a trainer that goes on and on', () => {
  it('does not grow over 2,000 steps', async () => {
    const options = tinyOptions(data, join(place.path, 'long'));
    using trainer = await Trainer.create({
      ...options,
      model: { ...options.model, embedDim: 4, ffnDim: 4, heads: 1 },
    });
    // 24 pairs of 6 + 6 tokens: some 10 KiB with its 48 arrays, so that one batch kept a step would be 20 MB in the end.
    const steps = async (count: number) => {
      for (let i = 0; i < count; i++) {
        await trainer.step({ source: sentences(24, 6), target: sentences(24, 6) });
      }
    };
    await steps(400);
    const before = residentMegabytes();
    await steps(2000);
    expect(residentMegabytes() - before).toBeLessThan(8);
  });

  it('leaves the event loop free while it steps', async () => {
    const options = tinyOptions(data, join(place.path, 'ticks'));
    using trainer = await Trainer.create({
      ...options,
      model: { embedDim: 256, ffnDim: 512, heads: 4, encoderLayers: 2, decoderLayers: 2, maxPositions: 64 },
    });
    const batch = { source: sentences(40, 24), target: sentences(40, 24) };
    await trainer.step(batch);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    const began = performance.now();
    let elapsed = 0;
    try {
      await trainer.step(batch);
      elapsed = performance.now() - began;
    } finally {
      clearInterval(timer);
    }
    // A step that held the loop would let it tick at most once, however long it took.
    expect(elapsed).toBeGreaterThan(40);
    expect(ticks).toBeGreaterThan(elapsed / 2 / 10);
  });
});

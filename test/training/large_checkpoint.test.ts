// A model of more than 2^31 bytes of parameters through its own file, a checkpoint and a resumed run. It takes minutes,
// 15 GB of the disk and 10 GB of memory, so it runs with RDROP_TEST_LONG alone.
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Transformer } from '../../lib/model/transformer.js';
import { Trainer } from '../../lib/training/trainer.js';
import { scratchDirectory } from '../support/scratch.js';
import { fitAll, makeReversalData, tinyOptions, trainAll } from './tiny_run.js';

const long = process.env['RDROP_TEST_LONG'] !== undefined;
const onlyLong = 'minutes, 10 GB of memory and 15 GB of disk: only in npm run test:long';
/** 570 million parameters: 2.3 GB in float32, and twice that of moments. */
const sizes = { embedDim: 2048, ffnDim: 8192, heads: 16, encoderLayers: 6, decoderLayers: 4 };

/** Whether two files hold the same bytes, without either in memory. */
async function sameBytes(a: string, b: string): Promise<boolean> {
  const [x, y] = [await open(a), await open(b)];
  try {
    if ((await x.stat()).size !== (await y.stat()).size) return false;
    const [first, second] = [Buffer.alloc(4 << 20), Buffer.alloc(4 << 20)];
    for (let at = 0; ; ) {
      const [{ bytesRead }, other] = [
        await x.read(first, 0, first.length, at),
        await y.read(second, 0, second.length, at),
      ];
      if (bytesRead !== other.bytesRead) return false;
      if (bytesRead === 0) return true;
      if (!first.subarray(0, bytesRead).equals(second.subarray(0, bytesRead))) return false;
      at += bytesRead;
    }
  } finally {
    await x.close();
    await y.close();
  }
}

test('more than 2^31 bytes: saved and loaded', async ({ skip }) => {
  skip(!long, onlyLong);
  const directory = scratchDirectory();
  const [path, again] = [join(directory, 'a.safetensors'), join(directory, 'b.safetensors')];
  {
    using model = await Transformer.create({ vocabSize: 1000, ...sizes });
    expect(4 * model.parameterCount).toBeGreaterThan(2 ** 31);
    const made = process.memoryUsage().rss;
    await model.save(path);
    // Less than a tenth of the parameters beside the model itself.
    expect(process.memoryUsage().rss - made).toBeLessThan(0.1 * 4 * model.parameterCount + (256 << 20));
  }
  expect((await stat(path)).size).toBeGreaterThan(2 ** 31);
  using loaded = await Transformer.load(path);
  await loaded.save(again);
  expect(await sameBytes(path, again)).toBe(true);
  await rm(again);
}, 1_200_000);

test('more than 2^31 bytes: a checkpoint, resumed, continues as if nothing had happened', async ({
  skip,
}) => {
  skip(!long, onlyLong);
  const place = scratchDirectory();
  const at = (name: string) => join(place, name);
  await makeReversalData(at('data'), { train: 40, valid: 8, test: 8 });
  const options = (run: string, maxUpdates: number) => ({
    ...tinyOptions(at('data'), at(run)),
    ...{ model: sizes, maxUpdates, test: { beam: { beam: 1, maxLenB: 2 } } },
  });
  await trainAll(options('large', 2));
  const last = at('large/checkpoints/last');
  expect((await stat(join(last, 'model.safetensors'))).size).toBeGreaterThan(2 ** 31);
  expect((await stat(join(last, 'optimizer.safetensors'))).size).toBeGreaterThan(2 ** 32);
  {
    using trainer = await Trainer.resume(at('large'), { maxUpdates: 3 });
    await fitAll(trainer);
  }
  await trainAll(options('whole', 3));
  for (const file of ['model.safetensors', 'optimizer.safetensors']) {
    const both = [at(`large/checkpoints/last/${file}`), at(`whole/checkpoints/last/${file}`)] as const;
    expect(await sameBytes(...both), file).toBe(true);
  }
}, 2_400_000);

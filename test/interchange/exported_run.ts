// Runs to export: the one of fairseq's own checkpoint, and ones with parameters out of a formula.
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Tensor } from '../../lib/data/safetensors/safetensors.js';
import { exportModel } from '../../lib/interchange/export_model.js';
import { importFairseq } from '../../lib/interchange/fairseq/import_fairseq.js';
import { fairseqOptionsOf } from '../../lib/interchange/fairseq/options.js';
import { PickleDict, PickleForeign } from '../../lib/interchange/torch_file/pickle_values.js';
import { encodeTorchFile } from '../../lib/interchange/torch_file/writer.js';
import { parameterShapes } from '../../lib/model/parameter_names.js';
import { type ModelOptions, modelSchema } from '../../lib/options/index.js';
import { collected, importFork, interchangePath } from '../support/fixtures/interchange_fixtures.js';
import { scratchDirectory } from '../support/scratch.js';
import { workplace } from '../training/tiny_run.js';

export const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export const fileHash = async (path: string) => sha256(await readFile(path));

/** A translation as the other programs recorded it. */
export interface Hypothesis {
  tokens: number[];
  score: number;
}

/** The run of fork.pt and its export in both formats; `remove` deletes them. */
export async function exportedFork() {
  const place = await workplace();
  const run = join(place.path, 'run');
  const directory = join(place.path, 'model');
  await importFork(run);
  await exportModel({ run, format: 'both', out: directory });
  return { run, directory, remove: () => place.remove() };
}

/** A run with parameters out of a formula, by way of a checkpoint. */
export async function makeRun(
  options: Partial<ModelOptions>,
  text: Partial<Parameters<typeof importFairseq>[0]> = {},
) {
  const model = modelSchema.parse({
    ...{ vocabSize: 40, embedDim: 8, ffnDim: 12, heads: 2, encoderLayers: 1, decoderLayers: 2 },
    ...options,
  });
  const tensors = new Map<string, Tensor>();
  let next = 0;
  for (const [name, shape] of parameterShapes(model)) {
    const size = shape.reduce((a, b) => a * b, 1);
    tensors.set(name, { shape, data: Float32Array.from({ length: size }, () => Math.sin(next++)) });
  }
  const root = new PickleDict([
    ['args', fairseqOptionsOf(model, { source: 'de', target: 'en' })],
    [
      'model',
      new PickleDict([
        ...[...tensors].map(([name, tensor]): [string, PickleForeign] => [name, new PickleForeign(tensor)]),
        ...['encoder', 'decoder'].map((side): [string, PickleForeign] => [
          `${side}.version`,
          new PickleForeign({ shape: [1], data: Float32Array.of(3) }),
        ]),
      ]),
    ],
  ]);
  const where = scratchDirectory();
  await writeFile(join(where, 'c.pt'), await collected(encodeTorchFile(root, 'c')));
  const out = join(where, 'run');
  const dict = interchangePath('dict.txt');
  const files = { dict, targetDict: dict, codes: interchangePath('codes') };
  await importFairseq({ checkpoint: join(where, 'c.pt'), ...files, out, ...text });
  return { run: out, model, tensors, out: join(where, 'out') };
}

// Small language models, and prompts of several lengths, for the tests of generation.
import { nativeTransformer, Transformer } from '../../lib/model/transformer.js';
import type { ModelOptions } from '../../lib/options/model.js';
import type { RuntimeOptions } from '../../lib/options/runtime.js';

export const base: ModelOptions = {
  ...{ vocabSize: 23, embedDim: 16, ffnDim: 24, heads: 2, decoderLayers: 2, dropout: 0.2 },
  ...{ maxPositions: 12, architecture: 'decoder', norm: 'pre', activation: 'gelu', positions: 'learned' },
};

/** With large parameters, so that the probabilities differ. */
export async function modelOf(options: Partial<ModelOptions> = {}, runtime: RuntimeOptions = {}, scale = 4) {
  const model = await Transformer.create(
    { ...base, ...options },
    { seed: 5, device: 'cpu', precision: 'float64', ...runtime },
  );
  const inside = nativeTransformer(model);
  const parameters = await inside.parameters();
  await inside.setParameters(
    new Map(
      [...parameters].map(([name, values]) => [
        name,
        /norm/.test(name) ? values : values.map((x) => scale * x),
      ]),
    ),
  );
  return model;
}

export const prompts = [
  [2],
  [4, 5, 6, 7, 8],
  [9, 10],
  [2, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
  [3, 3, 3],
];
export const asArrays = (lists: readonly (readonly number[])[]) => lists.map((list) => Int32Array.from(list));

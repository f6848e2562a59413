import type { ModelConfig } from '../options/model.js';

/** The parameters of a model with their shapes, fairseq's names; matrices are [out, in], embeddings [V, D]. */
export function parameterShapes(config: ModelConfig): Map<string, readonly number[]> {
  const {
    vocabSize,
    sourceVocabSize = vocabSize,
    embedDim,
    ffnDim,
    encoderLayers,
    decoderLayers,
    norm,
    shareEmbeddings,
  } = config;
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, out: number, inputs: number) => {
    shapes.set(`${name}.weight`, [out, inputs]);
    shapes.set(`${name}.bias`, [out]);
  };
  const layerNorm = (name: string) => {
    shapes.set(`${name}.weight`, [embedDim]);
    shapes.set(`${name}.bias`, [embedDim]);
  };
  const attention = (name: string) => {
    for (const part of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) {
      linear(`${name}.${part}`, embedDim, embedDim);
    }
    layerNorm(`${name}_layer_norm`);
  };
  const feedForward = (layer: string) => {
    linear(`${layer}.fc1`, ffnDim, embedDim);
    linear(`${layer}.fc2`, embedDim, ffnDim);
    layerNorm(`${layer}.final_layer_norm`);
  };
  shapes.set('encoder.embed_tokens.weight', [sourceVocabSize, embedDim]);
  for (let i = 0; i < encoderLayers; i++) {
    attention(`encoder.layers.${i}.self_attn`);
    feedForward(`encoder.layers.${i}`);
  }
  if (norm === 'pre') layerNorm('encoder.layer_norm');
  if (shareEmbeddings !== 'all') shapes.set('decoder.embed_tokens.weight', [vocabSize, embedDim]);
  for (let i = 0; i < decoderLayers; i++) {
    attention(`decoder.layers.${i}.self_attn`);
    attention(`decoder.layers.${i}.encoder_attn`);
    feedForward(`decoder.layers.${i}`);
  }
  if (norm === 'pre') layerNorm('decoder.layer_norm');
  if (shareEmbeddings === 'none') shapes.set('decoder.output_projection.weight', [vocabSize, embedDim]);
  return shapes;
}

export const embeddingNames = {
  source: 'encoder.embed_tokens.weight',
  target: 'decoder.embed_tokens.weight',
  output: 'decoder.output_projection.weight',
} as const;

/** Source and target embedding and output projection, each by its own name, as programs that do not tie them want them. */
export function untiedParameters<T>(parameters: ReadonlyMap<string, T>, config: ModelConfig): Map<string, T> {
  const source = parameters.get(embeddingNames.source)!;
  const target = config.shareEmbeddings === 'all' ? source : parameters.get(embeddingNames.target)!;
  const output = config.shareEmbeddings === 'none' ? parameters.get(embeddingNames.output)! : target;
  const all = new Map<string, T>();
  for (const name of parameterShapes({ ...config, shareEmbeddings: 'none' }).keys()) {
    if (name === embeddingNames.target) all.set(name, target);
    else if (name === embeddingNames.output) all.set(name, output);
    else all.set(name, parameters.get(name)!);
  }
  return all;
}

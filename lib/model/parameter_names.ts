import type { ModelConfig } from '../options/model.js';

const has = ({ architecture }: Pick<ModelConfig, 'architecture'>, stack: 'encoder' | 'decoder'): boolean =>
  architecture === 'encoder-decoder' || architecture === stack;

/** Whether a network has an encoder, and whether it has a decoder. */
export const hasEncoder = (config: Pick<ModelConfig, 'architecture'>): boolean => has(config, 'encoder');
export const hasDecoder = (config: Pick<ModelConfig, 'architecture'>): boolean => has(config, 'decoder');

/** The numbers that the network gives for a position or a sequence: types, classes or 1. */
export const outputCount = ({ vocabSize, outputs }: Pick<ModelConfig, 'vocabSize' | 'outputs'>): number =>
  outputs ?? vocabSize;

/** What the head of an encoder is called, as a prefix. */
export const headName = 'classification_heads.sentence_classification_head';

/**
 * The parameters of a model with their shapes, fairseq's names; matrices are [out, in], embeddings [V, D]. Without biases there are
 * those of weights alone.
 */
export function parameterShapes(config: ModelConfig): Map<string, readonly number[]> {
  const { vocabSize, sourceVocabSize = vocabSize, embedDim, ffnDim, norm, shareEmbeddings } = config;
  const both = config.architecture === 'encoder-decoder';
  const shapes = new Map<string, readonly number[]>();
  const bias = (name: string, size: number) => {
    if (config.bias) shapes.set(`${name}.bias`, [size]);
  };
  const linear = (name: string, out: number, inputs: number) => {
    shapes.set(`${name}.weight`, [out, inputs]);
    bias(name, out);
  };
  const layerNorm = (name: string) => {
    shapes.set(`${name}.weight`, [embedDim]);
    bias(name, embedDim);
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
  const embedding = (stack: string, types: number, ownTable: boolean) => {
    if (ownTable) shapes.set(`${stack}.embed_tokens.weight`, [types, embedDim]);
    if (config.positions === 'learned') {
      shapes.set(`${stack}.embed_positions.weight`, [config.maxPositions + 2, embedDim]);
    }
    if (stack === 'encoder' && config.tokenTypes > 0) {
      shapes.set(`${stack}.embed_token_types.weight`, [config.tokenTypes, embedDim]);
    }
    if (config.embeddingNorm) layerNorm(`${stack}.layernorm_embedding`);
  };
  if (hasEncoder(config)) {
    embedding('encoder', sourceVocabSize, true);
    for (let i = 0; i < config.encoderLayers; i++) {
      attention(`encoder.layers.${i}.self_attn`);
      feedForward(`encoder.layers.${i}`);
    }
    if (norm === 'pre') layerNorm('encoder.layer_norm');
  }
  if (hasDecoder(config)) {
    embedding('decoder', vocabSize, !both || shareEmbeddings !== 'all');
    for (let i = 0; i < config.decoderLayers; i++) {
      attention(`decoder.layers.${i}.self_attn`);
      if (both) attention(`decoder.layers.${i}.encoder_attn`);
      feedForward(`decoder.layers.${i}`);
    }
    if (norm === 'pre') layerNorm('decoder.layer_norm');
    if (shareEmbeddings === 'none') shapes.set('decoder.output_projection.weight', [vocabSize, embedDim]);
  } else {
    if (config.pooler !== 'none') linear(`${headName}.dense`, embedDim, embedDim);
    linear(`${headName}.out_proj`, outputCount(config), embedDim);
  }
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

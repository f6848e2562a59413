import { RdropError } from '../util/errors.js';

export const parameterGroups = [
  'embeddings',
  'encoder self-attention',
  'encoder ffn',
  'decoder self-attention',
  'cross-attention',
  'decoder ffn',
  'layer norms',
  'head',
] as const;
/** Parameters that do the same; embeddings are those of tokens, positions and token types, and an output projection of its own. */
export type ParameterGroup = (typeof parameterGroups)[number];

const rules: readonly [RegExp, ParameterGroup][] = [
  [/^(encoder|decoder)\.embed_\w+\.weight$|^decoder\.output_projection\.weight$/, 'embeddings'],
  [/(layer_norm|layernorm_embedding)\.(weight|bias)$/, 'layer norms'],
  [/^encoder\.layers\.\d+\.self_attn\./, 'encoder self-attention'],
  [/^encoder\.layers\.\d+\.fc[12]\./, 'encoder ffn'],
  [/^decoder\.layers\.\d+\.self_attn\./, 'decoder self-attention'],
  [/^decoder\.layers\.\d+\.encoder_attn\./, 'cross-attention'],
  [/^decoder\.layers\.\d+\.fc[12]\./, 'decoder ffn'],
  [/^classification_heads\./, 'head'],
];

/**
 * The group of a parameter by fairseq's name, and its layer (`encoder.layers.0`), null outside the layers.
 *
 * @throws RdropError INVALID_ARGUMENT for a name that no model of this package has.
 */
export function groupOf(name: string): { group: ParameterGroup; layer: string | null } {
  const found = rules.find(([pattern]) => pattern.test(name));
  if (found === undefined) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `parameter: expected one of fairseq's names, got ${JSON.stringify(name)}`,
    );
  }
  return { group: found[1], layer: /^(?:encoder|decoder)\.layers\.\d+/.exec(name)?.[0] ?? null };
}

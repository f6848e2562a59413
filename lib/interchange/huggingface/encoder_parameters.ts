import { isFloat } from '../../data/safetensors/element_types.js';
import type { StoredTensor, StoredTensors } from '../../data/safetensors/stored_tensor.js';
import { headName, parameterShapes } from '../../model/parameter_names.js';
import type { ModelConfig } from '../../options/model.js';
import { pad } from '../../text/dictionary.js';
import { RdropError } from '../../util/errors.js';
import type { EncoderKind } from './encoder_config.js';

/** Rows of learned positions in front of the first token's. */
const firstPosition = 2;

const embeddings = {
  tokens: 'encoder.embed_tokens.weight',
  positions: 'encoder.embed_positions.weight',
} as const;

/** What the parts of a layer and the embeddings are called; of the head, its two matrices, which stand beside the encoder. */
const parts = {
  bert: {
    layer: 'encoder.layer',
    'self_attn.q_proj': 'attention.self.query',
    'self_attn.k_proj': 'attention.self.key',
    'self_attn.v_proj': 'attention.self.value',
    'self_attn.out_proj': 'attention.output.dense',
    self_attn_layer_norm: 'attention.output.LayerNorm',
    fc1: 'intermediate.dense',
    fc2: 'output.dense',
    final_layer_norm: 'output.LayerNorm',
    dense: 'bert.pooler.dense',
    out_proj: 'classifier',
  },
  roberta: {
    layer: 'encoder.layer',
    'self_attn.q_proj': 'attention.self.query',
    'self_attn.k_proj': 'attention.self.key',
    'self_attn.v_proj': 'attention.self.value',
    'self_attn.out_proj': 'attention.output.dense',
    self_attn_layer_norm: 'attention.output.LayerNorm',
    fc1: 'intermediate.dense',
    fc2: 'output.dense',
    final_layer_norm: 'output.LayerNorm',
    dense: 'classifier.dense',
    out_proj: 'classifier.out_proj',
  },
  distilbert: {
    layer: 'transformer.layer',
    'self_attn.q_proj': 'attention.q_lin',
    'self_attn.k_proj': 'attention.k_lin',
    'self_attn.v_proj': 'attention.v_lin',
    'self_attn.out_proj': 'attention.out_lin',
    self_attn_layer_norm: 'sa_layer_norm',
    fc1: 'ffn.lin1',
    fc2: 'ffn.lin2',
    final_layer_norm: 'output_layer_norm',
    dense: 'pre_classifier',
    out_proj: 'classifier',
  },
} as const satisfies Record<EncoderKind, Record<string, string>>;

const embeddingParts: Readonly<Record<string, string>> = {
  embed_tokens: 'word_embeddings',
  embed_positions: 'position_embeddings',
  embed_token_types: 'token_type_embeddings',
  layernorm_embedding: 'LayerNorm',
};

/** A parameter's name in transformers, of a model with a head for sequences. */
export function transformersName(name: string, kind: EncoderKind): string {
  const at = name.lastIndexOf('.');
  const [path, part] = [name.slice(0, at), name.slice(at)];
  const of: Readonly<Record<string, string>> = parts[kind];
  if (path.startsWith(headName)) return of[path.slice(headName.length + 1)]! + part;
  const layer = /^encoder\.layers\.(\d+)\.(.*)$/.exec(path);
  const inside =
    layer === null
      ? `embeddings.${embeddingParts[path.slice('encoder.'.length)]}`
      : `${of['layer']}.${layer[1]}.${of[layer[2]!]}`;
  return `${kind}.${inside}${part}`;
}

/** Tensors of a checkpoint that are no part of an encoder that classifies sequences: other heads, and tables. */
const others = {
  bert: /^(cls\.|qa_outputs\.|(bert\.)?embeddings\.(position_ids|token_type_ids)$)/,
  roberta:
    /^(lm_head\.|qa_outputs\.|roberta\.pooler\.|(roberta\.)?embeddings\.(position_ids|token_type_ids)$)/,
  distilbert:
    /^(vocab_(transform|layer_norm|projector)\.|qa_outputs\.|(distilbert\.)?embeddings\.position_ids$)/,
} as const;

/** Tables that every model has or computes; not worth a word. */
const table = /\.(position_ids|token_type_ids)$/;

export interface EncoderParameters {
  /** By rdrop's names. */
  tensors: Map<string, StoredTensor>;
  /** Whether the head is there whole. */
  head: boolean;
  /** Parameters of the head that the checkpoint does not have, by rdrop's names: they begin anew. */
  missing: string[];
  /** What the checkpoint has besides. */
  leftOut: string[];
}

/**
 * The parameters of a checkpoint of transformers as rdrop names and lays them out: of a model that classifies sequences, of the
 * bare encoder, or of one with another head, which is left out.
 *
 * @param wantsHead as its config.json says; null: it says nothing
 * @throws RdropError CHECKPOINT_MISMATCH (a parameter that is missing, unknown, or of another shape), MALFORMED_FILE (no
 *   floating-point numbers)
 */
export function encoderParameters(
  given: StoredTensors,
  kind: EncoderKind,
  model: ModelConfig,
  padId: number,
  wantsHead: boolean | null,
  path: string,
): EncoderParameters {
  const mismatch = (name: string, why: string) =>
    new RdropError('CHECKPOINT_MISMATCH', `${path}: parameter ${name}${why}`);
  const found = new Map<string, StoredTensor>();
  const full = [...given.keys()].some((name) => name.startsWith(`${kind}.`));
  for (const [name, tensor] of given) {
    // Checkpoints of before 2020 call the two parts of a norm gamma and beta.
    const today = name
      .replace(/LayerNorm\.gamma$/, 'LayerNorm.weight')
      .replace(/LayerNorm\.beta$/, 'LayerNorm.bias');
    found.set(full || isHead(today) ? today : `${kind}.${today}`, tensor);
  }
  const shapes = parameterShapes(model);
  const tensors = new Map<string, StoredTensor>();
  const missing: string[] = [];
  const withHead = wantsHead ?? found.has(`${parts[kind].out_proj}.weight`);
  for (const [name, shape] of shapes) {
    const theirs = transformersName(name, kind);
    const tensor = found.get(theirs);
    const ofHead = name.startsWith(headName);
    // The pooler of BERT is part of its encoder.
    const taken = !ofHead || withHead || theirs.startsWith(`${kind}.`);
    if (tensor === undefined || !taken) {
      if (!ofHead || withHead) throw mismatch(theirs, ': is missing');
      missing.push(name);
      continue;
    }
    const expected = name === embeddings.positions ? [rowsOfPositions(kind, model), model.embedDim] : shape;
    if (String(tensor.shape) !== String(expected)) {
      throw mismatch(theirs, `: expected the shape [${expected}], got [${tensor.shape}]`);
    }
    if (!isFloat(tensor.dtype)) {
      throw new RdropError(
        'MALFORMED_FILE',
        `${path}: tensor ${theirs}: expected floating-point numbers, got ${tensor.dtype}`,
      );
    }
    tensors.set(name, inOurLayout(name, tensor, kind, padId));
    found.delete(theirs);
  }
  const leftOut: string[] = [];
  for (const name of found.keys()) {
    const otherHead = !withHead && isHead(name);
    if (!otherHead && !others[kind].test(name)) throw mismatch(name, ': the model has none of this name');
    if (!table.test(name)) leftOut.push(name);
  }
  return { tensors, head: withHead, missing, leftOut };
}

/** Whether a name stands beside the encoder, whose own have its name in front or not. */
const isHead = (name: string): boolean =>
  /^(pre_classifier|classifier|cls|lm_head|qa_outputs|vocab_transform|vocab_layer_norm|vocab_projector)\./.test(
    name,
  );

const rowsOfPositions = (kind: EncoderKind, { maxPositions }: ModelConfig): number =>
  kind === 'roberta' ? maxPositions + firstPosition : maxPositions;

function inOurLayout(name: string, tensor: StoredTensor, kind: EncoderKind, padId: number): StoredTensor {
  if (name === embeddings.tokens) return exchangedRows(tensor, padId, pad);
  return name === embeddings.positions && kind !== 'roberta' ? behindZeros(tensor, firstPosition) : tensor;
}

/** A parameter as a checkpoint of transformers has it. */
export function inTheirLayout(
  name: string,
  tensor: StoredTensor,
  kind: EncoderKind,
  padId: number,
): StoredTensor {
  if (name === embeddings.tokens) return exchangedRows(tensor, padId, pad);
  return name === embeddings.positions && kind !== 'roberta' ? withoutFirst(tensor, firstPosition) : tensor;
}

/** A matrix with two of its rows exchanged. */
function exchangedRows(tensor: StoredTensor, a: number, b: number): StoredTensor {
  if (a === b) return tensor;
  const width = tensor.shape[1]!;
  const take = async (values: Float32Array, begin: number, end: number, from: number, to: number) => {
    // The numbers of row `to` in [begin, end) are those of row `from`.
    const first = Math.max(begin, to * width);
    const last = Math.min(end, (to + 1) * width);
    if (first >= last) return;
    const shift = (from - to) * width;
    values.set((await tensor.read(first + shift, last + shift)) as Float32Array, first - begin);
  };
  return {
    ...tensor,
    read: async (begin, end) => {
      // A copy: what a tensor in memory gives is a view of it.
      const values = (await tensor.read(begin, end)).slice() as Float32Array;
      await take(values, begin, end, a, b);
      await take(values, begin, end, b, a);
      return values;
    },
  };
}

/** A matrix with rows of zeros in front. */
function behindZeros(tensor: StoredTensor, rows: number): StoredTensor {
  const [height, width] = tensor.shape as [number, number];
  const zeros = rows * width;
  return {
    ...tensor,
    shape: [height + rows, width],
    read: async (begin, end) => {
      const from = Math.max(begin, zeros) - zeros;
      const inside = (await tensor.read(from, Math.max(from, end - zeros))) as Float32Array;
      if (begin >= zeros) return inside;
      const Numbers = inside.constructor as Float32ArrayConstructor;
      const values = new Numbers(end - begin);
      values.set(inside, values.length - inside.length);
      return values;
    },
  };
}

/** A matrix without its first rows. */
function withoutFirst(tensor: StoredTensor, rows: number): StoredTensor {
  const [height, width] = tensor.shape as [number, number];
  const left = rows * width;
  return {
    ...tensor,
    shape: [height - rows, width],
    read: (begin, end) => tensor.read(begin + left, end + left),
  };
}

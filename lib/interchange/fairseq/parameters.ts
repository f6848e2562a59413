import { isFloat } from '../../data/safetensors/element_types.js';
import { blocksOf, type StoredTensor, sizeOf } from '../../data/safetensors/stored_tensor.js';
import { embeddingNames, parameterShapes } from '../../model/parameter_names.js';
import type { ModelConfig } from '../../options/model.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { TensorReference, tensorOf } from '../torch_file/globals.js';
import { describePickled, PickleDict, type PickleValue } from '../torch_file/pickle_values.js';
import type { TorchFile } from '../torch_file/torch_file.js';

type References = Map<string, TensorReference>;

/** What a state dict holds besides parameters: version numbers and the table or the type of the sinusoidal positions. */
const noParameter = /^(encoder|decoder)\.(version|embed_positions\.(_float_tensor|weights))$/;

/** @throws RdropError MALFORMED_FILE when the model is no mapping of names to tensors */
export function referencesOf(model: PickleValue | undefined, path: string): References {
  if (!(model instanceof PickleDict)) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: expected a mapping of parameters under "model", got ${describePickled(model)}`,
    );
  }
  const references: References = new Map();
  for (const [name, value] of model) {
    const reference = tensorOf(value);
    if (typeof name !== 'string' || reference === null) {
      throw new RdropError(
        'MALFORMED_FILE',
        `${path}: model[${describePickled(name)}]: expected a tensor, got ${describePickled(value)}`,
      );
    }
    references.set(name, reference);
  }
  return references;
}

/**
 * Gives the parameters of older checkpoints today's names: one matrix for q, k and v becomes three, layer norms lose
 * their numbers, the output projection had another name.
 *
 * @source upgrade_state_dict_named in fairseq's transformer_layer.py, multihead_attention.py, transformer_decoder.py
 */
export function upgradeNames(old: References): References {
  const renamed: References = new Map();
  const norms = {
    encoder: ['self_attn_layer_norm', 'final_layer_norm'],
    decoder: ['self_attn_layer_norm', 'encoder_attn_layer_norm', 'final_layer_norm'],
  } as const;
  for (const [name, reference] of old) {
    const inProjection = /^(.*)\.in_proj_(weight|bias)$/.exec(name);
    const layerNorm = /^((encoder|decoder)\.layers\.\d+)\.layer_norms\.([012])\.(weight|bias)$/.exec(name);
    if (inProjection !== null && (reference.shape[0] ?? 0) % 3 === 0) {
      const rows = reference.shape[0]! / 3;
      for (const [i, part] of ['q_proj', 'k_proj', 'v_proj'].entries()) {
        renamed.set(
          `${inProjection[1]}.${part}.${inProjection[2]}`,
          new TensorReference(
            reference.storage,
            reference.offset + i * rows * reference.strides[0]!,
            [rows, ...reference.shape.slice(1)],
            reference.strides,
          ),
        );
      }
    } else if (layerNorm !== null) {
      const [, layer, side, number, part] = layerNorm;
      const today = norms[side as 'encoder' | 'decoder'][Number(number)];
      renamed.set(today === undefined ? name : `${layer}.${today}.${part}`, reference);
    } else if (name === 'decoder.embed_out') {
      renamed.set(embeddingNames.output, reference);
    } else {
      renamed.set(name, reference);
    }
  }
  return renamed;
}

/**
 * The parameters of a checkpoint as rdrop names them; a matrix that is stored again under the name of what shares it is
 * compared and left out.
 *
 * @param file where the numbers lie
 * @throws RdropError CHECKPOINT_MISMATCH (a parameter too many, too few, of another shape, or a shared one that differs),
 *   NOT_EXPRESSIBLE (a model of before the last layer norm), ABORTED, and those of TorchFile.tensor
 */
export async function readParameters(
  file: TorchFile,
  references: References,
  model: ModelConfig,
  signal?: AbortSignal,
): Promise<Map<string, StoredTensor>> {
  const { path } = file;
  const shapes = parameterShapes(model);
  if (model.norm === 'pre') await checkVersion(file, references);
  const shared = new Map<string, string>();
  if (model.shareEmbeddings === 'all') shared.set(embeddingNames.target, embeddingNames.source);
  if (model.shareEmbeddings !== 'none') {
    const target = model.shareEmbeddings === 'all' ? embeddingNames.source : embeddingNames.target;
    shared.set(embeddingNames.output, target);
  }
  for (const [name, { shape }] of references) {
    const expected = shapes.get(shared.get(name) ?? name);
    if (expected === undefined) {
      if (noParameter.test(name)) continue;
      throw new RdropError(
        'CHECKPOINT_MISMATCH',
        `${path}: parameter ${name}: the model that its options describe has none of this name`,
      );
    }
    if (String(shape) === String(expected)) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: parameter ${name}: expected the shape [${expected}], got [${shape}]`,
    );
  }
  const parameters = new Map<string, StoredTensor>();
  for (const name of shapes.keys()) {
    throwIfAborted(signal, `reading ${path}`);
    const reference = references.get(name);
    if (reference === undefined) {
      throw new RdropError('CHECKPOINT_MISMATCH', `${path}: parameter ${name}: is missing`);
    }
    parameters.set(name, floats(file, reference, name));
  }
  for (const [name, original] of shared) {
    const reference = references.get(name);
    if (reference === undefined) continue;
    if (await isSame(floats(file, reference, name), parameters.get(original)!)) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: parameter ${name}: the options share it with ${original}, but its numbers are others`,
    );
  }
  return parameters;
}

function floats(file: TorchFile, reference: TensorReference, name: string): StoredTensor {
  const tensor = file.stored(reference, name);
  if (isFloat(tensor.dtype)) return tensor;
  throw new RdropError(
    'MALFORMED_FILE',
    `${file.path}: tensor ${name}: expected floating-point numbers, got ${reference.storage.type}`,
  );
}

/** Whether two tensors of one shape have the same numbers. */
async function isSame(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a === b) return true;
  for (const [begin, end] of blocksOf(sizeOf(a.shape))) {
    const [x, y] = [await a.read(begin, end), await b.read(begin, end)];
    for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return false;
  }
  return true;
}

/** Before version 2 (encoder) and 3 (decoder) a pre-norm stack had no layer norm at its end. */
async function checkVersion(file: TorchFile, references: References): Promise<void> {
  for (const [side, least] of [
    ['encoder', 2],
    ['decoder', 3],
  ] as const) {
    const name = `${side}.version`;
    const reference = references.get(name);
    const version = reference === undefined ? 1 : Number((await file.tensor(reference, name)).data[0]);
    if (version >= least) continue;
    throw new RdropError(
      'NOT_EXPRESSIBLE',
      `${file.path}: ${name}: expected at least ${least}, a pre-norm model with a layer norm at its end, got ${version}`,
    );
  }
}

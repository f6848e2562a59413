import { type ModelConfig, type ModelOptions, modelSchema } from '../../options/model.js';
import { parseConfig } from '../../options/schema/parse.js';
import { RdropError } from '../../util/errors.js';
import {
  describePickled,
  fieldsOf,
  PickleDict,
  PickleObject,
  type PickleValue,
} from '../torch_file/pickle_values.js';

/** Options by the names that fairseq's Namespace has, `encoder_embed_dim` and so on. */
export type FairseqOptions = ReadonlyMap<string, PickleValue>;

/** A value of omegaconf's or an enumeration as the value itself. */
function plain(value: PickleValue | undefined): PickleValue | undefined {
  if (!(value instanceof PickleObject)) return value;
  const { module, name } = value.global;
  if (module === 'omegaconf.nodes') return enumValue(fieldsOf(value)?.get('_val'));
  if (module === 'omegaconf.dictconfig' || module === 'omegaconf.listconfig') {
    const content = fieldsOf(value)?.get('_content');
    return content === undefined ? value : content;
  }
  return name === 'Namespace' ? value : enumValue(value);
}

/** An enumeration of fairseq's is called with its value. */
function enumValue(value: PickleValue | undefined): PickleValue | undefined {
  if (!(value instanceof PickleObject) || value.state !== null || value.args.length !== 1) return value;
  return value.args[0]!;
}

/** The fields of a mapping, values of omegaconf's resolved; null for what is none. */
function options(value: PickleValue | undefined): Map<string, PickleValue> | null {
  const fields = fieldsOf(plain(value));
  if (fields === null) return null;
  return new Map([...fields].map(([key, field]) => [key, plain(field) ?? null]));
}

/**
 * The options of a checkpoint, in one flat mapping: its `args`, or where that is None its `cfg`, whose sections of the
 * model and of the task fairseq 1.0 keeps apart (and an encoder's and a decoder's within that of the model).
 *
 * @throws RdropError MALFORMED_FILE when there are none
 */
export function optionsOf(root: ReadonlyMap<string, PickleValue>, path: string): FairseqOptions {
  const args = options(root.get('args'));
  if (args !== null && args.size > 0) return args;
  const cfg = options(root.get('cfg'));
  const model = options(cfg?.get('model'));
  if (model === null) {
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: expected the options of a model in args or cfg.model, got ${describePickled(root.get('args'))} and ` +
        describePickled(cfg?.get('model') ?? root.get('cfg')),
    );
  }
  const flat = new Map<string, PickleValue>();
  for (const [key, value] of options(cfg?.get('task')) ?? []) flat.set(key, value);
  for (const [key, value] of model) {
    const nested = ['encoder', 'decoder', 'quant_noise'].includes(key) ? options(value) : null;
    if (nested === null) flat.set(key, value);
    for (const [inner, innerValue] of nested ?? []) flat.set(`${key}_${inner}`, innerValue);
  }
  return flat;
}

/** What rdrop has no counterpart of, with the only value that it computes; None and nothing stand for that too. */
const fixed: readonly (readonly [name: string, only: PickleValue])[] = [
  ['encoder_learned_pos', false],
  ['decoder_learned_pos', false],
  ['no_token_positional_embeddings', false],
  ['layernorm_embedding', false],
  ['no_scale_embedding', false],
  ['adaptive_softmax_cutoff', null],
  ['adaptive_input', false],
  ['no_cross_attention', false],
  ['cross_self_attention', false],
  ['no_decoder_final_norm', false],
  ['char_inputs', false],
  ['base_layers', 0],
  ['merge_src_tgt_embed', false],
  ['encoder_layerdrop', 0],
  ['decoder_layerdrop', 0],
  ['encoder_layers_to_keep', null],
  ['decoder_layers_to_keep', null],
  ['quant_noise_pq', 0],
  ['quant_noise_scalar', 0],
  ['encoder_xformers_att_config', null],
  ['decoder_xformers_att_config', null],
];

const pairs = [
  ['encoder_embed_dim', 'decoder_embed_dim'],
  ['encoder_ffn_embed_dim', 'decoder_ffn_embed_dim'],
  ['encoder_attention_heads', 'decoder_attention_heads'],
  ['encoder_normalize_before', 'decoder_normalize_before'],
] as const;

/** Where fairseq's base_architecture puts a value in place of a missing one. */
const defaults: FairseqOptions = new Map<string, PickleValue>([
  ['encoder_normalize_before', false],
  ['dropout', 0.1],
  ['attention_dropout', 0],
  ['activation_fn', 'relu'],
  ['share_all_embeddings', false],
  ['share_decoder_input_output_embed', false],
  ['max_source_positions', 1024],
  ['max_target_positions', 1024],
]);

/**
 * The configuration of the model that fairseq's options describe.
 *
 * @param sizes rows of the two embeddings in the checkpoint; where they are as many, one number stands for both
 * @throws RdropError NOT_EXPRESSIBLE (an option whose value rdrop has no counterpart of, by its name), MALFORMED_FILE (an
 *   option that is missing or no number), INVALID_CONFIG (a value outside rdrop's range)
 */
export function modelOf(
  given: FairseqOptions,
  sizes: { source: number; target: number },
  path: string,
): ModelConfig {
  const refuse = (name: string, expected: string) =>
    new RdropError(
      'NOT_EXPRESSIBLE',
      `${path}: option ${name}: expected ${expected}, got ${describePickled(given.get(name))}`,
    );
  const arch = given.get('arch') ?? given.get('_name');
  if (typeof arch === 'string' && !/^transformer(?!_lm)/.test(arch)) {
    throw refuse(given.has('arch') ? 'arch' : '_name', 'an encoder-decoder of the kind "transformer"');
  }
  for (const [name, only] of fixed) {
    const value = given.get(name);
    if (value === undefined || value === null || value === only) continue;
    throw refuse(name, describePickled(only));
  }
  for (const [encoder, decoder] of pairs) {
    const value = given.get(decoder);
    if (value !== undefined && value !== (given.get(encoder) ?? defaults.get(encoder))) {
      throw refuse(decoder, `the value of ${encoder}, ${describePickled(given.get(encoder))}`);
    }
  }
  for (const name of ['decoder_input_dim', 'decoder_output_dim']) {
    const value = given.get(name);
    if (value !== undefined && value !== null && value !== given.get('encoder_embed_dim')) {
      throw refuse(
        name,
        `the value of encoder_embed_dim, ${describePickled(given.get('encoder_embed_dim'))}`,
      );
    }
  }
  const activation = given.get('activation_fn') ?? 'relu';
  if (activation !== 'relu' && activation !== 'gelu') throw refuse('activation_fn', '"relu" or "gelu"');
  const number = (name: string): number => {
    const value = given.get(name) ?? defaults.get(name);
    if (typeof value === 'number') return value;
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: option ${name}: expected a number, got ${describePickled(value)}`,
    );
  };
  const flag = (name: string): boolean => {
    const value = given.get(name) ?? defaults.get(name);
    if (typeof value === 'boolean') return value;
    throw new RdropError(
      'MALFORMED_FILE',
      `${path}: option ${name}: expected True or False, got ${describePickled(value)}`,
    );
  };
  const shareEmbeddings = flag('share_all_embeddings')
    ? 'all'
    : flag('share_decoder_input_output_embed')
      ? 'decoder'
      : 'none';
  // The older name stands beside the newer one; fairseq takes it where the newer one is 0.
  const activationDropout =
    given.get('activation_dropout') || (given.get('relu_dropout') as PickleValue | undefined) || 0;
  if (shareEmbeddings === 'all' && sizes.source !== sizes.target) {
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: option share_all_embeddings: expected embeddings of the same size, got ${sizes.source} rows for the ` +
        `source and ${sizes.target} for the target`,
    );
  }
  const model: ModelOptions = {
    vocabSize: sizes.target,
    ...(sizes.source !== sizes.target && { sourceVocabSize: sizes.source }),
    embedDim: number('encoder_embed_dim'),
    ffnDim: number('encoder_ffn_embed_dim'),
    heads: number('encoder_attention_heads'),
    encoderLayers: number('encoder_layers'),
    decoderLayers: number('decoder_layers'),
    dropout: number('dropout'),
    attentionDropout: number('attention_dropout'),
    activationDropout: activationDropout as number,
    norm: flag('encoder_normalize_before') ? 'pre' : 'post',
    activation,
    shareEmbeddings,
    // fairseq's positions are sines of any length; the two limits only guard what is read and written.
    maxPositions: Math.max(number('max_source_positions'), number('max_target_positions')),
  };
  return parseConfig(modelSchema, model, `${path}: model`);
}

/** The options that make fairseq build this model: what its own command line would have put into the Namespace. */
export function fairseqOptionsOf(
  model: ModelConfig,
  languages: { source: string; target: string },
): PickleDict {
  const side = (name: string): [string, PickleValue][] => [
    [`${name}_embed_path`, null],
    [`${name}_embed_dim`, model.embedDim],
    [`${name}_ffn_embed_dim`, model.ffnDim],
    [`${name}_attention_heads`, model.heads],
    [`${name}_normalize_before`, model.norm === 'pre'],
    [`${name}_learned_pos`, false],
    [`${name}_layerdrop`, 0],
    [`${name}_layers_to_keep`, null],
  ];
  return new PickleDict([
    ['arch', 'transformer'],
    ['task', 'translation'],
    ['source_lang', languages.source],
    ['target_lang', languages.target],
    ['left_pad_source', true],
    ['left_pad_target', false],
    ...side('encoder'),
    ['encoder_layers', model.encoderLayers],
    ...side('decoder'),
    ['decoder_layers', model.decoderLayers],
    ['decoder_input_dim', model.embedDim],
    ['decoder_output_dim', model.embedDim],
    ['dropout', model.dropout],
    ['attention_dropout', model.attentionDropout],
    ['activation_dropout', model.activationDropout],
    ['activation_fn', model.activation],
    ['share_all_embeddings', model.shareEmbeddings === 'all'],
    ['share_decoder_input_output_embed', model.shareEmbeddings !== 'none'],
    ['max_source_positions', model.maxPositions],
    ['max_target_positions', model.maxPositions],
    ['adaptive_softmax_cutoff', null],
    ['adaptive_softmax_dropout', 0],
    ['adaptive_input', false],
    ['tie_adaptive_weights', false],
    ['no_token_positional_embeddings', false],
    ['no_scale_embedding', false],
    ['no_cross_attention', false],
    ['cross_self_attention', false],
    ['layernorm_embedding', false],
    ['quant_noise_pq', 0],
    ['quant_noise_pq_block_size', 8],
    ['quant_noise_scalar', 0],
  ]);
}

import { type ModelConfig, type ModelOptions, modelSchema } from '../../options/model.js';
import { describe, parseConfig } from '../../options/schema/parse.js';
import { RdropError } from '../../util/errors.js';

/** The kinds of encoder that are read and written, as `model_type` names them. */
export const encoderKinds = ['bert', 'roberta', 'distilbert'] as const;
export type EncoderKind = (typeof encoderKinds)[number];

/** What a config.json says of an encoder and of the head that classifies its sequences. */
export interface EncoderConfig {
  kind: EncoderKind;
  /** With one output for each label; where the weights have no head, that is nothing to go by. */
  model: ModelConfig;
  task: 'classification' | 'regression';
  /** Names of the classes in their order; of a regression one. */
  labels: string[];
  /** Of the file; 1 here. */
  padId: number;
  /** Whether the weights belong to a model that classifies sequences; null: the file does not say. */
  head: boolean | null;
  /** What fine-tuning does otherwise, in sentences. */
  differences: string[];
}

/** Where the three kinds keep the same thing, and what transformers takes for what is not there. */
const bertNames = {
  embedDim: ['hidden_size', 768],
  ffnDim: ['intermediate_size', 3072],
  heads: ['num_attention_heads', 12],
  layers: ['num_hidden_layers', 12],
  activation: ['hidden_act', 'gelu'],
  dropout: ['hidden_dropout_prob', 0.1],
  attentionDropout: ['attention_probs_dropout_prob', 0.1],
} as const;
const names = {
  bert: { ...bertNames, pad: ['pad_token_id', 0] },
  roberta: { ...bertNames, pad: ['pad_token_id', 1] },
  distilbert: {
    embedDim: ['dim', 768],
    ffnDim: ['hidden_dim', 3072],
    heads: ['n_heads', 12],
    layers: ['n_layers', 6],
    activation: ['activation', 'gelu'],
    dropout: ['dropout', 0.1],
    attentionDropout: ['attention_dropout', 0.1],
    pad: ['pad_token_id', 0],
  },
} as const;

const vocabSizes = { bert: 30522, roberta: 50265, distilbert: 30522 } as const;

/** Options that change nothing in what the network computes or how it trains here: other heads, how outputs are given, history. */
const withoutEffect = new Set(
  `_attn_implementation_autoset _name_or_path _num_labels architectures attn_implementation bos_token_id cls_token_id
  directionality dtype eos_token_id eos_token_ids finetuning_task gradient_checkpointing id2label initializer_range
  label2id language mask_token_id model_type name num_labels output_attentions output_hidden_states output_past
  pooler_fc_size pooler_num_attention_heads pooler_num_fc_layers pooler_size_per_head problem_type qa_dropout return_dict
  sep_token_id task_specific_params tie_weights_ tie_word_embeddings tokenizer_class torch_dtype torchscript
  transformers_version use_cache use_return_dict chunk_size_feed_forward tie_last_hidden_states`.split(/\s+/),
);

/** What rdrop has no counterpart of, with the only value that it computes; null and nothing stand for that too. */
const fixed = new Map<string, unknown>([
  ['add_cross_attention', false],
  ['cross_attention_hidden_size', null],
  ['is_decoder', false],
  ['is_encoder_decoder', false],
  ['pooler_type', 'first_token_transform'],
  ['position_embedding_type', 'absolute'],
  ['pruned_heads', {}],
  ['per_layer_config', {}],
  ['tie_encoder_decoder', false],
  ['use_bfloat16', false],
]);

/** Activations by their names in transformers. */
const activations: Readonly<Record<string, 'gelu' | 'relu'>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  relu: 'relu',
};

type Json = Readonly<Record<string, unknown>>;

/** Reads options by name, and knows which it has been asked for. */
class Options {
  private readonly asked = new Set<string>();

  constructor(
    private readonly json: Json,
    private readonly path: string,
  ) {}

  get(name: string): unknown {
    this.asked.add(name);
    return Object.hasOwn(this.json, name) ? this.json[name] : undefined;
  }

  refused(name: string, expected: string, code: 'NOT_EXPRESSIBLE' | 'MALFORMED_FILE' = 'NOT_EXPRESSIBLE') {
    return new RdropError(
      code,
      `${this.path}: option ${name}: expected ${expected}, got ${describe(this.json[name])}`,
    );
  }

  number([name, usual]: readonly [string, number]): number {
    const value = this.get(name) ?? usual;
    if (typeof value === 'number') return value;
    throw this.refused(name, 'a number', 'MALFORMED_FILE');
  }

  /** @throws RdropError NOT_EXPRESSIBLE for an option that nobody has asked for and that might mean something */
  checkOthers(ignored: readonly string[]): void {
    for (const [name, value] of Object.entries(this.json)) {
      if (value === null || this.asked.has(name) || withoutEffect.has(name) || ignored.includes(name))
        continue;
      const only = fixed.get(name);
      if (fixed.has(name) && JSON.stringify(value) === JSON.stringify(only)) continue;
      throw this.refused(
        name,
        fixed.has(name)
          ? JSON.stringify(only)
          : 'no such option (give it to import.ignore, --ignore, if it does not change what the network computes)',
      );
    }
  }
}

/**
 * The encoder that a config.json of transformers describes: every option is mapped, known to change nothing, or refused.
 *
 * @param ignored names of options that change nothing, as the caller says
 * @throws RdropError NOT_EXPRESSIBLE (an option that rdrop has no counterpart of, by its name), MALFORMED_FILE (one of a wrong
 *   type), INVALID_CONFIG (a value outside rdrop's range)
 * @source transformers 5.18: models/{bert,roberta,distilbert}/configuration_*.py
 */
export function readEncoderConfig(
  json: unknown,
  path: string,
  ignored: readonly string[] = [],
): EncoderConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new RdropError('MALFORMED_FILE', `${path}: expected an object of options, got ${describe(json)}`);
  }
  const options = new Options(json as Json, path);
  const kind = options.get('model_type') as EncoderKind;
  if (!encoderKinds.includes(kind)) {
    throw options.refused(
      'model_type',
      `one of ${encoderKinds.map((one) => JSON.stringify(one)).join(', ')}`,
    );
  }
  const of = names[kind];
  const name = options.get(of.activation[0]) ?? of.activation[1];
  const activation =
    typeof name === 'string' && Object.hasOwn(activations, name) ? activations[name] : undefined;
  if (activation === undefined)
    throw options.refused(of.activation[0], Object.keys(activations).join(' or '));
  const padId = options.get(of.pad[0]) === undefined ? of.pad[1] : options.get(of.pad[0]);
  if (typeof padId !== 'number' || !Number.isSafeInteger(padId) || padId < 0) {
    throw options.refused(of.pad[0], 'the id of the padding token');
  }
  if (kind === 'roberta' && padId !== 1)
    throw options.refused(of.pad[0], '1, behind which its positions begin');
  const positions = options.number(['max_position_embeddings', 512]);
  const dropout = options.number(of.dropout);
  const head = headOf(options, kind, dropout);
  const { labels, task } = outputsOf(options);
  const model: ModelOptions = {
    architecture: 'encoder',
    output: task === 'regression' ? 'value' : 'classes',
    outputs: labels.length,
    vocabSize: options.number(['vocab_size', vocabSizes[kind]]),
    embedDim: options.number(of.embedDim),
    ffnDim: options.number(of.ffnDim),
    heads: options.number(of.heads),
    encoderLayers: options.number(of.layers),
    dropout,
    attentionDropout: options.number(of.attentionDropout),
    activationDropout: 0,
    norm: 'post',
    activation,
    positions: 'learned',
    // RoBERTa counts the rows in front of the first token.
    maxPositions: kind === 'roberta' ? positions - 2 : positions,
    tokenTypes: kind === 'distilbert' ? 0 : options.number(['type_vocab_size', 2]),
    scaleEmbeddings: false,
    embeddingNorm: true,
    normEpsilon: kind === 'distilbert' ? 1e-12 : options.number(['layer_norm_eps', 1e-12]),
    initialization: 'bert',
    pooling: 'first',
    ...head,
  };
  const differences = differencesOf(options, kind, dropout);
  options.checkOthers(ignored);
  return {
    kind,
    model: parseConfig(modelSchema, model, `${path}: model`),
    task,
    labels,
    padId,
    head: classifiesSequences(options),
    differences,
  };
}

function headOf(options: Options, kind: EncoderKind, dropout: number): Partial<ModelOptions> {
  if (kind === 'distilbert') {
    return { pooler: 'relu', headInputDropout: 0, headDropout: options.number(['seq_classif_dropout', 0.2]) };
  }
  const headDropout = options.number(['classifier_dropout', dropout]);
  return { pooler: 'tanh', headInputDropout: kind === 'roberta' ? headDropout : 0, headDropout };
}

function differencesOf(options: Options, kind: EncoderKind, dropout: number): string[] {
  const differences: string[] = [];
  const range = options.number(['initializer_range', 0.02]);
  if (range !== 0.02) {
    differences.push(`a new head begins with a deviation of 0.02; initializer_range says ${range}`);
  }
  if (kind !== 'distilbert') return differences;
  const sinusoidal = options.get('sinusoidal_pos_embds') ?? false;
  if (typeof sinusoidal !== 'boolean')
    throw options.refused('sinusoidal_pos_embds', 'a boolean', 'MALFORMED_FILE');
  if (sinusoidal) {
    differences.push(
      'sinusoidal positions are a parameter that training changes; freeze encoder.embed_positions.weight to keep them',
    );
  }
  if (dropout > 0) {
    differences.push('training drops what attention adds, as BERT does; DistilBERT drops it nowhere');
  }
  return differences;
}

/** The classes or the one value of the head, and their names. */
function outputsOf(options: Options): { labels: string[]; task: 'classification' | 'regression' } {
  const problem = options.get('problem_type') ?? null;
  const map = options.get('id2label') ?? null;
  const count = options.get('num_labels') ?? options.get('_num_labels') ?? 2;
  if (map === null && (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 1)) {
    throw options.refused('num_labels', 'a number of labels', 'MALFORMED_FILE');
  }
  if (map !== null && (typeof map !== 'object' || Array.isArray(map))) {
    throw options.refused('id2label', 'an object of labels by id', 'MALFORMED_FILE');
  }
  const size = map === null ? (count as number) : Object.keys(map).length;
  const labels = Array.from({ length: size }, (_, id) => {
    const label = map === null ? `LABEL_${id}` : (map as Json)[String(id)];
    if (typeof label === 'string' && label !== '' && !/[\r\n]/.test(label)) return label;
    throw options.refused('id2label', `a label for each id from 0 to ${size - 1}`, 'MALFORMED_FILE');
  });
  if (labels.length === 0 || new Set(labels).size < labels.length) {
    throw options.refused('id2label', 'labels that differ', 'MALFORMED_FILE');
  }
  const one = labels.length === 1;
  if (
    problem === 'regression' ? !one : problem !== null && (problem !== 'single_label_classification' || one)
  ) {
    throw options.refused(
      'problem_type',
      one ? '"regression" of one value' : '"single_label_classification"',
    );
  }
  return { labels, task: one ? 'regression' : 'classification' };
}

function classifiesSequences(options: Options): boolean | null {
  const architectures = options.get('architectures') ?? null;
  if (!Array.isArray(architectures) || architectures.length === 0) return null;
  return architectures.some((name) => String(name).endsWith('ForSequenceClassification'));
}

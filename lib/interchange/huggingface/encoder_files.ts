import { streamSafetensors } from '../../data/safetensors/safetensors.js';
import type { StoredTensor } from '../../data/safetensors/stored_tensor.js';
import { headName } from '../../model/parameter_names.js';
import { describe } from '../../options/schema/parse.js';
import { RdropError } from '../../util/errors.js';
import type { FileContent } from '../exported_run.js';
import type { EncoderKind } from './encoder_config.js';
import { inTheirLayout, transformersName } from './encoder_parameters.js';
import type { ExportedEncoder } from './exported_encoder.js';

const classNames = { bert: 'Bert', roberta: 'Roberta', distilbert: 'DistilBert' } as const;

/** What all three kinds compute, and nothing else. */
const fixed = {
  norm: 'post',
  positions: 'learned',
  embeddingNorm: true,
  scaleEmbeddings: false,
  bias: true,
  pooling: 'first',
  activationDropout: 0,
} as const;

/**
 * The files of a run for transformers: config.json, model.safetensors, tokenizer.json and tokenizer_config.json, of BERT, RoBERTa
 * or DistilBERT, whichever the network is.
 *
 * @throws RdropError NOT_EXPRESSIBLE, naming what none of them has a counterpart of and its value
 * @source transformers 5.18: models/{bert,roberta,distilbert}
 */
export function encoderFiles(run: ExportedEncoder): Map<string, FileContent> {
  const kind = kindOf(run);
  const { padId } = run.tokenizer;
  const parameters = new Map<string, StoredTensor>();
  for (const [name, tensor] of run.parameters) {
    const theirs = transformersName(name, kind);
    // Of a bare encoder the classifier's dense layer has no name; the pooler of BERT is its own.
    if (!run.head && name.startsWith(headName) && !theirs.startsWith(`${kind}.`)) continue;
    const tensorName = run.head ? theirs : theirs.slice(`${kind}.`.length);
    parameters.set(tensorName, inTheirLayout(name, tensor, kind, padId));
  }
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  return new Map<string, FileContent>([
    ['config.json', json(configOf(run, kind))],
    ['tokenizer.json', run.tokenizer.toString()],
    [
      'tokenizer_config.json',
      json({
        tokenizer_class: 'PreTrainedTokenizerFast',
        model_max_length: run.model.maxPositions,
        model_input_names: [
          'input_ids',
          ...(kind === 'distilbert' ? [] : ['token_type_ids']),
          'attention_mask',
        ],
        clean_up_tokenization_spaces: false,
        ...run.tokenizer.specialTokens(),
      }),
    ],
    ['model.safetensors', streamSafetensors(parameters, { format: 'pt' })],
  ]);
}

/** Which of the three the network is. */
function kindOf({ path, model, tokenizer }: ExportedEncoder): EncoderKind {
  const check = (option: keyof typeof model, expected: unknown, why = '') => {
    if (model[option] === expected) return;
    throw new RdropError(
      'NOT_EXPRESSIBLE',
      `${path}: model.${option}: expected ${describe(expected)}${why}, got ${describe(model[option])}`,
    );
  };
  for (const [option, value] of Object.entries(fixed)) check(option as keyof typeof fixed, value);
  if (model.pooler === 'relu') {
    check('tokenTypes', 0, ' of DistilBERT (pooler "relu")');
    check('headInputDropout', 0, ' of DistilBERT (pooler "relu")');
    check('normEpsilon', 1e-12, ' of DistilBERT (pooler "relu")');
    return 'distilbert';
  }
  check('pooler', 'tanh');
  if (model.tokenTypes === 0) check('tokenTypes', 1, ' or more, of BERT and RoBERTa (pooler "tanh")');
  // BERT drops in front of the last layer, RoBERTa in front of both; without dropout the place of the padding tells them apart.
  const bert = model.headInputDropout === 0 && (model.headDropout > 0 || tokenizer.padId !== 1);
  if (bert) return 'bert';
  check('headInputDropout', model.headDropout, ' as model.headDropout of RoBERTa, or 0 of BERT');
  if (tokenizer.padId === 1) return 'roberta';
  throw new RdropError(
    'NOT_EXPRESSIBLE',
    `${path}: tokenizer: expected the padding token to be 1 (RoBERTa), got ${tokenizer.padId}`,
  );
}

function configOf({ model, config, labels, tokenizer, head }: ExportedEncoder, kind: EncoderKind) {
  const dtype = config.precision === 'float64' ? 'float64' : 'float32';
  const id2label = Object.fromEntries(labels.map((label, id) => [id, label]));
  const suffix = head ? 'ForSequenceClassification' : 'Model';
  const common = {
    architectures: [`${classNames[kind]}${suffix}`],
    model_type: kind,
    dtype,
    torch_dtype: dtype,
    vocab_size: model.vocabSize,
    pad_token_id: tokenizer.padId,
    initializer_range: 0.02,
    max_position_embeddings: kind === 'roberta' ? model.maxPositions + 2 : model.maxPositions,
    ...(head && {
      id2label,
      label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
      problem_type: model.output === 'value' ? 'regression' : 'single_label_classification',
    }),
  };
  if (kind === 'distilbert') {
    return {
      ...common,
      dim: model.embedDim,
      hidden_dim: model.ffnDim,
      n_heads: model.heads,
      n_layers: model.encoderLayers,
      activation: model.activation,
      dropout: model.dropout,
      attention_dropout: model.attentionDropout,
      seq_classif_dropout: model.headDropout,
    };
  }
  return {
    ...common,
    hidden_size: model.embedDim,
    intermediate_size: model.ffnDim,
    num_attention_heads: model.heads,
    num_hidden_layers: model.encoderLayers,
    hidden_act: model.activation,
    hidden_dropout_prob: model.dropout,
    attention_probs_dropout_prob: model.attentionDropout,
    classifier_dropout: model.headDropout,
    type_vocab_size: model.tokenTypes,
    layer_norm_eps: model.normEpsilon,
  };
}

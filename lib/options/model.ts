/** The network: a Transformer, of an encoder, a decoder or both. */
import * as z from 'zod';
import { documented, type Resolved } from './schema/documented.js';
import { countTo, rate } from './schema/ranges.js';

/** Sizes and shape of a Transformer, with the defaults of fairseq's `transformer_iwslt_de_en`. */
export interface ModelOptions {
  /**
   * Dictionary types V, the four specials included: of both languages, or of the target.
   * @range 5 to 16,777,216
   */
  vocabSize: number;
  /**
   * Dictionary types of the source, where the languages have dictionaries of their own; `shareEmbeddings` is then not `all`. Left
   * out: `vocabSize`.
   * @range 5 to 16,777,216
   */
  sourceVocabSize?: number | undefined;
  /**
   * Model width D; even, and a multiple of `heads`.
   * @default 512
   * @range 1 to 65,536
   */
  embedDim?: number | undefined;
  /**
   * Width F of the feed-forward layers.
   * @default 1024
   * @range 1 to 1,048,576
   */
  ffnDim?: number | undefined;
  /**
   * Attention heads H.
   * @default 4
   * @range 1 to 4,096
   */
  heads?: number | undefined;
  /**
   * Layers of the encoder.
   * @default 6
   * @range 1 to 1,024
   */
  encoderLayers?: number | undefined;
  /**
   * Layers of the decoder.
   * @default 6
   * @range 1 to 1,024
   */
  decoderLayers?: number | undefined;
  /**
   * Dropout rate on embeddings and on residual branches.
   * @default 0.3
   * @range 0 to below 1
   */
  dropout?: number | undefined;
  /**
   * Dropout rate on attention weights.
   * @default 0
   * @range 0 to below 1
   */
  attentionDropout?: number | undefined;
  /**
   * Dropout rate behind the activation of the feed-forward layers.
   * @default 0
   * @range 0 to below 1
   */
  activationDropout?: number | undefined;
  /**
   * Where layer normalization stands: `post` behind the residual sum (the paper's), `pre` before each sublayer.
   * @default "post"
   */
  norm?: 'post' | 'pre' | undefined;
  /**
   * Activation of the feed-forward layers.
   * @default "relu"
   */
  activation?: 'relu' | 'gelu' | undefined;
  /**
   * Which embedding matrices are one. `all`: source, target and output projection. `decoder`: target and output projection. `none`.
   * @default "all"
   */
  shareEmbeddings?: 'all' | 'decoder' | 'none' | undefined;
  /**
   * Longest sequence in tokens, eos included.
   * @default 1024
   * @range 1 to 1,048,576
   */
  maxPositions?: number | undefined;
  /**
   * Which stacks of layers the network has. `encoder-decoder` translates; `decoder`, causal and without an encoder, is a language
   * model; `encoder` ends in a head that classifies a sequence or gives a number for it. The layers of a stack that is not there
   * are not counted.
   * @default "encoder-decoder"
   */
  architecture?: 'encoder-decoder' | 'encoder' | 'decoder' | undefined;
  /**
   * What the head of an `encoder` gives: logits of `outputs` classes, or one value. Left out: `classes` for an encoder.
   */
  output?: 'classes' | 'value' | undefined;
  /**
   * Classes C of an `encoder`, or 1 for a value; needed there. Left out: there is no head.
   * @range 1 to 1,048,576
   */
  outputs?: number | undefined;
  /**
   * Position embeddings: `sinusoidal` ones are fixed, `learned` ones are a parameter of `maxPositions` + 2 rows, of which a sequence
   * uses those from 2 on (fairseq, RoBERTa).
   * @default "sinusoidal"
   */
  positions?: 'sinusoidal' | 'learned' | undefined;
  /**
   * Types of token of an `encoder` whose embeddings are added, as BERT's segments; 0: none.
   * @default 0
   * @range 0 to 16
   */
  tokenTypes?: number | undefined;
  /**
   * Whether token embeddings are multiplied by √D.
   * @default true
   */
  scaleEmbeddings?: boolean | undefined;
  /**
   * Whether a norm stands behind the sum of the embeddings, before their dropout.
   * @default false
   */
  embeddingNorm?: boolean | undefined;
  /**
   * What every norm adds to the variance.
   * @default 0.00001
   * @range above 0, below 1
   */
  normEpsilon?: number | undefined;
  /**
   * Whether linear layers and norms have biases. `false`: they are no parameters.
   * @default true
   */
  bias?: boolean | undefined;
  /**
   * How parameters start. `fairseq`: Xavier and fairseq's other rules. `bert`: normal with deviation 0.02, biases 0. `gpt2`: the same,
   * but 0.02/√(2·layers) for the matrices that end a sublayer.
   * @default "fairseq"
   */
  initialization?: 'fairseq' | 'bert' | 'gpt2' | undefined;
  /**
   * What of a sequence the head of an `encoder` sees: the state of its first token, or the mean of all.
   * @default "first"
   */
  pooling?: 'first' | 'mean' | undefined;
  /**
   * The dense layer of width D in front of the head's projection, by its activation; `none`: there is no such layer.
   * @default "tanh"
   */
  pooler?: 'none' | 'tanh' | 'relu' | undefined;
  /**
   * Dropout rate before the dense layer of the head (RoBERTa); with the pooler `none` it is 0.
   * @default 0
   * @range 0 to below 1
   */
  headInputDropout?: number | undefined;
  /**
   * Dropout rate before the head's projection.
   * @default 0.1
   * @range 0 to below 1
   */
  headDropout?: number | undefined;
}

type GivenElsewhere = 'vocabSize' | 'sourceVocabSize' | 'architecture' | 'output' | 'outputs';

/** The model of a run: its task says what the network is, the data give the numbers of types and of classes. */
export interface RunModelOptions extends Omit<ModelOptions, GivenElsewhere> {
  /** Refused here: the dictionary of the data gives it. */
  vocabSize?: undefined;
  /** Refused here: the dictionary of the data gives it. */
  sourceVocabSize?: undefined;
  /** Refused here: the task gives it. */
  architecture?: undefined;
  /** Refused here: the task gives it. */
  output?: undefined;
  /** Refused here: the data gives it. */
  outputs?: undefined;
}

interface RuledOptions {
  embedDim: number;
  heads: number;
  pooler: string;
  headInputDropout: number;
}

/** What must hold between the options of a model. */
function withModelRules<S extends z.ZodType<RuledOptions>>(schema: S) {
  return schema
    .refine((model) => model.embedDim % model.heads === 0, {
      path: ['heads'],
      error: 'embedDim must be a multiple of heads',
    })
    .refine((model) => model.embedDim % 2 === 0, {
      path: ['embedDim'],
      error: 'embedDim must be even (sine and cosine halves)',
    })
    .refine((model) => model.pooler !== 'none' || model.headInputDropout === 0, {
      path: ['headInputDropout'],
      error: 'expected 0 where pooler is "none": there is no dense layer behind it',
    });
}

interface SharedSizes {
  architecture: string;
  vocabSize: number;
  sourceVocabSize?: number | undefined;
  shareEmbeddings: string;
}

/** One matrix has one number of rows. */
const sharesOneSize = ({
  architecture,
  vocabSize,
  sourceVocabSize = vocabSize,
  shareEmbeddings,
}: SharedSizes): boolean =>
  sourceVocabSize === vocabSize || (architecture === 'encoder-decoder' && shareEmbeddings !== 'all');

/** The head goes with an encoder. */
interface HeadOptions {
  architecture: string;
  output?: string | undefined;
  outputs?: number | undefined;
  tokenTypes: number;
}

const vocabularySize = z
  .int()
  .min(5)
  .max(2 ** 24);

const shape = {
  embedDim: countTo(65_536).default(512),
  ffnDim: countTo(2 ** 20).default(1024),
  heads: countTo(4096).default(4),
  encoderLayers: countTo(1024).default(6),
  decoderLayers: countTo(1024).default(6),
  dropout: rate.default(0.3),
  attentionDropout: rate.default(0),
  activationDropout: rate.default(0),
  norm: z.enum(['post', 'pre']).default('post'),
  activation: z.enum(['relu', 'gelu']).default('relu'),
  shareEmbeddings: z.enum(['all', 'decoder', 'none']).default('all'),
  maxPositions: countTo(2 ** 20).default(1024),
  positions: z.enum(['sinusoidal', 'learned']).default('sinusoidal'),
  tokenTypes: z.int().min(0).max(16).default(0),
  scaleEmbeddings: z.boolean().default(true),
  embeddingNorm: z.boolean().default(false),
  normEpsilon: z.number().gt(0).lt(1).default(1e-5),
  bias: z.boolean().default(true),
  initialization: z.enum(['fairseq', 'bert', 'gpt2']).default('fairseq'),
  pooling: z.enum(['first', 'mean']).default('first'),
  pooler: z.enum(['none', 'tanh', 'relu']).default('tanh'),
  headInputDropout: rate.default(0),
  headDropout: rate.default(0.1),
};

/** Options of a model that came after the first runs, with the value that says how those were trained. */
export const laterModelOptions: readonly [name: string, value: unknown][] = [
  ['architecture', 'encoder-decoder'],
  ['positions', 'sinusoidal'],
  ['tokenTypes', 0],
  ['scaleEmbeddings', true],
  ['embeddingNorm', false],
  ['normEpsilon', 1e-5],
  ['bias', true],
  ['initialization', 'fairseq'],
  ['pooling', 'first'],
  ['pooler', 'tanh'],
  ['headInputDropout', 0],
  ['headDropout', 0.1],
];

export const modelSchema = documented<ModelOptions>()(
  withModelRules(
    z.strictObject({
      vocabSize: vocabularySize,
      sourceVocabSize: vocabularySize.optional(),
      ...shape,
      architecture: z.enum(['encoder-decoder', 'encoder', 'decoder']).default('encoder-decoder'),
      output: z.enum(['classes', 'value']).optional(),
      outputs: countTo(2 ** 20).optional(),
    }),
  )
    .refine(sharesOneSize, {
      path: ['shareEmbeddings'],
      error: 'expected "decoder" or "none" where sourceVocabSize and vocabSize differ',
    })
    .refine(
      ({ architecture, outputs }: HeadOptions) => (architecture === 'encoder') === (outputs !== undefined),
      {
        path: ['outputs'],
        error:
          'expected a number of classes where architecture is "encoder", and nothing else where it is not',
      },
    )
    .refine(({ architecture, output }: HeadOptions) => architecture === 'encoder' || output === undefined, {
      path: ['output'],
      error: 'expected nothing where architecture is not "encoder"',
    })
    .refine(({ output, outputs }: HeadOptions) => output !== 'value' || outputs === 1, {
      path: ['outputs'],
      error: 'expected 1 where output is "value"',
    })
    .refine(({ architecture, tokenTypes }: HeadOptions) => architecture === 'encoder' || tokenTypes === 0, {
      path: ['tokenTypes'],
      error: 'expected 0 where architecture is not "encoder"',
    }),
);
export type ModelConfig = Resolved<ModelOptions, z.output<typeof modelSchema>>;

export const runModelSchema = documented<RunModelOptions>()(
  withModelRules(
    z.strictObject({
      ...shape,
      vocabSize: z.undefined().optional(),
      sourceVocabSize: z.undefined().optional(),
      architecture: z.undefined().optional(),
      output: z.undefined().optional(),
      outputs: z.undefined().optional(),
    }),
  ),
);

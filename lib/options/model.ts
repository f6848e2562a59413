/** The network: fairseq's Transformer. */
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
}

/** The model of a run: the dictionaries of its data give the numbers of types. */
export interface RunModelOptions extends Omit<ModelOptions, 'vocabSize' | 'sourceVocabSize'> {
  /** Refused here: the dictionary of the data gives it. */
  vocabSize?: undefined;
  /** Refused here: the dictionary of the data gives it. */
  sourceVocabSize?: undefined;
}

/** What must hold between the options of a model. */
function withModelRules<S extends z.ZodType<{ embedDim: number; heads: number }>>(schema: S) {
  return schema
    .refine((model) => model.embedDim % model.heads === 0, {
      path: ['heads'],
      error: 'embedDim must be a multiple of heads',
    })
    .refine((model) => model.embedDim % 2 === 0, {
      path: ['embedDim'],
      error: 'embedDim must be even (sine and cosine halves)',
    });
}

interface SharedSizes {
  vocabSize: number;
  sourceVocabSize?: number | undefined;
  shareEmbeddings: string;
}

/** One matrix has one number of rows. */
const sharesOneSize = ({ vocabSize, sourceVocabSize = vocabSize, shareEmbeddings }: SharedSizes): boolean =>
  shareEmbeddings !== 'all' || sourceVocabSize === vocabSize;

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
};

export const modelSchema = documented<ModelOptions>()(
  withModelRules(
    z.strictObject({ vocabSize: vocabularySize, sourceVocabSize: vocabularySize.optional(), ...shape }),
  ).refine(sharesOneSize, {
    path: ['shareEmbeddings'],
    error: 'expected "decoder" or "none" where sourceVocabSize and vocabSize differ',
  }),
);
export type ModelConfig = Resolved<ModelOptions, z.output<typeof modelSchema>>;

export const runModelSchema = documented<RunModelOptions>()(
  withModelRules(
    z.strictObject({
      ...shape,
      vocabSize: z.undefined().optional(),
      sourceVocabSize: z.undefined().optional(),
    }),
  ),
);

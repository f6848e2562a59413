/** From text to a prepared directory of a task other than translation. */
import * as z from 'zod';
import { type LockOptions, lockSchema } from '../opening.js';
import { documented, type Resolved } from '../schema/documented.js';
import { probability, seed, text } from '../schema/ranges.js';
import {
  type BpeOptions,
  bpeSchema,
  type DictionaryOptions,
  dictionarySchema,
  type TextLimitOptions,
  textLimitsSchema,
} from '../text.js';
import { type TaskPieceOptions, taskPiecesSchema } from './text.js';

/** What every task has. */
interface TaskDirectoryOptions
  extends LockOptions,
    TaskPieceOptions,
    DictionaryOptions,
    Pick<BpeOptions, 'minFrequency'>,
    TextLimitOptions {
  /** The directory to make. */
  out: string;
  /**
   * Replaces a prepared directory that is there already.
   * @default false
   */
  overwrite?: boolean | undefined;
  /** The training file, plain or gzip data. */
  train: string;
  /** The validation file. Left out: `validFraction` of the training file. */
  valid?: string | undefined;
  /** The test file. Left out: there is no test split. */
  test?: string | undefined;
  /**
   * The part of the training file that is held out for validation. Of classification every class gives the same part; of
   * regression and a language model of lines, examples are drawn by `seed`; of a stream it is the end. Left out: there is a file.
   * @range above 0, below 1
   */
  validFraction?: number | undefined;
  /**
   * Seed of what is held out, the same on every machine.
   * @default 1
   * @range 0 or more
   */
  seed?: number | undefined;
  /** A file of BPE codes (subword-nmt's format) to use instead of learning some, all of them. Left out: they are learned. */
  codes?: string | undefined;
  /**
   * A dict.txt to use instead of building one, that of a run to start from for instance; then without `threshold`, `nwords` and
   * `paddingFactor`. Left out: it is built of the training text.
   */
  dictionary?: string | undefined;
}

/** A language model's text: `prepareTask({task: 'language-model', …})`, `rdrop prepare --task language-model`. */
export interface PrepareLanguageModelOptions extends TaskDirectoryOptions {
  /** The task. */
  task: 'language-model';
  /**
   * `stream`: the text is one stream of tokens, cut into blocks when it is trained on. `lines`: each line stands for itself; empty ones
   * are left out.
   * @default "stream"
   */
  mode?: 'stream' | 'lines' | undefined;
}

/** What classification and regression have. */
interface LabeledOptions extends TaskDirectoryOptions {
  /**
   * `tsv`: text, tab, label. `jsonl`: an object a line with the fields `text`, `label` and, of pairs, `second`. `trec`:
   * `COARSE:fine question`, of which COARSE is the label; `trec-fine`: of which `COARSE:fine` is.
   * @default "tsv"
   */
  format?: 'tsv' | 'jsonl' | 'trec' | 'trec-fine' | undefined;
  /**
   * Of `tsv`: the label stands before the text.
   * @default false
   */
  labelFirst?: boolean | undefined;
  /**
   * Of `tsv`: the first line names the columns and is left out.
   * @default false
   */
  header?: boolean | undefined;
  /**
   * Each example has two texts, of `tsv` with a tab between them.
   * @default false
   */
  pairs?: boolean | undefined;
  /** With `pieces` `huggingface`, the directory whose tokenizer.json cuts the text. Left out: the pieces are others. */
  tokenizer?: string | undefined;
}

/** Texts and their classes: `prepareTask({task: 'classification', …})`, `rdrop prepare --task classification`. */
export interface PrepareClassificationOptions extends LabeledOptions {
  /** The task. */
  task: 'classification';
  /**
   * What happens to an example of validation or test whose label the training file does not have: `refuse` names its line, `skip`
   * leaves it out and counts it.
   * @default "refuse"
   */
  unknownLabels?: 'refuse' | 'skip' | undefined;
}

/** Texts and numbers: `prepareTask({task: 'regression', …})`, `rdrop prepare --task regression`. */
export interface PrepareRegressionOptions extends LabeledOptions {
  /** The task. */
  task: 'regression';
}

/** By task. */
export type PrepareTaskOptions =
  | PrepareLanguageModelOptions
  | PrepareClassificationOptions
  | PrepareRegressionOptions;

const directoryShape = {
  ...taskPiecesSchema.shape,
  out: text,
  overwrite: z.boolean().default(false),
  unlock: lockSchema.shape.unlock,
  train: text,
  valid: text.optional(),
  test: text.optional(),
  validFraction: probability.optional(),
  seed: seed.default(1),
  codes: text.optional(),
  minFrequency: bpeSchema.shape.minFrequency,
  ...dictionarySchema.shape,
  dictionary: text.optional(),
  ...textLimitsSchema.shape,
};

const labeledShape = {
  ...directoryShape,
  format: z.enum(['tsv', 'jsonl', 'trec', 'trec-fine']).default('tsv'),
  labelFirst: z.boolean().default(false),
  header: z.boolean().default(false),
  pairs: z.boolean().default(false),
  tokenizer: text.optional(),
};

export const prepareLanguageModelSchema = documented<PrepareLanguageModelOptions>()(
  z.strictObject({
    task: z.literal('language-model'),
    ...directoryShape,
    mode: z.enum(['stream', 'lines']).default('stream'),
  }),
);
export type LanguageModelConfig = Resolved<
  PrepareLanguageModelOptions,
  z.output<typeof prepareLanguageModelSchema>
>;

export const prepareClassificationSchema = documented<PrepareClassificationOptions>()(
  z.strictObject({
    task: z.literal('classification'),
    ...labeledShape,
    unknownLabels: z.enum(['refuse', 'skip']).default('refuse'),
  }),
);
export const prepareRegressionSchema = documented<PrepareRegressionOptions>()(
  z.strictObject({ task: z.literal('regression'), ...labeledShape }),
);
export type LabeledConfig =
  | Resolved<PrepareClassificationOptions, z.output<typeof prepareClassificationSchema>>
  | Resolved<PrepareRegressionOptions, z.output<typeof prepareRegressionSchema>>;

export type PrepareTaskConfig = LanguageModelConfig | LabeledConfig;

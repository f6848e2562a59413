/** How the text of a task other than translation becomes token ids: its text.json. */
import * as z from 'zod';
import { documented, type Resolved } from '../schema/documented.js';

/** The tasks whose directory `prepareTask` makes. */
export const preparedTasks = ['language-model', 'classification', 'regression'] as const;
/** A task other than translation. */
export type PreparedTask = (typeof preparedTasks)[number];

/** What text is cut into: `bpe:8000` is a byte pair encoding of 8,000 merges. */
export type TextPieces = 'characters' | 'words' | 'huggingface' | `bpe:${number}`;

/** How text becomes pieces. */
export interface TaskPieceOptions {
  /**
   * `words`, `characters`, `bpe:N` (byte pair encoding with N merges, learned on the training text) or `huggingface` (the
   * tokenizer.json that `tokenizer` names).
   * @default "words"
   */
  pieces?: TextPieces | undefined;
  /** Language whose rules of Moses cut the text into tokens first. Left out: words are what stands between spaces. */
  lang?: 'de' | 'en' | undefined;
  /**
   * Lower-cases the text before everything else.
   * @default false
   */
  lowercase?: boolean | undefined;
}

/** text.json of a prepared directory of a task, besides its version. */
export interface TaskTextOptions extends TaskPieceOptions {
  /** What the directory is for. */
  task: PreparedTask;
  /** Of a language model: one `stream` of tokens, or `lines` that stand for themselves. Left out: another task. */
  mode?: 'stream' | 'lines' | undefined;
  /** Of classification and regression: each example has two texts. Left out: one. */
  pairs?: boolean | undefined;
}

const piecesForm = /^(?:characters|words|huggingface|bpe:[1-9][0-9]{0,6})$/;

export const taskPiecesSchema = documented<TaskPieceOptions>()(
  z.strictObject({
    pieces: z
      .custom<TextPieces>((value) => typeof value === 'string' && piecesForm.test(value), {
        error:
          'expected "words", "characters", "huggingface", or "bpe:N" with a number of merges up to 9,999,999',
      })
      .default('words'),
    lang: z.enum(['de', 'en']).optional(),
    lowercase: z.boolean().default(false),
  }),
);

export const taskTextSchema = documented<TaskTextOptions>()(
  z.strictObject({
    task: z.enum(preparedTasks),
    ...taskPiecesSchema.shape,
    mode: z.enum(['stream', 'lines']).optional(),
    pairs: z.boolean().optional(),
  }),
);
export type TaskTextConfig = Resolved<TaskTextOptions, z.output<typeof taskTextSchema>>;

/** Merges of the byte pair encoding; 0 where there is none. */
export const mergesOf = (pieces: TextPieces): number =>
  pieces.startsWith('bpe:') ? Number(pieces.slice('bpe:'.length)) : 0;

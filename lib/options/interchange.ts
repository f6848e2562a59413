/** Models from and for other programs. */
import * as z from 'zod';
import { type VerifyOptions, verifyOption } from './opening.js';
import { documented, type Resolved } from './schema/documented.js';
import { languageCode, text } from './schema/ranges.js';
import { type TokenOptions, textSchema } from './text.js';

/** How a checkpoint of fairseq's becomes a run directory. */
export interface FairseqImportOptions extends TokenOptions {
  /** A file of fairseq's, such as checkpoint_best.pt. */
  checkpoint: string;
  /** The dict.txt of the source language, and of the target where the model shares all embeddings. */
  dict: string;
  /**
   * The dict.txt of the target language, needed unless the model shares all embeddings. Left out: dict.<target>.txt beside
   * dict.<source>.txt, as fairseq lays them out.
   */
  targetDict?: string | undefined;
  /** A file of subword-nmt's codes. Left out: words stay whole. */
  codes?: string | undefined;
  /** Language code of the source. Left out: the one that the checkpoint names. */
  source?: string | undefined;
  /** Language code of the target. Left out: the one that the checkpoint names. */
  target?: string | undefined;
  /** The run directory to make. */
  out: string;
}

export const fairseqImportSchema = documented<FairseqImportOptions>()(
  z.strictObject({
    checkpoint: text,
    dict: text,
    targetDict: text.optional(),
    codes: text.optional(),
    source: languageCode.optional(),
    target: languageCode.optional(),
    tokenizer: textSchema.shape.tokenizer,
    normalize: textSchema.shape.normalize,
    lowercase: textSchema.shape.lowercase,
    pieces: textSchema.shape.pieces,
    pieceMark: textSchema.shape.pieceMark,
    out: text,
  }),
);
export type FairseqImportConfig = Resolved<FairseqImportOptions, z.output<typeof fairseqImportSchema>>;

/** How a directory of transformers becomes a run directory. */
export interface HuggingFaceImportOptions {
  /** The directory: config.json, model.safetensors (or its parts and their index) and tokenizer.json. */
  directory: string;
  /**
   * Whether the model reads two texts at a time.
   * @default false
   */
  pairs?: boolean | undefined;
  /**
   * Options of config.json that rdrop does not know and that change nothing in what the network computes.
   * @default []
   */
  ignore?: readonly string[] | undefined;
  /** The run directory to make. */
  out: string;
}

export const huggingFaceImportSchema = documented<HuggingFaceImportOptions>()(
  z.strictObject({
    directory: text,
    pairs: z.boolean().default(false),
    ignore: z.array(text).readonly().default([]),
    out: text,
  }),
);

export const exportFormats = ['huggingface', 'fairseq', 'both'] as const;
/** `huggingface`: transformers (FSMT, BERT, RoBERTa, DistilBERT). `fairseq`: its checkpoint, which CTranslate2 converts too. `both`: in one directory. */
export type ExportFormat = (typeof exportFormats)[number];

/** How a run becomes a directory for other programs. */
export interface ExportOptions extends VerifyOptions {
  /** The run directory. */
  run: string;
  /**
   * Which checkpoint of the run.
   * @default "best"
   */
  checkpoint?: 'best' | 'last' | undefined;
  /** `huggingface`: transformers (FSMT, BERT, RoBERTa, DistilBERT). `fairseq`: its checkpoint, which CTranslate2 converts too. `both`: in one directory. */
  format: ExportFormat;
  /** The directory to make. */
  out: string;
}

export const exportSchema = documented<ExportOptions>()(
  z.strictObject({
    run: text,
    checkpoint: z.enum(['best', 'last']).default('best'),
    format: z.enum(exportFormats),
    out: text,
    verify: verifyOption,
  }),
);

/** Models from and for other programs. */
import { languageCode } from './ranges.js';
import { textSchema } from './text.js';
import { verifyOption } from './training.js';
import { lazily, z } from './zod.js';

/** How a checkpoint of fairseq's becomes a run directory (lib/interchange/fairseq/import_fairseq.ts). */
export const fairseqImportSchema = lazily(() =>
  z.strictObject({
    /** A file of fairseq's, such as checkpoint_best.pt. */
    checkpoint: z.string().min(1),
    /** The dict.txt of the source language, and of the target where the model shares all embeddings. */
    dict: z.string().min(1),
    /**
     * The dict.txt of the target language, needed unless the model shares all embeddings. Left out, dict.<target>.txt beside
     * dict.<source>.txt, as fairseq lays them out.
     */
    targetDict: z.string().min(1).optional(),
    /** subword-nmt's codes; without them words stay whole. */
    codes: z.string().min(1).optional(),
    /** Instead of the languages that the checkpoint names. */
    source: languageCode.optional(),
    target: languageCode.optional(),
    tokenizer: textSchema.shape.tokenizer,
    normalize: textSchema.shape.normalize,
    lowercase: textSchema.shape.lowercase,
    /** Whose pieces the model's text is cut into; left out, the codes say it, or the dictionary. */
    pieces: textSchema.shape.pieces,
    pieceMark: textSchema.shape.pieceMark,
    /** The run directory to make. */
    out: z.string().min(1),
  }),
);
export type FairseqImportConfig = z.infer<typeof fairseqImportSchema>;
export type FairseqImportOptions = z.input<typeof fairseqImportSchema>;

export const exportFormats = ['huggingface', 'fairseq', 'both'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** How a run becomes a directory for other programs (lib/interchange/export_model.ts). */
export const exportSchema = lazily(() =>
  z.strictObject({
    /** The run directory. */
    run: z.string().min(1),
    checkpoint: z.enum(['best', 'last']).default('best'),
    /** huggingface: transformers' FSMT. fairseq: its checkpoint, which CTranslate2 converts too. both: in one directory. */
    format: z.enum(exportFormats),
    /** The directory to make. */
    out: z.string().min(1),
    verify: verifyOption,
  }),
);
export type ExportOptions = z.input<typeof exportSchema>;

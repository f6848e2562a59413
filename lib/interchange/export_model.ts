import { join, resolve } from 'node:path';
import { checkPlace, makeDirectoryAtomically } from '../data/preparation/prepared_directory.js';
import { type ExportOptions, exportSchema } from '../options/interchange.js';
import { laterModelOptions } from '../options/model.js';
import { checkCall } from '../options/schema/call_options.js';
import { parseConfig } from '../options/schema/parse.js';
import { type BeamSearchOptions, beamSearchSchema } from '../options/translation.js';
import { readRunConfig } from '../training/run/run_directory.js';
import { abortable } from '../util/async/abortable.js';
import { RdropError } from '../util/errors.js';
import { writeFileAtomically } from '../util/files/files.js';
import { type ExportedRun, type FileContent, readExportedRun } from './exported_run.js';
import type { InterchangeRun } from './fairseq/checkpoint.js';
import { fairseqFiles, pieceDifferences } from './fairseq/files.js';
import { encoderFiles } from './huggingface/encoder_files.js';
import { readExportedEncoder } from './huggingface/exported_encoder.js';
import { huggingFaceFiles, textDifferences } from './huggingface/files.js';

export interface ModelExport {
  directory: string;
  files: string[];
  /** What the other program does to raw text otherwise; token ids and everything behind them are the same. */
  differences: string[];
}

/** Options of a network that must be as they are in fairseq's transformer_iwslt_de_en. */
const fixedOptions = ['architecture', 'positions', 'scaleEmbeddings', 'embeddingNorm', 'normEpsilon', 'bias'];

/** Of a translation run. @throws RdropError NOT_EXPRESSIBLE */
export function checkNetwork({ path, model }: Pick<ExportedRun, 'path' | 'model'>): void {
  for (const [name, expected] of laterModelOptions) {
    const got = model[name as keyof typeof model];
    if (!fixedOptions.includes(name) || got === expected) continue;
    throw new RdropError(
      'NOT_EXPRESSIBLE',
      `${path}: model.${name}: expected ${JSON.stringify(expected)}, the only one that an export has, got ${JSON.stringify(got)}`,
    );
  }
}

/**
 * Writes a run as other programs load it: `huggingface` for transformers (of translation FSMT; of classification and regression
 * BERT, RoBERTa or DistilBERT, whichever the network is), `fairseq` for fairseq itself and for
 * CTranslate2's fairseq converter, `both` in one directory. The directory appears whole or not at all.
 *
 * @param beamOptions over those of the run's `test.beam`; for `huggingface` and `both`
 * @throws RdropError NOT_EXPRESSIBLE (what the other program has no counterpart of, by its name), INVALID_ARGUMENT,
 *   FILE_NOT_FOUND, CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH, MANIFEST_MISMATCH, FILE_UNWRITABLE, DISK_FULL, ABORTED
 */
export async function exportModel(
  options: ExportOptions,
  beamOptions: BeamSearchOptions = {},
  work: InterchangeRun = {},
): Promise<ModelExport> {
  checkCall(work, ['signal'], 'exportModel');
  const { signal } = work;
  const {
    run: from,
    checkpoint,
    format,
    out,
    verify,
  } = parseConfig(exportSchema, options, 'export', 'INVALID_ARGUMENT');
  const [given] = Object.keys(beamOptions);
  if (format === 'fairseq' && given !== undefined) {
    throw new RdropError(
      'INVALID_ARGUMENT',
      `beam.${given}: a checkpoint of fairseq's holds no options of a search; give it to fairseq-generate`,
    );
  }
  const directory = resolve(out);
  await checkPlace(directory);
  const config = await readRunConfig(resolve(from));
  if (config.task !== 'translation') {
    if (format !== 'huggingface') {
      throw new RdropError(
        'NOT_EXPRESSIBLE',
        `${from}: task: expected "translation" for the format ${format}, got "${config.task}"`,
      );
    }
    if (given !== undefined) {
      throw new RdropError('INVALID_ARGUMENT', `beam.${given}: has an effect only on translation`);
    }
    await using run = await readExportedEncoder(from, checkpoint, verify);
    return await write(directory, encoderFiles(run), [], signal);
  }
  await using run = await readExportedRun(from, checkpoint, verify);
  checkNetwork(run);
  const files = new Map<string, FileContent>();
  let differences: string[] = [];
  if (format !== 'fairseq') {
    const search = { ...run.config.test.beam, ...beamOptions };
    const beam = parseConfig(beamSearchSchema, search, 'beam', 'INVALID_ARGUMENT');
    for (const [name, content] of huggingFaceFiles(run, beam)) files.set(name, content);
    differences = textDifferences(run);
  }
  if (format !== 'huggingface') {
    for (const [name, content] of fairseqFiles(run)) files.set(name, content);
    differences.push(...pieceDifferences(run));
  }
  return await write(directory, files, differences, signal);
}

async function write(
  directory: string,
  files: ReadonlyMap<string, FileContent>,
  differences: string[],
  signal: AbortSignal | undefined,
): Promise<ModelExport> {
  await makeDirectoryAtomically(directory, async (beside) => {
    for (const [name, content] of files) {
      const pieces = typeof content === 'string' ? [Buffer.from(content)] : content;
      await writeFileAtomically(join(beside, name), abortable(pieces, signal, 'the export'));
    }
  });
  return { directory, files: [...files.keys()].sort(), differences };
}

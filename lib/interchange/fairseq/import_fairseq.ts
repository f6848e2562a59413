import { access } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkPlace, makeDirectoryAtomically } from '../../data/preparation/prepared_directory.js';
import { sizeOf } from '../../data/safetensors/stored_tensor.js';
import {
  type FairseqImportConfig,
  type FairseqImportOptions,
  fairseqImportSchema,
} from '../../options/interchange.js';
import type { ModelConfig } from '../../options/model.js';
import { checkCall } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import type { PieceFormat, TextConfig } from '../../options/text.js';
import { trainSchema } from '../../options/training.js';
import { type Dictionaries, dictionariesOf, differingLine } from '../../text/dictionaries.js';
import { Dictionary } from '../../text/dictionary.js';
import { Bpe } from '../../text/pieces/bpe.js';
import { describePieces, findPiecesOfTypes } from '../../text/pieces/find_pieces.js';
import type { PieceConvention } from '../../text/pieces/pieces.js';
import { TextPipeline } from '../../text/pipeline.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { warn } from '../../util/warnings.js';
import { runModelOf, writeImportedRun } from '../imported_run.js';
import { type InterchangeRun, type OpenFairseqCheckpoint, openFairseqCheckpoint } from './checkpoint.js';

export interface FairseqImport {
  /** A run directory: `Translator.load` and `rdrop translate` take it. */
  directory: string;
  /** Types of the dictionary of both languages, or of the target's. */
  vocabSize: number;
  /** Those of the source's, where it is another. */
  sourceVocabSize?: number;
  /** The dictionary of the target, where none was given and the one beside the source's was taken. */
  targetDict?: string;
  parameters: number;
  updates: number | null;
  /** Whose pieces its translations are in before they are joined, other than those of the codes. */
  pieces?: PieceFormat;
}

/**
 * Makes a run directory of a checkpoint of fairseq's, its dictionaries and its codes, with which rdrop translates as
 * fairseq does. It has the one checkpoint `best`, without an optimizer's state: such a run cannot be resumed. The directory
 * appears whole or not at all.
 *
 * @throws RdropError INVALID_CONFIG (also a target dictionary that is needed), FILE_UNWRITABLE, DISK_FULL,
 *   CHECKPOINT_MISMATCH (a dictionary of another size, two where the model shares one), ABORTED, those of readFairseqCheckpoint, Dictionary.read and Bpe.read
 */
export async function importFairseq(
  options: FairseqImportOptions,
  run: InterchangeRun = {},
): Promise<FairseqImport> {
  const config = parseConfig(fairseqImportSchema, options, 'import');
  checkCall(run, ['signal'], 'importFairseq');
  throwIfAborted(run.signal, 'the import');
  const out = resolve(config.out);
  await checkPlace(out);
  const source = await Dictionary.read(config.dict);
  const given = config.targetDict === undefined ? null : await Dictionary.read(config.targetDict);
  const bpe = config.codes === undefined ? null : await Bpe.read(config.codes);
  if (bpe?.merges.length === 0) {
    throw new RdropError('MALFORMED_FILE', `${config.codes}: expected at least one merge, got none`);
  }
  await using checkpoint = await openFairseqCheckpoint(config.checkpoint, run);
  const languages = {
    source: language(config.source ?? checkpoint.source, 'source', config.checkpoint),
    target: language(config.target ?? checkpoint.target, 'target', config.checkpoint),
  };
  const shared = checkpoint.model.shareEmbeddings === 'all';
  const beside = given === null && !shared ? await dictionaryBeside(config.dict, languages) : null;
  const targetDict = config.targetDict ?? beside ?? undefined;
  const target = beside === null ? given : await Dictionary.read(beside);
  const dictionaries = checkedDictionaries(
    source,
    target,
    checkpoint.model,
    { ...config, targetDict },
    languages,
  );
  const separate = dictionaries.source !== dictionaries.target;
  const { tokenizer, normalize, lowercase } = config;
  const text: TextConfig = {
    ...languages,
    tokenizer,
    normalize,
    lowercase,
    bpe: bpe?.merges.length ?? 0,
    ...(separate && { separateDictionaries: true }),
    ...piecesOf(dictionaries.target, config, targetDict),
  };
  const pipeline = new TextPipeline(text, dictionaries, bpe);
  await makeDirectoryAtomically(out, (directory) =>
    fill(directory, out, pipeline, checkpoint, config.checkpoint, run),
  );
  let parameters = 0;
  for (const { shape } of checkpoint.parameters.values()) parameters += sizeOf(shape);
  return {
    directory: out,
    vocabSize: dictionaries.target.size,
    ...(separate && { sourceVocabSize: dictionaries.source.size }),
    ...(beside !== null && { targetDict: beside }),
    parameters,
    updates: checkpoint.updates,
    ...(text.pieces !== undefined && text.pieces !== 'none' && { pieces: text.pieces }),
  };
}

async function fill(
  directory: string,
  out: string,
  pipeline: TextPipeline,
  { model, parameters, updates }: OpenFairseqCheckpoint,
  origin: string,
  { signal }: InterchangeRun,
): Promise<void> {
  const double = [...parameters.values()].every(({ dtype }) => dtype === 'F64');
  const config = parseConfig(
    trainSchema,
    // The run's own directory holds all that is known of its data: the dictionary, the codes and how text is prepared.
    { data: out, runDirectory: out, precision: double ? 'float64' : 'auto', model: runModelOf(model) },
    'import',
  );
  await pipeline.write(directory);
  await writeImportedRun(directory, {
    config,
    model,
    parameters,
    updates: updates ?? 0,
    textFiles: TextPipeline.fileNames(pipeline.config),
    imported: { from: 'fairseq', checkpoint: resolve(origin) },
    signal,
  });
}

function language(code: string | null, option: 'source' | 'target', checkpoint: string): string {
  if (code !== null) return code;
  throw new RdropError(
    'INVALID_CONFIG',
    `import.${option}: expected a language code, since ${checkpoint} names none, got nothing`,
  );
}

/** Whose pieces the target's dictionary holds: as the codes or the options say, or else as its types show. */
function piecesOf(
  { symbols, counts }: Dictionary,
  { codes, dict, pieces: said, pieceMark }: FairseqImportConfig,
  targetDict: string = dict,
): PieceConvention {
  if (codes !== undefined) {
    if ((said === undefined || said === 'subword-nmt') && pieceMark === undefined) return {};
    throw new RdropError(
      'INVALID_CONFIG',
      `import.pieces: expected "subword-nmt" or nothing, and no mark, with import.codes, got ${JSON.stringify(said)} and ` +
        `${JSON.stringify(pieceMark)}`,
    );
  }
  if (said !== undefined || pieceMark !== undefined) {
    return { pieces: said, ...(pieceMark !== undefined && { pieceMark }) };
  }
  const found = findPiecesOfTypes(symbols.slice(4), counts.slice(4));
  if (found === null) return { pieces: 'none' };
  const description = describePieces(targetDict, found);
  warn({
    code: 'PIECES',
    message: found.clear
      ? `${description}; the run joins them in what it translates, and takes text that is cut in the same way (with --codes it cuts ` +
        'text itself); --pieces (import.pieces) says otherwise'
      : `${description}; they are taken for words, unless --pieces (import.pieces) says otherwise`,
  });
  if (!found.clear) return { pieces: 'none' };
  return { pieces: found.pieces, ...(found.pieceMark !== undefined && { pieceMark: found.pieceMark }) };
}

/** fairseq's own layout: dict.<target>.txt in the directory of dict.<source>.txt; null where it is not that. */
async function dictionaryBeside(
  dict: string,
  { source, target }: { source: string; target: string },
): Promise<string | null> {
  if (basename(dict) !== `dict.${source}.txt`) return null;
  const path = join(dirname(dict), `dict.${target}.txt`);
  return access(path).then(
    () => path,
    () => null,
  );
}

/** Two dictionaries of one size could be given the wrong way round, and nothing but their names would say so. */
function checkOrder(
  dict: string,
  targetDict: string,
  { source, target }: { source: string; target: string },
): void {
  for (const [option, path, other] of [
    ['dict', dict, target],
    ['targetDict', targetDict, source],
  ] as const) {
    if (basename(path) !== `dict.${other}.txt`) continue;
    throw new RdropError(
      'INVALID_CONFIG',
      `import.${option}: expected the dictionary of the other language (the model translates from ${source} to ${target}), got ${path}`,
    );
  }
}

/**
 * The dictionaries of the model: one for both languages where they are the same, and nothing is guessed where the options
 * do not share the embeddings of the two, since fairseq makes two dictionaries unless it is told otherwise.
 */
function checkedDictionaries(
  source: Dictionary,
  target: Dictionary | null,
  model: ModelConfig,
  { dict, targetDict, checkpoint }: { dict: string; targetDict?: string | undefined; checkpoint: string },
  languages: { source: string; target: string },
): Dictionaries {
  const shared = model.shareEmbeddings === 'all';
  if (target === null && !shared) {
    throw new RdropError(
      'INVALID_CONFIG',
      `import.targetDict: expected the dictionary of the target language (--target-dict dict.<target>.txt), since the ` +
        `options of ${checkpoint} do not share the embeddings of both languages; where they have one dictionary ` +
        `(--joined-dictionary), give ${dict} again; got nothing`,
    );
  }
  const sizes = [
    [dict, source, model.sourceVocabSize ?? model.vocabSize],
    [targetDict ?? dict, target ?? source, model.vocabSize],
  ] as const;
  for (const [path, { size }, expected] of sizes) {
    if (size === expected) continue;
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${path}: expected ${expected} types with the four specials, as many as the embedding in ${checkpoint} has rows, ` +
        `got ${size}`,
    );
  }
  const line = target === null ? null : differingLine(source, target);
  if (target === null || line === null) return dictionariesOf(source);
  if (!shared) {
    checkOrder(dict, targetDict!, languages);
    return { source, target };
  }
  throw new RdropError(
    'CHECKPOINT_MISMATCH',
    `${targetDict}:${line}: expected the dictionary of ${dict}, since the model shares all embeddings, got ` +
      `${JSON.stringify(target.symbols[line + 3])} where it has ${JSON.stringify(source.symbols[line + 3])}`,
  );
}

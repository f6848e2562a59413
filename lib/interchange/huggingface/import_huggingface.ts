import { join, resolve } from 'node:path';
import { checkPlace, makeDirectoryAtomically } from '../../data/preparation/prepared_directory.js';
import { sizeOf } from '../../data/safetensors/stored_tensor.js';
import { type HuggingFaceImportOptions, huggingFaceImportSchema } from '../../options/interchange.js';
import { checkCall } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import { trainSchema } from '../../options/training.js';
import type { HuggingFaceTokenizer } from '../../text/huggingface/tokenizer.js';
import { TaskText } from '../../text/tasks/task_text.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { readJsonFile, writeFileAtomically } from '../../util/files/files.js';
import { loadPart } from '../../util/load_part.js';
import type { InterchangeRun } from '../fairseq/checkpoint.js';
import { runModelOf, writeImportedRun } from '../imported_run.js';
import { type EncoderConfig, type EncoderKind, readEncoderConfig } from './encoder_config.js';
import { type EncoderParameters, encoderParameters } from './encoder_parameters.js';
import { openWeights } from './weights.js';

export interface HuggingFaceImport {
  /**
   * A run directory: `init` and `rdrop prepare --tokenizer` take it; with a head it predicts as well. Its model.json has the options of
   * the network (`rdrop train --config`).
   */
  directory: string;
  kind: EncoderKind;
  vocabSize: number;
  /** Numbers in all parameters that were read. */
  parameters: number;
  /** What the head gives; null: the checkpoint has no head, a task that starts from the run brings its own. */
  head: 'classification' | 'regression' | null;
  /** Names of the classes in their order; of a regression and without a head none. */
  labels: string[];
  /** Parameters of the head that are not there and begin anew, by rdrop's names. */
  missing: string[];
  /** Tensors of the checkpoint that are no part of an encoder with a head for sequences, such as the one that predicts masked words. */
  leftOut: string[];
  /** What training does otherwise than transformers, in sentences; what the network computes is the same. */
  differences: string[];
}

/**
 * Makes a run directory of a directory of transformers': BERT, RoBERTa or DistilBERT, bare, with a head that classifies sequences
 * or gives a value for them, or with another head, which is left out. The ids of the tokenizer stay, but for padding, which
 * is 1 in rdrop: it and what was 1 are exchanged. The run has the one checkpoint `best`, without an optimizer's state.
 *
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_UNREADABLE, NOT_EXPRESSIBLE (an option of config.json or a part of
 *   tokenizer.json that rdrop does not have, by its name), MALFORMED_FILE, CHECKPOINT_MISMATCH (a parameter that is missing, unknown
 *   or of another shape), CHECKPOINT_CORRUPT, FILE_UNWRITABLE, DISK_FULL, ABORTED
 */
export async function importHuggingFace(
  options: HuggingFaceImportOptions,
  run: InterchangeRun = {},
): Promise<HuggingFaceImport> {
  const { directory: from, pairs, ignore, out } = parseConfig(huggingFaceImportSchema, options, 'import');
  checkCall(run, ['signal'], 'importHuggingFace');
  throwIfAborted(run.signal, 'the import');
  const directory = resolve(out);
  await checkPlace(directory);
  const configPath = join(from, 'config.json');
  const encoder = readEncoderConfig(await readJsonFile(configPath), configPath, ignore);
  const tokenizer = await readTokenizer(from, encoder);
  await using weights = await openWeights(from);
  const { kind, model, padId } = encoder;
  const parameters = encoderParameters(weights.tensors, kind, model, padId, encoder.head, weights.path);
  const text = TaskText.ofTokenizer(
    { task: encoder.task, pieces: 'huggingface', lowercase: false, ...(pairs && { pairs }) },
    tokenizer,
  );
  const labels = parameters.head && encoder.task === 'classification' ? encoder.labels : [];
  await makeDirectoryAtomically(directory, (beside) =>
    fill(beside, directory, encoder, parameters, text, labels, from, weights.path, run.signal),
  );
  let count = 0;
  for (const { shape } of parameters.tensors.values()) count += sizeOf(shape);
  return {
    directory,
    kind,
    vocabSize: model.vocabSize,
    parameters: count,
    head: parameters.head ? encoder.task : null,
    labels,
    missing: parameters.missing,
    leftOut: parameters.leftOut,
    differences: encoder.differences,
  };
}

async function readTokenizer(
  directory: string,
  { model, padId }: EncoderConfig,
): Promise<HuggingFaceTokenizer> {
  if (!(await pathExists(join(directory, 'tokenizer.json')))) {
    throw new RdropError(
      'FILE_NOT_FOUND',
      `${directory}: expected a tokenizer.json; AutoTokenizer.from_pretrained(…).save_pretrained(…) of transformers writes one`,
    );
  }
  const { HuggingFaceTokenizer } = await loadPart(() => import('../../text/huggingface/tokenizer.js'));
  return (await HuggingFaceTokenizer.read(directory)).sized(model.vocabSize, padId);
}

async function fill(
  directory: string,
  out: string,
  { model, task }: EncoderConfig,
  { tensors }: EncoderParameters,
  text: TaskText,
  labels: readonly string[],
  origin: string,
  weights: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const types = new Set([...tensors.values()].map(({ dtype }) => dtype));
  if (types.size > 1) {
    throw new RdropError(
      'NOT_EXPRESSIBLE',
      `${weights}: expected parameters of one type, got ${[...types].sort().join(' and ')}`,
    );
  }
  const config = parseConfig(
    trainSchema,
    {
      task,
      data: out,
      runDirectory: out,
      precision: types.has('F64') ? 'float64' : 'auto',
      model: runModelOf(model),
      validation: { metric: task === 'regression' ? 'pearson' : 'accuracy' },
    },
    'import',
  );
  await text.write(directory);
  const textFiles = TaskText.fileNames(text.config);
  if (labels.length > 0) {
    textFiles.push('labels.txt');
    await writeFileAtomically(join(directory, 'labels.txt'), labels.map((label) => `${label}\n`).join(''));
  }
  const { decoderLayers: _d, shareEmbeddings: _e, ...network } = runModelOf(model);
  const options = { ...(config.precision === 'float64' && { precision: config.precision }), model: network };
  await writeFileAtomically(join(directory, 'model.json'), `${JSON.stringify(options, null, 2)}\n`);
  await writeImportedRun(directory, {
    config,
    model,
    parameters: tensors,
    updates: 0,
    textFiles,
    imported: { from: 'huggingface', directory: resolve(origin) },
    signal,
  });
}

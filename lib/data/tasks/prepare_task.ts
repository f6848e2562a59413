import { checkCall, workOptions } from '../../options/schema/call_options.js';
import { parseConfig } from '../../options/schema/parse.js';
import {
  type PrepareTaskConfig,
  type PrepareTaskOptions,
  prepareClassificationSchema,
  prepareLanguageModelSchema,
  prepareRegressionSchema,
} from '../../options/tasks/preparation.js';
import { preparedTasks, type TaskTextConfig } from '../../options/tasks/text.js';
import { checkTaskText } from '../../text/tasks/task_text.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import { writeManifest } from '../manifest.js';
import { checkPlace, makeDirectoryAtomically } from '../preparation/prepared_directory.js';
import type { PrepareRun } from '../preparation/stages.js';
import { readLabeled } from './prepare_labeled.js';
import { readLanguageModel } from './prepare_language_model.js';
import { type PrepareTaskResult, readGivenTaskPieces, work } from './task_pieces.js';

/**
 * Makes the directory that a language model, a classification or a regression is trained on: text in pieces, their dictionary,
 * labels, and the raw text of validation and test. Text goes from file to file in blocks: memory grows with the different words,
 * and by a few bytes with each example. The directory appears whole or not at all.
 *
 * @throws RdropError INVALID_CONFIG, FILE_NOT_FOUND, FILE_EMPTY, FILE_UNREADABLE, INVALID_UTF8, MALFORMED_FILE and NON_FINITE (name the line),
 *   UNKNOWN_LABEL (likewise), ONE_CLASS, TOO_LARGE (the message names the option), NOT_EXPRESSIBLE (a tokenizer that is not
 *   supported), FILE_UNWRITABLE, DISK_FULL, ABORTED
 */
export async function prepareTask(
  options: PrepareTaskOptions,
  run: PrepareRun = {},
): Promise<PrepareTaskResult> {
  const config = parseTask(options);
  checkCall(run, workOptions, 'prepareTask');
  throwIfAborted(run.signal, work);
  refuseIdle(options, config);
  const text = textConfigOf(config);
  checkTaskText(text);
  await checkPlace(config.out, config.overwrite);
  const given = await readGivenTaskPieces(config, text);
  const { maxLineBytes, maxUnpackedBytes } = config;
  const reading = { limits: { maxLineBytes, maxUnpackedBytes }, signal: run.signal };
  const write =
    config.task === 'language-model'
      ? await readLanguageModel(config, text, given, reading, run)
      : await readLabeled(config, text, given, reading, run);
  const result: PrepareTaskResult = {
    ...{ directory: config.out, task: config.task, vocabSize: 0, merges: 0, splits: {} },
  };
  const fill = async (directory: string) => {
    await write(directory, result);
    await writeManifest(directory);
    throwIfAborted(run.signal, work);
  };
  await makeDirectoryAtomically(config.out, fill, config);
  return result;
}

function parseTask(options: PrepareTaskOptions): PrepareTaskConfig {
  switch ((options as Partial<PrepareTaskOptions> | null)?.task) {
    case 'language-model':
      // Said of the pieces, rather than that the option which names the tokenizer is unknown.
      if (options.pieces === 'huggingface')
        checkTaskText({ task: options.task, pieces: options.pieces, lowercase: false, mode: 'stream' });
      return parseConfig(prepareLanguageModelSchema, options, 'prepare');
    case 'classification':
      return parseConfig(prepareClassificationSchema, options, 'prepare');
    case 'regression':
      return parseConfig(prepareRegressionSchema, options, 'prepare');
    default:
      throw new RdropError(
        'INVALID_CONFIG',
        `prepare.task: expected one of ${preparedTasks.join(', ')}, got ${JSON.stringify(options?.task) ?? 'nothing'}; for translation there is ` +
          'prepareCorpus()',
      );
  }
}

/** Of text.json, what is not as where it is left out. */
function textConfigOf(config: PrepareTaskConfig): TaskTextConfig {
  const { task, pieces, lang, lowercase } = config;
  return {
    ...{ task, pieces, lowercase },
    ...(lang !== undefined && { lang }),
    ...(config.task === 'language-model' && { mode: config.mode }),
    ...(config.task !== 'language-model' && config.pairs && { pairs: true }),
  };
}

/**
 * Refuses options that others leave without effect, and a validation split that is given twice or not at all.
 *
 * @throws RdropError INVALID_CONFIG, naming both
 */
function refuseIdle(options: object, config: PrepareTaskConfig): void {
  const given = options as Record<string, unknown>;
  const { valid, validFraction, pieces, codes, dictionary } = config;
  const labeled = config.task === 'language-model' ? null : config;
  if ((valid === undefined) === (validFraction === undefined))
    throw new RdropError(
      'INVALID_CONFIG',
      `prepare.valid: expected a file or, instead of it, validFraction (--valid-fraction), got ${valid === undefined ? 'neither' : 'both'}`,
    );
  const hasTokenizer = labeled?.tokenizer !== undefined;
  if (pieces === 'huggingface' && !hasTokenizer)
    throw new RdropError(
      'INVALID_CONFIG',
      'prepare.tokenizer: expected a directory with a tokenizer.json for pieces "huggingface", got nothing',
    );
  const draws =
    validFraction !== undefined && !(config.task === 'language-model' && config.mode === 'stream');
  const bpe = pieces.startsWith('bpe:');
  const dictionaryNames = ['threshold', 'nwords', 'paddingFactor'];
  const idle: [boolean, names: string[], why: string][] = [
    [!draws, ['seed'], 'where nothing is drawn (validFraction; not of a stream)'],
    [!bpe, ['codes', 'minFrequency'], 'without pieces "bpe:N"'],
    [codes !== undefined, ['minFrequency'], 'where prepare.codes is given'],
    [dictionary !== undefined, dictionaryNames, 'where prepare.dictionary is given'],
    [pieces === 'huggingface', ['dictionary', ...dictionaryNames], 'on pieces "huggingface"'],
    [pieces !== 'huggingface', ['tokenizer'], 'without pieces "huggingface"'],
    [labeled !== null && labeled.format !== 'tsv', ['labelFirst', 'header'], 'on a format other than "tsv"'],
    [labeled?.format.startsWith('trec') === true, ['pairs'], 'on the formats of TREC'],
    [
      config.task === 'classification' && valid === undefined && config.test === undefined,
      ['unknownLabels'],
      'without a file of validation or test',
    ],
  ];
  for (const [applies, names, why] of idle) {
    const name = applies
      ? names.find((each) => given[each] !== undefined && given[each] !== false)
      : undefined;
    if (name !== undefined) throw new RdropError('INVALID_CONFIG', `prepare.${name}: has no effect ${why}`);
  }
}

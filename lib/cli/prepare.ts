import { Command } from 'commander';
import type { PrepareResult, PrepareRun, SideSummary } from '../data/preparation/stages.js';
import type { PrepareTaskResult } from '../data/tasks/task_pieces.js';
import { preparedTasks } from '../options/tasks/text.js';
import { pieceFormats } from '../options/text.js';
import { RdropError } from '../util/errors.js';
import { interruptible } from './shared/interrupt.js';
import { namedCommand } from './shared/named_command.js';
import { numberOr, toNumber } from './shared/number_flag.js';

/**
 * `rdrop prepare`: a prepared directory from parallel text, with `--task` from that of another task, or with `iwslt14` from an archive. The
 * options are those of prepareSchema, iwslt14Schema and the schemas of lib/options/tasks/preparation.ts.
 */
export function prepareCommand(): Command {
  const command = namedCommand('prepare')
    .enablePositionalOptions()
    .option('--task <name>', `translation, ${preparedTasks.join(', ')}`, 'translation')
    .option('--source <language>', 'source language, the ending of its files (before .gz)')
    .option('--target <language>', 'target language, likewise')
    .option(
      '--train <prefix>',
      'training text: <prefix>.<language> or <prefix>.<language>.gz; of other tasks than translation a file',
    )
    .option('--valid <prefix>', 'validation text, likewise')
    .option('--test <prefix>', 'test text, likewise')
    .option(
      '--tokenizer <name>',
      'moses, or none for text that is tokenized already; with --pieces huggingface a directory with tokenizer.json',
    )
    .option('--normalize', 'plain quotation marks and dashes')
    .option('--lowercase [after]', 'lower-case the text, or with "after" the tokens')
    .option(
      '--pieces <format>',
      `whose pieces the text is cut into: ${pieceFormats.join(', ')}; found out if left out. Of other tasks: characters, words, ` +
        'bpe:N or huggingface',
    )
    .option('--piece-mark <mark>', 'the mark of these pieces where it is not the usual one')
    .option('--min-length <tokens>', 'leave out training pairs with a shorter side', toNumber)
    .option('--max-length <tokens>', 'leave out training pairs with a longer side; 0 keeps all', toNumber)
    .option(
      '--ratio <r>',
      'leave out training pairs with a side longer than the other times this; 0 keeps all',
      toNumber,
    )
    .option('--max-line-bytes <n>', 'longest line of the text', toNumber)
    .option('--mode <mode>', 'of a language model: stream, or lines that stand for themselves')
    .option('--lang <language>', 'of other tasks than translation: tokens by the rules of Moses, de or en')
    .option(
      '--format <format>',
      'of classification and regression: tsv (text, tab, label), jsonl, trec, trec-fine',
    )
    .option('--label-first', 'of tsv: the label stands before the text')
    .option('--header', 'of tsv: the first line names the columns')
    .option('--pairs', 'of classification and regression: two texts an example')
    .option('--valid-fraction <f>', 'hold this part of the training file out, instead of --valid', toNumber)
    .option('--seed <n>', 'seed of what is held out', toNumber)
    .option(
      '--unknown-labels <what>',
      'of validation and test: refuse labels that training does not have, or skip',
    );
  addSharedOptions(command).action(async ({ json, task, ...options }: Flags) => {
    if (task !== 'translation') return prepareOther({ task, ...options }, json);
    const { prepareCorpus } = await import('../data/preparation/prepare.js');
    const prepare = (run: PrepareRun) =>
      prepareCorpus(options as unknown as Parameters<typeof prepareCorpus>[0], run);
    await printPrepared(prepare, json, options);
  });
  return command.addCommand(iwslt14Command());
}

/** Any task but translation. */
async function prepareOther(options: Flags, json: unknown): Promise<void> {
  const { prepareTask } = await import('../data/tasks/prepare_task.js');
  await printResult((run) => prepareTask(options as never, run), json, taskSummary);
}

function iwslt14Command(): Command {
  const command = new Command('iwslt14')
    .description("IWSLT'14 German-English as fairseq's prepare-iwslt14.sh and fairseq-preprocess make it")
    .argument('<archive>', 'de-en.tgz, or the directory de-en that was in it');
  return addSharedOptions(command).action(async (archive: string, { json, ...options }: Flags) => {
    const { parent } = command;
    const misplaced = Object.keys(parent?.opts() ?? {}).filter(
      (name) => parent?.getOptionValueSource(name) !== 'default',
    );
    if (misplaced.length > 0) {
      throw new RdropError(
        'INVALID_CONFIG',
        `iwslt14: expected its options behind it, got ${misplaced.join(', ')} before`,
      );
    }
    const { prepareIwslt14 } = await import('../data/iwslt14/iwslt14.js');
    const prepare = (run: PrepareRun) =>
      prepareIwslt14({ archive, ...options } as Parameters<typeof prepareIwslt14>[0], run);
    await printPrepared(prepare, json, { source: 'de', target: 'en' });
  });
}

type Flags = Record<string, unknown>;

const addSharedOptions = (command: Command): Command =>
  command
    .option('--out <directory>', 'the directory to make')
    .option('--overwrite', 'replace a prepared directory that is there already')
    .option('--unlock', 'take the directory over from a process that makes it now; that one leaves nothing')
    .option('--bpe <merges>', 'merges of the joint byte pair encoding, or none', merges)
    .option('--min-frequency <n>', 'least frequency of a pair of symbols that is merged', toNumber)
    .option('--codes <file>', 'BPE codes to use instead of learning some')
    .option('--threshold <n>', 'leave types that occur less often out of the dictionary', toNumber)
    .option(
      '--nwords <n>',
      'most types of the dictionary, the four specials included; 0 sets no limit',
      toNumber,
    )
    .option('--padding-factor <n>', 'fill the dictionary up to a multiple of this', toNumber)
    .option('--separate-dictionaries', 'a dictionary for each language instead of one for both')
    .option('--dictionary <file>', 'a dict.txt to use instead of building one')
    .option('--target-dictionary <file>', 'with separate dictionaries, that of the target')
    .option('--max-unpacked-bytes <n>', 'most that a packed file may hold once unpacked', toNumber)
    .option('--json', 'print the summary as JSON');

const merges = (value: string) => (value === 'none' ? 0 : numberOr('a number, or none', value));

const printPrepared = (
  prepare: (run: PrepareRun) => Promise<PrepareResult>,
  json: unknown,
  languages: Flags,
): Promise<void> => printResult(prepare, json, (result) => summary(result, languages));

async function printResult<T>(
  prepare: (run: PrepareRun) => Promise<T>,
  json: unknown,
  lines: (result: T) => string[],
): Promise<void> {
  const { stageProgress } = await import('./shared/stage_progress.js');
  const progress = stageProgress();
  const { onProgress } = progress;
  const result = await interruptible((signal) => prepare({ onProgress, signal }).finally(progress.stop));
  const text = json ? JSON.stringify(result) : lines(result).join('\n');
  process.stdout.write(`${text}\n`);
}

function taskSummary({ directory, vocabSize, merges, labels, splits }: PrepareTaskResult): string[] {
  const lines = Object.entries(splits).map(([split, { dropped, tokens, types, unknownRate, ...rest }]) => {
    const characters = rest.characters === undefined ? '' : `${rest.characters} characters, `;
    const counts = Object.entries(rest.labels ?? {}).map(([label, count]) => `${label} ${count}`);
    const shown = counts.length > 10 ? [...counts.slice(0, 10), '…'] : counts;
    return (
      `${split.padEnd(5)}  ${rest.lines} ${rest.characters === undefined ? 'examples' : 'lines'}` +
      `${dropped > 0 ? ` (${dropped} left out)` : ''}  ${characters}${tokens} tokens, ${types} types, ` +
      `${(100 * unknownRate).toFixed(3)} % unknown${shown.length > 0 ? `  ${shown.join(', ')}` : ''}`
    );
  });
  const classes = labels === undefined ? '' : `, ${labels.length} labels`;
  const cut = merges > 0 ? `, ${merges} merges` : '';
  return [...lines, `${directory}: ${vocabSize} types in the dictionary${classes}${cut}`];
}

function summary(result: PrepareResult, { source, target }: Flags): string[] {
  const side = (lang: unknown, { tokens, types, unknownRate }: SideSummary) =>
    `${lang}: ${tokens} tokens, ${types} types, ${(100 * unknownRate).toFixed(3)} % unknown`;
  const lines = Object.entries(result.splits).map(
    ([split, { pairs, dropped, ...sides }]) =>
      `${split.padEnd(5)}  ${pairs} pairs${dropped > 0 ? ` (${dropped} left out)` : ''}  ` +
      `${side(source, sides.source)}  ${side(target, sides.target)}`,
  );
  const { vocabSize, sourceVocabSize } = result;
  const cut = result.pieces === undefined ? `${result.merges} merges` : `pieces of ${result.pieces}`;
  const types =
    sourceVocabSize === undefined
      ? `${vocabSize} types in the dictionary`
      : `${sourceVocabSize} and ${vocabSize} types in the dictionaries`;
  return [...lines, `${result.directory}: ${types}, ${cut}`];
}

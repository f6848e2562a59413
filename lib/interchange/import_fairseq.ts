import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type FairseqImportOptions, fairseqImportSchema } from '../config/interchange.js';
import { parseConfig, type TextConfig, trainSchema } from '../config.js';
import { checkPlace, makeDirectoryAtomically } from '../data/prepared_directory.js';
import { encodeSafetensors } from '../data/safetensors.js';
import { RdropError } from '../errors.js';
import { writeFileAtomically } from '../files.js';
import { modelMetadata } from '../model/transformer.js';
import { Bpe } from '../text/bpe.js';
import { Dictionary } from '../text/dictionary.js';
import { TextPipeline } from '../text/pipeline.js';
import { freshCounters, writeCheckpoint } from '../training/checkpoint.js';
import { emptyWindow } from '../training/metrics.js';
import { fingerprint, hashData } from '../training/run_directory.js';
import { type FairseqCheckpoint, type InterchangeRun, readFairseqCheckpoint } from './fairseq_checkpoint.js';

export interface FairseqImport {
  /** A run directory: `Translator.load` and `rdrop translate` take it. */
  directory: string;
  vocabSize: number;
  parameters: number;
  updates: number | null;
}

/**
 * Makes a run directory of a checkpoint of fairseq's, its dictionary and its codes, with which rdrop translates as
 * fairseq does. It has the one checkpoint `best`, without an optimiser's state: such a run does not go on. The directory
 * appears whole or not at all.
 *
 * @throws RdropError INVALID_CONFIG, FILE_UNWRITABLE, DISK_FULL, CHECKPOINT_MISMATCH (a dictionary of another size),
 *   NOT_EXPRESSIBLE (two dictionaries that differ), ABORTED, those of readFairseqCheckpoint, Dictionary.read and Bpe.read
 */
export async function importFairseq(
  options: FairseqImportOptions,
  run: InterchangeRun = {},
): Promise<FairseqImport> {
  const config = parseConfig(fairseqImportSchema, options, 'import');
  const out = resolve(config.out);
  await checkPlace(out, false);
  const dictionary = await Dictionary.read(config.dict);
  if (config.targetDict !== undefined) {
    await checkSameDictionary(config.dict, config.targetDict, dictionary);
  }
  const bpe = config.codes === undefined ? null : await Bpe.read(config.codes);
  if (bpe?.merges.length === 0) {
    throw new RdropError('MALFORMED_FILE', `${config.codes}: expected at least one merge, got none`);
  }
  const checkpoint = await readFairseqCheckpoint(config.checkpoint, run);
  if (checkpoint.model.vocabSize !== dictionary.size) {
    throw new RdropError(
      'CHECKPOINT_MISMATCH',
      `${config.dict}: expected ${checkpoint.model.vocabSize} types with the four specials, as many as the embedding in ` +
        `${config.checkpoint} has rows, got ${dictionary.size}`,
    );
  }
  const { tokenizer, normalize, lowercase } = config;
  const text: TextConfig = {
    source: language(config.source ?? checkpoint.source, 'source', config.checkpoint),
    target: language(config.target ?? checkpoint.target, 'target', config.checkpoint),
    tokenizer,
    normalize,
    lowercase,
    bpe: bpe?.merges.length ?? 0,
  };
  const pipeline = new TextPipeline(text, dictionary, bpe);
  await makeDirectoryAtomically(out, (directory) =>
    fill(directory, out, pipeline, checkpoint, config.checkpoint),
  );
  let parameters = 0;
  for (const { data } of checkpoint.parameters.values()) parameters += data.length;
  return { directory: out, vocabSize: dictionary.size, parameters, updates: checkpoint.updates };
}

async function fill(
  directory: string,
  out: string,
  pipeline: TextPipeline,
  { model, parameters, updates }: FairseqCheckpoint,
  origin: string,
): Promise<void> {
  const { vocabSize: _, ...runModel } = model;
  const double = [...parameters.values()].every(({ data }) => data instanceof Float64Array);
  const config = parseConfig(
    trainSchema,
    // The run's own directory holds all that is known of its data: the dictionary, the codes and how text is prepared.
    { data: out, runDirectory: out, precision: double ? 'float64' : 'auto', model: runModel },
    'import',
  );
  await pipeline.write(directory);
  await mkdir(join(directory, 'checkpoints'));
  await writeCheckpoint(join(directory, 'checkpoints'), ['best'], {
    model: encodeSafetensors(parameters, modelMetadata(model)),
    optimizer: encodeSafetensors(new Map()),
    state: {
      fingerprint: fingerprint(config),
      update: updates ?? 0,
      epoch: 1,
      position: 0,
      lastValidated: updates ?? 0,
      best: null,
      sinceBest: 0,
      trainingSeconds: 0,
      elapsedSeconds: 0,
      window: emptyWindow(),
      optimizer: freshCounters(updates ?? 0),
    },
  });
  const environment = {
    imported: { from: 'fairseq', checkpoint: resolve(origin) },
    data: await hashData(directory),
  };
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await writeFileAtomically(join(directory, 'environment.json'), json(environment));
  await writeFileAtomically(join(directory, 'config.json'), json(config));
}

function language(code: string | null, option: 'source' | 'target', checkpoint: string): string {
  if (code !== null) return code;
  throw new RdropError(
    'INVALID_CONFIG',
    `import.${option}: expected a language code, since ${checkpoint} names none, got nothing`,
  );
}

/** rdrop has one dictionary for both languages. */
async function checkSameDictionary(source: string, target: string, dictionary: Dictionary): Promise<void> {
  const other = await Dictionary.read(target);
  const differs = dictionary.symbols.findIndex((symbol, id) => symbol !== other.symbols[id]);
  if (differs < 0 && dictionary.size === other.size) return;
  const line = (differs < 0 ? dictionary.size : differs) - 3;
  throw new RdropError(
    'NOT_EXPRESSIBLE',
    `${target}:${line}: expected the dictionary of ${source} (rdrop has one for both languages), got ` +
      `${JSON.stringify(other.symbols[line + 3])} where it has ${JSON.stringify(dictionary.symbols[line + 3])}`,
  );
}

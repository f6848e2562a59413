import { join } from 'node:path';
import type { StoredTensors } from '../../data/safetensors/stored_tensor.js';
import { readLabels } from '../../data/tasks/task_splits.js';
import { headName, parameterShapes } from '../../model/parameter_names.js';
import { checkParameters } from '../../model/stored_parameters.js';
import { type ModelConfig, modelSchema } from '../../options/model.js';
import { describe, parseConfig } from '../../options/schema/parse.js';
import type { TrainConfig } from '../../options/training.js';
import type { HuggingFaceTokenizer } from '../../text/huggingface/tokenizer.js';
import { TaskText } from '../../text/tasks/task_text.js';
import type { CheckpointName } from '../../training/checkpoint.js';
import { openRunCheckpoint } from '../../training/run/run_checkpoint.js';
import { quietly } from '../../util/async/cleanup.js';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';

/** What other programs need of a run of an encoder. */
export interface ExportedEncoder extends AsyncDisposable {
  /** The run directory, for errors. */
  path: string;
  config: TrainConfig;
  model: ModelConfig;
  tokenizer: HuggingFaceTokenizer;
  /** Names of the classes in their order; of a regression one made-up name. */
  labels: readonly string[];
  /** Whether there is a head; an imported encoder may have none. */
  head: boolean;
  /** They lie in its checkpoint's file, which disposal closes. */
  parameters: StoredTensors;
}

/**
 * @throws RdropError NOT_EXPRESSIBLE (a run of another task, or whose pieces are no tokenizer.json's), FILE_NOT_FOUND,
 *   MALFORMED_FILE, INVALID_CONFIG, CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH, MANIFEST_MISMATCH
 */
export async function readExportedEncoder(
  directory: string,
  name: CheckpointName,
  verify: boolean,
): Promise<ExportedEncoder> {
  const { directory: path, config, checkpoint } = await openRunCheckpoint(directory, name, verify);
  const refused = (option: string, expected: string, got: unknown) =>
    new RdropError('NOT_EXPRESSIBLE', `${path}: ${option}: expected ${expected}, got ${describe(got)}`);
  const { task } = config;
  if (task !== 'classification' && task !== 'regression') {
    throw refused('task', '"translation", "classification" or "regression"', task);
  }
  const text = await TaskText.load(path);
  if (text.tokenizer === null) {
    throw refused(
      'text.pieces',
      '"huggingface": no tokenizer.json does what the run does to text',
      text.config.pieces,
    );
  }
  const named = task === 'classification' && (await pathExists(join(path, 'labels.txt')));
  const labels = named ? await readLabels(path) : ['LABEL_0'];
  const network = {
    ...config.model,
    vocabSize: text.vocabSize,
    architecture: 'encoder',
    output: named ? 'classes' : 'value',
    outputs: labels.length,
  };
  const model = parseConfig(modelSchema, network, 'model');
  const file = await checkpoint.open('model');
  try {
    const { tensors: parameters } = file;
    const head = parameters.has(`${headName}.out_proj.weight`);
    // Of an imported encoder the head may be missing, whole or in part.
    const shapes = [...parameterShapes(model)].filter(
      ([parameter]) => head || !parameter.startsWith(headName) || parameters.has(parameter),
    );
    checkParameters(parameters, shapes, checkpoint.path);
    return {
      path,
      config,
      model,
      tokenizer: text.tokenizer as HuggingFaceTokenizer,
      labels,
      head,
      parameters,
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await quietly(() => file.close());
    throw error;
  }
}

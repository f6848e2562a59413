import type { StoredTensors } from '../data/safetensors/stored_tensor.js';
import { parameterShapes } from '../model/parameter_names.js';
import { checkParameters } from '../model/stored_parameters.js';
import { withVocabularies } from '../model/vocabularies.js';
import { type ModelConfig, modelSchema } from '../options/model.js';
import { parseConfig } from '../options/schema/parse.js';
import type { TrainConfig } from '../options/training.js';
import { TextPipeline } from '../text/pipeline.js';
import type { CheckpointName } from '../training/checkpoint.js';
import { openRunCheckpoint } from '../training/run/run_checkpoint.js';
import { quietly } from '../util/async/cleanup.js';

/** A file to write: text, or bytes in pieces. */
export type FileContent = string | AsyncIterable<Uint8Array>;

/** What other programs need of a run. */
export interface ExportedRun extends AsyncDisposable {
  /** The run directory, for errors. */
  path: string;
  config: TrainConfig;
  model: ModelConfig;
  pipeline: TextPipeline;
  /** They lie in its checkpoint's file, which disposal closes. */
  parameters: StoredTensors;
  updates: number;
  epoch: number;
}

/** @throws RdropError FILE_NOT_FOUND, MALFORMED_FILE, INVALID_CONFIG, CHECKPOINT_CORRUPT, CHECKPOINT_MISMATCH, MANIFEST_MISMATCH */
export async function readExportedRun(
  directory: string,
  name: CheckpointName,
  verify = true,
): Promise<ExportedRun> {
  const { directory: path, config, checkpoint } = await openRunCheckpoint(directory, name, verify);
  const pipeline = await TextPipeline.load(path);
  const model = parseConfig(modelSchema, withVocabularies(config.model, pipeline, path), 'model');
  const file = await checkpoint.open('model');
  try {
    checkParameters(file.tensors, parameterShapes(model), checkpoint.path);
  } catch (error) {
    await quietly(() => file.close());
    throw error;
  }
  const { update, epoch } = checkpoint.state;
  const { tensors: parameters } = file;
  return {
    path,
    config,
    model,
    pipeline,
    parameters,
    updates: update,
    epoch,
    [Symbol.asyncDispose]: () => file.close(),
  };
}

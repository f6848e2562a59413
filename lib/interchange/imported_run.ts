import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from '../data/manifest.js';
import { encodeSafetensors, streamSafetensors } from '../data/safetensors/safetensors.js';
import type { StoredTensors } from '../data/safetensors/stored_tensor.js';
import { modelMetadata } from '../model/transformer.js';
import type { ModelConfig, RunModelOptions } from '../options/model.js';
import type { TrainConfig } from '../options/training.js';
import { freshCounters, freshState, writeCheckpoint } from '../training/checkpoint.js';
import { fingerprint } from '../training/fingerprint.js';
import { abortable } from '../util/async/abortable.js';
import { writeFileAtomically } from '../util/files/files.js';

/** What another program's model becomes. */
export interface ImportedRun {
  config: TrainConfig;
  model: ModelConfig;
  parameters: StoredTensors;
  /** Updates it was trained for. */
  updates: number;
  /** The files of its text, which the directory has already. */
  textFiles: readonly string[];
  /** Where it comes from, for environment.json. */
  imported: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** What a run says of its model: all but what its task and its data give. */
export function runModelOf(model: ModelConfig): RunModelOptions {
  const { vocabSize: _v, sourceVocabSize: _s, architecture: _a, output: _o, outputs: _n, ...rest } = model;
  return rest;
}

/**
 * Fills a run directory: the one checkpoint `best`, without an optimizer's state, config.json and environment.json.
 *
 * @throws RdropError DISK_FULL, FILE_UNWRITABLE, ABORTED, and those of reading the parameters
 */
export async function writeImportedRun(directory: string, run: ImportedRun): Promise<void> {
  const { config, model, parameters, updates, imported, signal } = run;
  const { batches: _, ...state } = freshState(fingerprint(config));
  const [origin] = Object.values(imported).slice(-1);
  await mkdir(join(directory, 'checkpoints'));
  await writeCheckpoint(join(directory, 'checkpoints'), ['best'], {
    model: abortable(streamSafetensors(parameters, modelMetadata(model)), signal, `reading ${origin}`),
    optimizer: encodeSafetensors(new Map()),
    state: { ...state, update: updates, lastValidated: updates, optimizer: freshCounters(updates) },
  });
  const data: Record<string, string> = {};
  for (const name of run.textFiles) data[name] = await hashFile(join(directory, name), signal);
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await writeFileAtomically(join(directory, 'environment.json'), json({ imported, data }));
  await writeFileAtomically(join(directory, 'config.json'), json(config));
}

import { type StoredTensor, type Tensor, wholeTensor } from '../../data/safetensors/stored_tensor.js';
import { embeddingNames } from '../../model/parameter_names.js';
import type { ModelConfig } from '../../options/model.js';
import { checkCall } from '../../options/schema/call_options.js';
import { throwIfAborted } from '../../util/async/yield_timer.js';
import { RdropError } from '../../util/errors.js';
import type { TensorReference } from '../torch_file/globals.js';
import { describePickled, fieldsOf, type PickleValue } from '../torch_file/pickle_values.js';
import { TorchFile } from '../torch_file/torch_file.js';
import { type FairseqOptions, modelOf, optionsOf } from './options.js';
import { readParameters, referencesOf, upgradeNames } from './parameters.js';

/** How a call may be ended early. */
export interface InterchangeRun {
  /** Ends the work early, with ABORTED. Left out: it runs to its end. */
  signal?: AbortSignal | undefined;
}

/** A translation model of fairseq's. */
export interface FairseqCheckpoint {
  model: ModelConfig;
  /** rdrop's names, which are fairseq's of today; halves have become float32. */
  parameters: Map<string, Tensor>;
  /** The languages in its options, where they are there. */
  source: string | null;
  target: string | null;
  /** Updates it was trained for, where it says so. */
  updates: number | null;
}

/** The same, its parameters still in its file, which disposal closes. */
export interface OpenFairseqCheckpoint extends Omit<FairseqCheckpoint, 'parameters'>, AsyncDisposable {
  parameters: Map<string, StoredTensor>;
}

/**
 * Reads a checkpoint of fairseq's (dropreg/R-Drop's fork included): the options, and the parameters of the model. The
 * pickle in it is read as data and never executed; meters and the optimizer's state are left where they are.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (not such a file), UNSAFE_PICKLE (something in it
 *   other than tensors and plain data), CHECKPOINT_CORRUPT (damaged), NOT_EXPRESSIBLE (an option that rdrop has no
 *   counterpart of), CHECKPOINT_MISMATCH (parameters and options that do not fit), ABORTED
 */
export async function readFairseqCheckpoint(
  path: string,
  run: InterchangeRun = {},
): Promise<FairseqCheckpoint> {
  await using checkpoint = await openFairseqCheckpoint(path, run);
  const { [Symbol.asyncDispose]: _, parameters, ...rest } = checkpoint;
  const whole = new Map<string, Tensor>();
  for (const [name, tensor] of parameters) {
    throwIfAborted(run.signal, `reading ${path}`);
    whole.set(name, await wholeTensor(tensor, name));
  }
  return { ...rest, parameters: whole };
}

/** Reads what readFairseqCheckpoint reads, but for the numbers of the parameters, which are read when they are asked for. */
export async function openFairseqCheckpoint(
  path: string,
  run: InterchangeRun = {},
): Promise<OpenFairseqCheckpoint> {
  checkCall(run, ['signal'], 'readFairseqCheckpoint');
  const { signal } = run;
  const file = await TorchFile.open(path);
  try {
    const root = fieldsOf(file.root);
    if (root === null || !root.has('model')) {
      throw new RdropError(
        'MALFORMED_FILE',
        `${path}: expected a checkpoint of fairseq's, a dict with "model", got ${
          root === null
            ? describePickled(file.root)
            : `one with ${[...root.keys()]
                .slice(0, 8)
                .map((key) => key.slice(0, 60))
                .join(', ')}`
        }`,
      );
    }
    const options = optionsOf(root, path);
    const references = upgradeNames(referencesOf(root.get('model'), path));
    const source = rowsOf(references, embeddingNames.source, path);
    // Not every checkpoint stores a shared matrix under both names.
    const target = references.has(embeddingNames.target)
      ? rowsOf(references, embeddingNames.target, path)
      : source;
    const model = modelOf(options, { source, target }, path);
    return {
      model,
      parameters: await readParameters(file, references, model, signal),
      source: text(options, 'source_lang'),
      target: text(options, 'target_lang'),
      updates: updatesOf(root.get('optimizer_history')),
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function rowsOf(references: ReadonlyMap<string, TensorReference>, name: string, path: string): number {
  const shape = references.get(name)?.shape;
  if (shape?.length === 2) return shape[0]!;
  throw new RdropError(
    'CHECKPOINT_MISMATCH',
    `${path}: parameter ${name}: expected a matrix, got ${shape === undefined ? 'nothing' : `the shape [${shape}]`}`,
  );
}

function text(options: FairseqOptions, name: string): string | null {
  const value = options.get(name);
  return typeof value === 'string' ? value : null;
}

function updatesOf(history: PickleValue | undefined): number | null {
  const last = Array.isArray(history) ? history.at(-1) : undefined;
  const updates = fieldsOf(last)?.get('num_updates');
  return typeof updates === 'number' && Number.isSafeInteger(updates) && updates >= 0 ? updates : null;
}

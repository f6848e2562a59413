import { join } from 'node:path';
import * as z from 'zod';
import { OpenSafetensors } from '../../data/safetensors/safetensors.js';
import type { StoredTensor, StoredTensors } from '../../data/safetensors/stored_tensor.js';
import { quietly } from '../../util/async/cleanup.js';
import { RdropError } from '../../util/errors.js';
import { pathExists } from '../../util/files/exists.js';
import { readJsonFile } from '../../util/files/files.js';

const whole = 'model.safetensors';
const index = 'model.safetensors.index.json';

/** The tensors of a directory of transformers; they lie in its files, which disposal closes. */
export interface OpenWeights extends AsyncDisposable {
  /** The file that lists them, for errors. */
  path: string;
  tensors: StoredTensors;
}

/**
 * Opens the weights of a directory: one file of safetensors, or several and their index.
 *
 * @throws RdropError FILE_NOT_FOUND, FILE_UNREADABLE, MALFORMED_FILE (an index of another form), CHECKPOINT_MISMATCH (a file
 *   without a tensor that the index promises), CHECKPOINT_CORRUPT
 */
export async function openWeights(directory: string): Promise<OpenWeights> {
  const path = join(directory, whole);
  if (await pathExists(path)) {
    const file = await OpenSafetensors.open(path);
    return { path, tensors: file.tensors, [Symbol.asyncDispose]: () => file.close() };
  }
  if (await pathExists(join(directory, index))) return openParts(directory);
  const pickled = await pathExists(join(directory, 'pytorch_model.bin'));
  throw new RdropError(
    'FILE_NOT_FOUND',
    `${directory}: expected ${whole} or ${index}, got ${
      pickled ? 'pytorch_model.bin alone (save_pretrained of transformers writes safetensors)' : 'neither'
    }`,
  );
}

const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

async function openParts(directory: string): Promise<OpenWeights> {
  const path = join(directory, index);
  const { data } = indexSchema.safeParse(await readJsonFile(path));
  if (data === undefined) {
    throw new RdropError('MALFORMED_FILE', `${path}: expected a weight_map of file names by tensor`);
  }
  const files = new Map<string, OpenSafetensors>();
  const close = async () => {
    for (const file of files.values()) await quietly(() => file.close());
  };
  const tensors = new Map<string, StoredTensor>();
  try {
    for (const [name, fileName] of Object.entries(data.weight_map)) {
      if (!/^[^/\\\0]+\.safetensors$/.test(fileName)) {
        throw new RdropError(
          'MALFORMED_FILE',
          `${path}: weight_map.${name}: expected a file of this directory, got ${JSON.stringify(fileName)}`,
        );
      }
      const file = files.get(fileName) ?? (await OpenSafetensors.open(join(directory, fileName)));
      files.set(fileName, file);
      const tensor = file.tensors.get(name);
      if (tensor === undefined) {
        throw new RdropError(
          'CHECKPOINT_MISMATCH',
          `${file.path}: parameter ${name}: is missing, ${path} names it`,
        );
      }
      tensors.set(name, tensor);
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { path, tensors, [Symbol.asyncDispose]: close };
}

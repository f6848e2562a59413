import { bytesOfNumbers, elementTypes } from '../../data/safetensors/element_types.js';
import { readBlocks, type StoredTensor, sizeOf } from '../../data/safetensors/stored_tensor.js';
import type { PickleValue } from './pickle_values.js';
import { writePickle } from './pickle_writer.js';
import { streamZip } from './zip_writer.js';

/**
 * A file that torch.load reads, its restricted reader (weights_only=True) included, as pieces in order. Tensors stand
 * in the root as PickleForeign of a Tensor or StoredTensor; each is read twice, for an archive has the checksum of a
 * member before its bytes.
 *
 * @param name of the directory within the archive; torch takes the file's name without its ending
 * @source torch/serialization.py, _save
 */
export function encodeTorchFile(root: PickleValue, name: string): AsyncGenerator<Uint8Array> {
  const { pickle, storages } = writePickle(root);
  return streamZip([
    { name: `${name}/data.pkl`, bytes: pickle },
    { name: `${name}/byteorder`, bytes: Buffer.from('little') },
    ...storages.map(({ key, tensor }) => ({
      name: `${name}/data/${key}`,
      size: (sizeOf(tensor.shape) * elementTypes[tensor.dtype].bits) / 8,
      pieces: () => bytesOfTensor(tensor),
    })),
    { name: `${name}/version`, bytes: Buffer.from('3\n') },
  ]);
}

async function* bytesOfTensor(tensor: StoredTensor): AsyncGenerator<Uint8Array> {
  for await (const block of readBlocks(tensor)) yield bytesOfNumbers(block);
}

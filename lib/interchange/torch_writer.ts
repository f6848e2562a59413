import type { PickleValue } from './pickle_values.js';
import { writePickle } from './pickle_writer.js';
import { zipStored } from './zip_writer.js';

/**
 * A file that torch.load reads, its restricted reader (weights_only=True) included, as pieces in order. Tensors stand
 * in the root as PickleForeign<Tensor>.
 *
 * @param name of the directory within the archive; torch takes the file's name without its ending
 * @source torch/serialization.py, _save
 */
export function encodeTorchFile(root: PickleValue, name: string): Iterable<Uint8Array> {
  const { pickle, storages } = writePickle(root);
  return zipStored([
    { name: `${name}/data.pkl`, bytes: pickle },
    { name: `${name}/byteorder`, bytes: Buffer.from('little') },
    ...storages.map(({ key, data }) => ({
      name: `${name}/data/${key}`,
      bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
    { name: `${name}/version`, bytes: Buffer.from('3\n') },
  ]);
}

import type { StoredTensor, StoredTensors } from '../data/safetensors/stored_tensor.js';
import { checkParameters, type ParameterType, writeTensors } from '../model/stored_parameters.js';
import type { Moment, NativeTrainer } from '../native/contract.js';
import { fromNative } from '../util/errors.js';

/** As the file of the optimizer names them: firstMoment.<parameter>, secondMoment.<parameter>. */
const prefixes: Readonly<Record<Moment, string>> = { first: 'firstMoment.', second: 'secondMoment.' };
const moments = Object.keys(prefixes) as Moment[];

/** The moments of the optimizer, read by ranges; no other call may be made on the trainer meanwhile. */
export function storedMoments(trainer: NativeTrainer, parameters: StoredTensors): StoredTensors {
  const all = new Map<string, StoredTensor>();
  for (const moment of moments) {
    for (const [name, { dtype, shape }] of parameters) {
      const read = (begin: number, end: number) =>
        fromNative(() => trainer.readMoment(moment, name, begin, end));
      all.set(prefixes[moment] + name, { dtype, shape, read });
    }
  }
  return all;
}

/** Puts the moments of a file into a trainer. @throws RdropError CHECKPOINT_MISMATCH, naming the file and the parameter */
export async function loadMoments(
  trainer: NativeTrainer,
  tensors: StoredTensors,
  shapes: readonly (readonly [name: string, shape: readonly number[]])[],
  path: string,
): Promise<void> {
  const wanted = moments.flatMap((moment) =>
    shapes.map(([name, shape]) => [prefixes[moment] + name, shape] as const),
  );
  checkParameters(tensors, wanted, path, 'moment');
  const type = [...tensors.values()].some(({ dtype }) => dtype === 'F64') ? 'F64' : 'F32';
  await writeTensors(tensors, type satisfies ParameterType, path, (name, begin, end, values) => {
    const moment = moments.find((each) => name.startsWith(prefixes[each]))!;
    return trainer.writeMoment(moment, name.slice(prefixes[moment].length), begin, end, values);
  });
}

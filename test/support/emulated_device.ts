// The device whose kernels run under the emulated grid; npm test builds its library.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/native/binding.js';

const library = join(packageRoot, '.cmake/emulated/librdrop_emulated.so');

export const emulatedDevice = { library, index: 0 };

/** The same without the means to record: steps are launched kernel by kernel. */
export const unrecordedDevice = { library, index: 1 };

/** The same without the memory for a recording. */
export const unrecordableDevice = { library, index: 2 };

/** The same where every so many-th tensor does not fit into the memory at first. */
export const scarceDevice = { library, index: 3 };

/** Null, or why tests on the emulated device cannot run. */
export const noEmulatedDevice = existsSync(library) ? null : `${library} is not there: npm test builds it`;

import { existsSync } from 'node:fs';
import { distributedLibrary } from '../../../lib/native/binding.js';

/** Why no run over several processes can be tried here; null: it can. */
export const withoutLibrary = existsSync(distributedLibrary())
  ? null
  : `there is no ${distributedLibrary()}: npm run build makes it`;

import type { Loader } from '../native/addon.js';
import { loadPart } from '../util/load_part.js';

/** held: by somebody, on this kernel or, where the file system asks its server, anywhere. */
export type KernelLock = 'taken' | 'held' | 'unsupported';

let loader: Promise<Loader | null> | undefined;

/**
 * Tries to take the kernel's lock on an open file (flock), shared or exclusive, without waiting. It ends when the file is
 * closed, at the latest with the process, and does not depend on clocks, name spaces or process numbers. `unsupported`
 * where the file system has none, or the addon is missing, to which Node leaves this call.
 *
 * @throws RdropError PROCESS_LIMIT where too few files can be opened to load the addon.
 */
export async function kernelLock(fd: number, mode: 'shared' | 'exclusive'): Promise<KernelLock> {
  loader ??= openLoader().catch((error) => {
    loader = undefined;
    throw error;
  });
  const lockFile = (await loader)?.lockFile;
  return lockFile === undefined ? 'unsupported' : lockFile(fd, mode === 'exclusive');
}

/** rdrop.node alone, without libtorch; null where there is none. */
async function openLoader(): Promise<Loader | null> {
  const { findAddon, loadLoader } = await loadPart(() => import('../native/addon.js'));
  try {
    return loadLoader(findAddon());
  } catch {
    return null;
  }
}

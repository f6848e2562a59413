import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RdropError } from '../util/errors.js';
import { packageRoot } from '../util/package_root.js';
import { checkVersion, findAddon, loadLoader, otherAddons } from './addon.js';
import { contractVersion, type Native, type NativeCudaLibraries } from './contract.js';
import { libraryFromHere } from './libtorch/loader_path.js';
import {
  cudaLibraryFile,
  cudaLibraryNames,
  type Environment,
  findLibtorch,
  hasCuda,
  type Libtorch,
  libraryNames,
  probeLibtorch,
  withoutCudaAddon,
} from './libtorch/probe.js';
import { checkCache } from './libtorch/seal.js';

export { packageRoot };

/** The files that CUDA needs: the libtorch's and, beside the addon, rdrop's own. */
export function cudaLibraries(libtorch: Libtorch, addon: string): NativeCudaLibraries {
  const rdropCuda = join(dirname(addon), cudaLibraryFile);
  let missing = existsSync(rdropCuda) ? null : withoutCudaAddon();
  if (missing !== null) {
    // Nothing else would help.
  } else if (!hasCuda(libtorch.directory)) {
    missing =
      `the libtorch in ${libtorch.directory} (found through ${libtorch.source}) is a build without CUDA ` +
      '(npx rdrop setup --cuda provides one, LIBTORCH_USE_PYTORCH=1 takes that of an installed Python torch)';
  } else if (!existsSync(rdropCuda)) {
    missing = `there is no ${rdropCuda} (npm run build:cuda in a checkout of rdrop makes it)`;
  }
  return {
    libtorch: cudaLibraryNames.map((name) => join(libtorch.directory, 'lib', name)),
    rdropCuda,
    missing,
  };
}

/**
 * A core of other sources would take some calls in another form, or not have them.
 *
 * @throws RdropError ADDON_VERSION, naming both versions.
 */
function checkContract({ contract }: Partial<Native>, core: string): void {
  if (contract === contractVersion) return;
  throw new RdropError(
    'ADDON_VERSION',
    `${core} serves ${contract === undefined ? 'no numbered version' : `version ${contract}`} of the contract ` +
      `between TypeScript and C++, and this rdrop needs version ${contractVersion}: they were built from different sources. ` +
      'Next: npm run build in a checkout of rdrop, or install the package again',
  );
}

/** Opens libtorch and the core. Ask for native() instead: this is the uncached part, apart for the tests. */
export function openNative(root: string = packageRoot, env: Environment = process.env): Native {
  const { libtorch: probed, refused } = probeLibtorch({ env });
  if (refused !== null) throw refused;
  const path = findAddon(root, probed);
  const loader = loadLoader(path);
  const libtorch = probed ?? findLibtorch(env);
  checkVersion(loader.compiledAgainst, libtorch, () => otherAddons(root, path));
  if (libtorch.source === 'cache') checkCache(libtorch.directory);
  const stray = libraryFromHere();
  if (stray !== null) throw new RdropError('LIBTORCH_UNUSABLE', stray);
  const core = join(dirname(path), 'librdrop_core.so');
  try {
    const opened = loader.open({
      libraries: libraryNames.map((name) => join(libtorch.directory, 'lib', name)),
      core,
    });
    checkContract(opened, core);
    opened.setCudaLibraries(cudaLibraries(libtorch, path));
    return opened;
  } catch (error) {
    if (error instanceof RdropError) throw error;
    const code = (error as { code?: unknown } | null)?.code;
    const message = error instanceof Error ? error.message : String(error);
    throw new RdropError(
      code === 'LIBTORCH_UNUSABLE' ? 'LIBTORCH_UNUSABLE' : 'ADDON_NOT_FOUND',
      `${message}. Next: npx rdrop doctor`,
      { cause: error },
    );
  }
}

let opened: Native | undefined;

/** The library of runs over several processes; it lies beside the addon and is opened when a group is made. */
export const distributedLibraryFile = 'librdrop_distributed.so';

/**
 * Path of librdrop_distributed.so, which need not be there.
 *
 * @throws RdropError ADDON_NOT_FOUND, PLATFORM_UNSUPPORTED.
 */
export function distributedLibrary(root: string = packageRoot, env: Environment = process.env): string {
  const { libtorch } = probeLibtorch({ env });
  return join(dirname(findAddon(root, libtorch)), distributedLibraryFile);
}

/**
 * The native core, opened on the first call. A failure is not remembered: after `rdrop setup` the same process may
 * ask again.
 *
 * @throws RdropError ADDON_NOT_FOUND, ADDON_VERSION, LIBTORCH_NOT_FOUND, LIBTORCH_VERSION, LIBTORCH_UNUSABLE.
 */
export function native(): Native {
  opened ??= openNative();
  return opened;
}

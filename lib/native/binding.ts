import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { RdropError } from '../util/errors.js';
import { bundledAdvice, packageRoot, requireOwn } from '../util/package_root.js';
import type { Native, NativeCudaLibraries } from './contract.js';
import { libraryFromHere } from './libtorch/loader_path.js';
import {
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
import { unsupportedPlatform } from './platform.js';

export { packageRoot };

/** What rdrop.node exports (native/loader.cc). */
export interface Loader {
  /** The libtorch that the core was compiled against, 'major.minor.patch'. */
  compiledAgainst: string;
  open(paths: { libraries: string[]; core: string }): Native;
  /** flock without waiting. Missing from addons of before it was needed. */
  lockFile?(fd: number, exclusive: boolean): 'taken' | 'held' | 'unsupported';
}

/** Whether an addon opens and was compiled for this version of libtorch. */
function fits(path: string, libtorch: Libtorch): boolean {
  try {
    return minorOf(loadLoader(path).compiledAgainst) === minorOf(libtorch.version);
  } catch {
    return false;
  }
}

/**
 * The path of rdrop.node: build/Release of a checkout, else the prebuilt one for this platform; build/cuda, where
 * npm run build:cuda puts one, when that is for the libtorch at hand and the libtorch has CUDA or no other fits.
 *
 * @throws RdropError ADDON_NOT_FOUND, naming the places tried and the next command.
 */
export function findAddon(root: string = packageRoot, libtorch: Libtorch | null = null): string {
  const withCuda = join(root, 'build', 'cuda', 'rdrop.node');
  if (libtorch === null || !existsSync(withCuda) || !fits(withCuda, libtorch)) return usualAddon(root);
  if (hasCuda(libtorch.directory)) return withCuda;
  try {
    const usual = usualAddon(root);
    return fits(usual, libtorch) ? usual : withCuda;
  } catch {
    return withCuda;
  }
}

function usualAddon(root: string): string {
  const unsupported = unsupportedPlatform();
  if (unsupported !== null) throw new RdropError('PLATFORM_UNSUPPORTED', unsupported);
  if (bundledAdvice !== null && root === packageRoot)
    throw new RdropError('ADDON_NOT_FOUND', `the native addon was not found: ${bundledAdvice}`);
  const nodeGypBuild = requireOwn('node-gyp-build') as { resolve(directory: string): string };
  // node-gyp-build looks there instead of in the package.
  const named = process.env['RDROP_PREBUILD'];
  if (named && !isAbsolute(named))
    throw new RdropError(
      'ADDON_NOT_FOUND',
      `RDROP_PREBUILD: expected an absolute path, got ${JSON.stringify(named)}, which would be another directory wherever rdrop is called`,
    );
  try {
    return nodeGypBuild.resolve(root);
  } catch (error) {
    const target = `${process.platform}-${process.arch}`;
    throw new RdropError(
      'ADDON_NOT_FOUND',
      `no native addon was found for ${target}. Tried:\n  - ${join(root, 'build', 'Release')}\n` +
        `  - ${join(root, 'prebuilds', target)}\nNext: npm run build in a checkout of rdrop, ` +
        'or install a release of rdrop that has a prebuilt addon for this platform',
      { cause: error },
    );
  }
}

/** @throws RdropError ADDON_NOT_FOUND when the file is broken. */
export function loadLoader(path: string): Loader {
  let loaded: Partial<Loader>;
  try {
    loaded = requireOwn(path) as Partial<Loader>;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RdropError(
      'ADDON_NOT_FOUND',
      `${path}: the native addon could not be loaded (${reason}). Next: npx rdrop doctor`,
      { cause: error },
    );
  }
  if (typeof loaded.open !== 'function' || typeof loaded.compiledAgainst !== 'string') {
    throw new RdropError('ADDON_NOT_FOUND', `${path}: not the addon of rdrop. Next: npx rdrop doctor`);
  }
  return loaded as Loader;
}

const minorOf = (version: string) => version.split('.').slice(0, 2).join('.');

/**
 * A C++ library keeps its binary interface within one minor version, not across.
 *
 * @throws RdropError LIBTORCH_VERSION, naming both versions.
 */
export function checkVersion(compiledAgainst: string, libtorch: Libtorch): void {
  if (minorOf(compiledAgainst) === minorOf(libtorch.version)) return;
  throw new RdropError(
    'LIBTORCH_VERSION',
    `the native addon was compiled against libtorch ${compiledAgainst} and needs a ${minorOf(compiledAgainst)}.x; ` +
      `${libtorch.directory} (found through ${libtorch.source}) is ${libtorch.version}. ` +
      (hasCuda(libtorch.directory)
        ? 'Next: npm run build:cuda makes an addon for that one. Or: npx'
        : 'Next: npx') +
      ' rdrop setup, and unset RDROP_LIBTORCH, LIBTORCH and LIBTORCH_USE_PYTORCH; npx rdrop doctor explains',
  );
}

/** The files that CUDA needs: the libtorch's and, beside the addon, rdrop's own. */
export function cudaLibraries(libtorch: Libtorch, addon: string): NativeCudaLibraries {
  const rdropCuda = join(dirname(addon), 'librdrop_cuda.so');
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

/** Opens libtorch and the core. Ask for native() instead: this is the uncached part, apart for the tests. */
export function openNative(root: string = packageRoot, env: Environment = process.env): Native {
  const { libtorch: probed, refused } = probeLibtorch({ env });
  if (refused !== null) throw refused;
  const path = findAddon(root, probed);
  const loader = loadLoader(path);
  const libtorch = probed ?? findLibtorch(env);
  checkVersion(loader.compiledAgainst, libtorch);
  if (libtorch.source === 'cache') checkCache(libtorch.directory);
  const stray = libraryFromHere();
  if (stray !== null) throw new RdropError('LIBTORCH_UNUSABLE', stray);
  try {
    const opened = loader.open({
      libraries: libraryNames.map((name) => join(libtorch.directory, 'lib', name)),
      core: join(dirname(path), 'librdrop_core.so'),
    });
    opened.setCudaLibraries(cudaLibraries(libtorch, path));
    return opened;
  } catch (error) {
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

/**
 * The native core, opened on the first call. A failure is not remembered: after `rdrop setup` the same process may
 * ask again.
 *
 * @throws RdropError ADDON_NOT_FOUND, LIBTORCH_NOT_FOUND, LIBTORCH_VERSION, LIBTORCH_UNUSABLE.
 */
export function native(): Native {
  opened ??= openNative();
  return opened;
}

import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { RdropError } from '../util/errors.js';
import { bundledAdvice, packageRoot, requireOwn } from '../util/package_root.js';
import type { Native } from './contract.js';
import { addonDirectories, cudaLibraryFile, hasCuda, type Libtorch } from './libtorch/probe.js';
import { unsupportedPlatform } from './platform.js';

/** What rdrop.node exports (native/addon/loader.cc). */
export interface Loader {
  /** The libtorch that the core was compiled against, 'major.minor.patch'. */
  compiledAgainst: string;
  open(paths: { libraries: string[]; core: string }): Native;
  /** flock without waiting. Missing from addons of before it was needed. */
  lockFile?(fd: number, exclusive: boolean): 'taken' | 'held' | 'unsupported';
}

/** An addon that is there. Each serves one minor version of libtorch. */
export interface Addon {
  /** Of rdrop.node. */
  path: string;
  compiledAgainst: string;
  /** Whether librdrop_cuda.so lies beside it. */
  cuda: boolean;
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

/** The addons for a CUDA build of libtorch: build/cuda, then the prebuilt ones. One that does not open is left out. */
function cudaAddons(root: string): Addon[] {
  return addonDirectories(root)
    .map((directory) => join(directory, 'rdrop.node'))
    .filter((path) => existsSync(join(dirname(path), cudaLibraryFile)) && existsSync(path))
    .flatMap((path) => describe(path) ?? []);
}

/** An addon by its path, or null when it does not open. */
function describe(path: string): Addon | null {
  try {
    const { compiledAgainst } = loadLoader(path);
    return { path, compiledAgainst, cuda: existsSync(join(dirname(path), cudaLibraryFile)) };
  } catch {
    return null;
  }
}

const minorOf = (version: string) => version.split('.').slice(0, 2).join('.');
const fits = ({ compiledAgainst }: Addon, libtorch: Libtorch) =>
  minorOf(compiledAgainst) === minorOf(libtorch.version);

/** The addons that are there and open beside the one at a path: the usual one first, then those for CUDA. */
export function otherAddons(root: string, path: string | null): Addon[] {
  const found = cudaAddons(root);
  try {
    const usual = usualAddon(root);
    if (!found.some((addon) => addon.path === usual)) found.unshift(...[describe(usual) ?? []].flat());
  } catch {
    // There is none.
  }
  return found.filter((addon) => addon.path !== path);
}

/**
 * The path of the rdrop.node that serves the libtorch at hand. There is the usual one, compiled against a libtorch without
 * CUDA (build/Release of a checkout, else prebuilds/<platform>-<arch>/), and there may be one compiled against a libtorch with
 * CUDA (build/cuda, prebuilds/<platform>-<arch>-cuda/). The second is taken when its version fits, and the libtorch has CUDA or the
 * usual one does not fit. When none fits, it is the usual one: checkVersion() refuses it.
 *
 * @throws RdropError ADDON_NOT_FOUND, naming the places tried and the next command; PLATFORM_UNSUPPORTED.
 */
export function findAddon(root: string = packageRoot, libtorch: Libtorch | null = null): string {
  if (libtorch === null) return usualAddon(root);
  const withCuda = () => cudaAddons(root).find((addon) => fits(addon, libtorch))?.path;
  if (hasCuda(libtorch.directory)) return withCuda() ?? usualAddon(root);
  let usual: string;
  try {
    usual = usualAddon(root);
  } catch (error) {
    const other = withCuda();
    if (other === undefined) throw error;
    return other;
  }
  const described = describe(usual);
  return described !== null && fits(described, libtorch) ? usual : (withCuda() ?? usual);
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

/**
 * A C++ library keeps its binary interface within one minor version, not across.
 *
 * @param others - finds the further addons that there are; they do not fit either.
 * @throws RdropError LIBTORCH_VERSION, naming every version that there is an addon for, and that of the libtorch.
 */
export function checkVersion(
  compiledAgainst: string,
  libtorch: Libtorch,
  others: () => readonly Addon[] = () => [],
): void {
  if (minorOf(compiledAgainst) === minorOf(libtorch.version)) return;
  const rest = others()
    .map(
      ({ compiledAgainst: version, cuda }) =>
        `; another${cuda ? ', with CUDA,' : ''} needs a ${minorOf(version)}.x`,
    )
    .join('');
  throw new RdropError(
    'LIBTORCH_VERSION',
    `the native addon was compiled against libtorch ${compiledAgainst} and needs a ${minorOf(compiledAgainst)}.x${rest}; ` +
      `${libtorch.directory} (found through ${libtorch.source}) is ${libtorch.version}. ` +
      (hasCuda(libtorch.directory)
        ? 'Next: npx rdrop setup --cuda provides one that fits, or npm run build:cuda in a checkout makes an addon for that one. Or: npx'
        : 'Next: npx') +
      ' rdrop setup, and unset RDROP_LIBTORCH, LIBTORCH and LIBTORCH_USE_PYTORCH; npx rdrop doctor explains',
  );
}

/**
 * Where the package lies. Its files are found from there and not from the module that wants them: a bundler moves the
 * modules into a file of its own, elsewhere, and leaves the addon and the programs that are started behind.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { asRdropError, RdropError } from './errors.js';
import { codeOfSystemError } from './system_error.js';

/** This file, or the bundle that it became part of. A bundle of CommonJS has no import.meta.url. */
const here = fileURLToPath(import.meta.url ?? pathToFileURL(__filename).href);

function isPackage(directory: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { name?: unknown };
    return name === 'rdrop';
  } catch {
    return false;
  }
}

/**
 * This file lies in lib/util/ or, compiled, in dist/util/ or dist/entry/; a bundle elsewhere finds the package as any module
 * beside it does.
 */
function findPackageRoot(): { root: string; found: boolean } {
  const above = join(dirname(here), '../..', '/');
  if (isPackage(above)) return { root: above, found: true };
  try {
    return { root: join(dirname(createRequire(here).resolve('rdrop/package.json')), '/'), found: true };
  } catch {
    return { root: above, found: false };
  }
}

const { root, found } = findPackageRoot();

/** The directory of package.json. */
export const packageRoot: string = root;

/** What to do where the package's own files cannot be found; null where they can. */
export const bundledAdvice: string | null = found
  ? null
  : `the code of rdrop runs from ${here}, outside its package: a bundler has moved it. Next: mark rdrop as external ` +
    '(esbuild --external:rdrop; external: ["rdrop"] in Rollup, tsup, Vite; externals in webpack) and keep it installed ' +
    'beside the bundle';

const requireFromHere = createRequire(found ? join(root, 'package.json') : here);

/**
 * A CommonJS module or addon that rdrop depends on, loaded as the package would load it.
 *
 * @throws RdropError ADDON_NOT_FOUND when rdrop was bundled and left its package behind.
 */
export function requireOwn(module: string): unknown {
  try {
    return requireFromHere(module);
  } catch (error) {
    // A process without free files or memory: the next call may find some.
    if (codeOfSystemError(error) !== null) throw asRdropError(error);
    const missing = (error as { code?: unknown } | null)?.code === 'MODULE_NOT_FOUND';
    if (!missing || bundledAdvice === null) throw error;
    throw new RdropError('ADDON_NOT_FOUND', `${module} was not found: ${bundledAdvice}`, { cause: error });
  }
}

import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { RdropError } from '../../util/errors.js';
import { packageRoot } from '../../util/package_root.js';
import { childEnvironment, type Environment, onPath } from '../../util/programs.js';
import { pythonCode } from '../../util/python.js';
import { untrusted } from './cache_trust.js';

export type { Environment };

/** The version that setup() provides. */
export const libtorchVersion = '2.13.0';
/** The versions (major.minor) that the addon compiles against. */
export const compilableVersions = ['2.11', '2.12', '2.13', '2.14'] as const;

export type LibtorchSource = 'RDROP_LIBTORCH' | 'LIBTORCH' | 'cache' | 'python';

/** One place that was looked at. */
export interface Probe {
  source: LibtorchSource;
  /** The directory that would hold include/ and lib/; null when the probe named none. */
  path: string | null;
  found: boolean;
  /** Of the libtorch found, without a build suffix such as +cpu. */
  version: string | null;
  /** Why it was taken, passed over, or not looked at. */
  detail: string;
}

export interface Libtorch {
  source: LibtorchSource;
  directory: string;
  /** 'major.minor.patch'. */
  version: string;
}

/** The shared libraries that the loader opens, in this order; not libtorch.so, which drags in every CUDA library. */
export const libraryNames = ['libc10.so', 'libtorch_cpu.so'] as const;

/** Those that a CUDA device needs as well, opened when one is asked for, in this order. */
export const cudaLibraryNames = ['libc10_cuda.so', 'libtorch_cuda.so'] as const;

/** Whether the libtorch in a directory is a build with CUDA. */
export const hasCuda = (directory: string): boolean =>
  cudaLibraryNames.every((name) => existsSync(join(directory, 'lib', name)));

/** The home of the user, whose variable may be empty or wrong. */
function home(env: Environment): string {
  const named = env['HOME'];
  if (named && isAbsolute(named)) return named;
  try {
    const { homedir } = userInfo();
    if (isAbsolute(homedir)) return homedir;
  } catch {
    // This user has no entry in the system's list.
  }
  throw new RdropError(
    'INVALID_ARGUMENT',
    `HOME: expected an absolute path, got ${JSON.stringify(named ?? null)}. Next: set HOME or RDROP_CACHE`,
  );
}

/**
 * The directory that keeps what setup() unpacks: RDROP_CACHE, or rdrop/ in the user's cache directory.
 *
 * @throws RdropError INVALID_ARGUMENT: RDROP_CACHE is relative (its libraries are run, and it would mean another directory
 *   wherever one is), or there is no home.
 */
export function cacheDirectory(env: Environment = process.env): string {
  const named = env['RDROP_CACHE'];
  if (named) {
    if (isAbsolute(named)) return resolve(named);
    throw new RdropError(
      'INVALID_ARGUMENT',
      `RDROP_CACHE: expected an absolute path, got ${JSON.stringify(named)}, which would be another directory wherever rdrop is called`,
    );
  }
  const xdg = env['XDG_CACHE_HOME'];
  // The XDG specification: a relative path is to be ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(home(env), '.cache'), 'rdrop');
}

/** Where setup() puts libtorch. */
export function cachedLibtorch(env: Environment = process.env): string {
  return join(cacheDirectory(env), `libtorch-${libtorchVersion}-cpu`);
}

/** The CUDA build that setup --cuda and npm run build:cuda provide, and the CUDA that it was built with. */
export const cudaLibtorchVersion = '2.14.1';
export const cudaTag = 'cu130';

/** Where these put it: torch/ and nvidia/, as they lie in Python's site-packages. */
export function cachedCudaLibtorch(env: Environment = process.env): string {
  return join(cacheDirectory(env), `libtorch-${cudaLibtorchVersion}-${cudaTag}`, 'torch');
}

/** A file beside torch/ that says that the libraries for running on a GPU are there as well, not only for linking. */
export const runnableMark = 'RUNNABLE';

/** rdrop's own library for CUDA, beside the addon that it belongs to. */
export const cudaLibraryFile = 'librdrop_cuda.so';

/** Where an addon for a CUDA build of libtorch may lie: npm run build:cuda puts it into the first, a release into the last. */
export const addonDirectories = (root: string): string[] => {
  const target = `${process.platform}-${process.arch}`;
  return ['build/cuda', `prebuilds/${target}`, `prebuilds/${target}-cuda`].map((name) => join(root, name));
};

const hasCudaAddon = (): boolean =>
  addonDirectories(packageRoot).some((directory) => existsSync(join(directory, cudaLibraryFile)));

/** Why this installation can do nothing with a CUDA build of libtorch, and what would work; null when it can. */
export function withoutCudaAddon(): string | null {
  if (hasCudaAddon() || existsSync(join(packageRoot, 'scripts/build_cuda.mjs'))) return null;
  return (
    `the rdrop installed in ${packageRoot} has no librdrop_cuda.so, and cannot use a libtorch with CUDA. What works: ` +
    'a checkout of rdrop, npm run build:cuda in it (needs nvcc) and npx rdrop setup --cuda there; or the CPU (npx rdrop setup)'
  );
}

/** The cached CUDA build where setup --cuda has completed it and the addon can use it, else the CPU build. */
function cached(env: Environment): string {
  const cuda = cachedCudaLibtorch(env);
  const runnable = existsSync(join(cuda, '..', runnableMark)) && missingFrom(cuda).length === 0;
  return runnable && hasCudaAddon() ? cuda : cachedLibtorch(env);
}

/**
 * The version of the libtorch in a directory, from version.py (wheel), build-version (zip) or the headers; null when
 * none of them says.
 */
export function versionOf(directory: string): string | null {
  const numbers = /^\D*?(\d+\.\d+\.\d+)/;
  const places: [file: string, find: RegExp][] = [
    ['version.py', /^__version__ = ['"](\d+\.\d+\.\d+)/m],
    ['build-version', numbers],
    ['include/torch/headeronly/version.h', /^\s*"(\d+\.\d+\.\d+)"/m],
    ['include/torch/csrc/api/include/torch/version.h', /^\s*"(\d+\.\d+\.\d+)"/m],
  ];
  for (const [file, find] of places) {
    let text: string;
    try {
      text = readFileSync(join(directory, file), 'utf8');
    } catch {
      continue;
    }
    const version = find.exec(text)?.[1];
    if (version) return version;
  }
  return null;
}

/** What a directory lacks of what the addon needs to run; empty when it is a libtorch. */
export function missingFrom(directory: string): string[] {
  return libraryNames.map((name) => `lib/${name}`).filter((file) => !existsSync(join(directory, file)));
}

function probeDirectory(source: LibtorchSource, path: string): Probe {
  const missing = missingFrom(path);
  if (missing.length > 0) {
    const detail = existsSync(path) ? `has no ${missing.join(' and no ')}` : 'no such directory';
    return { source, path, found: false, version: null, detail };
  }
  const version = versionOf(path);
  if (version === null) {
    return {
      source,
      path,
      found: false,
      version,
      detail: 'its version could not be read (no version.py, build-version or header with one)',
    };
  }
  return { source, path, found: true, version, detail: `libtorch ${version}` };
}

/** Finds the directory of an installed Python torch without importing it (an import takes seconds). */
function probePython(env: Environment): Probe {
  const script =
    'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
  const failed = (detail: string): Probe => ({
    source: 'python',
    path: null,
    found: false,
    version: null,
    detail,
  });
  const python = onPath('python3', env);
  if (python === null) return failed('python3 is not installed');
  // Loaded here alone: an import of the library must not wait for it.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  const run = spawnSync(python, pythonCode(script), {
    env: childEnvironment(env),
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (run.error) return failed(`python3 did not answer (${run.error.message})`);
  if (run.status !== 0) return failed(`python3 failed: ${run.stderr.trim().split('\n').at(-1) ?? ''}`);
  const path = run.stdout.trim();
  if (!path) return failed('python3 has no package torch');
  if (!isAbsolute(path)) return failed(`python3 named no absolute path for its torch (${path})`);
  return probeDirectory('python', path);
}

const variable = (name: 'RDROP_LIBTORCH' | 'LIBTORCH', env: Environment): Probe => {
  const value = env[name];
  if (!value) return { source: name, path: null, found: false, version: null, detail: 'not set' };
  if (isAbsolute(value)) return probeDirectory(name, resolve(value));
  return {
    ...{ source: name, path: value, found: false, version: null },
    detail: 'expected an absolute path: a relative one would be another directory wherever rdrop is called',
  };
};

/** The cache is opened only where nobody else can have put something into it. */
function probeCache(env: Environment): Probe & { refused?: RdropError } {
  let path: string;
  try {
    path = cached(env);
  } catch (error) {
    if (!(error instanceof RdropError)) throw error;
    return { source: 'cache', path: null, found: false, version: null, detail: error.message };
  }
  const refused = untrusted(cacheDirectory(env), path);
  if (refused === null) return probeDirectory('cache', path);
  return { source: 'cache', path, found: false, version: null, detail: refused.message, refused };
}

/**
 * Looks for a libtorch: RDROP_LIBTORCH, LIBTORCH (tch-rs's convention), the project's cache, an installed Python torch;
 * LIBTORCH_USE_PYTORCH=1 looks at the last alone. The first that is there is taken. A variable that is set but names
 * no libtorch ends the search: the user asked for that one. So does a cache that others can change, told by `refused`.
 *
 * @param options.all - continue after the first that is there (doctor shows every probe).
 */
export function probeLibtorch(options: { env?: Environment; all?: boolean } = {}): {
  libtorch: Libtorch | null;
  probes: Probe[];
  refused: RdropError | null;
} {
  const env = options.env ?? process.env;
  const forced = ['1', 'true', 'yes'].includes((env['LIBTORCH_USE_PYTORCH'] ?? '').toLowerCase());
  const steps: (() => Probe & { refused?: RdropError })[] = forced
    ? [() => probePython(env)]
    : [
        () => variable('RDROP_LIBTORCH', env),
        () => variable('LIBTORCH', env),
        () => probeCache(env),
        () => probePython(env),
      ];
  const probes: Probe[] = [];
  let libtorch: Libtorch | null = null;
  let refusal: RdropError | null = null;
  let ended = false;
  for (const step of steps) {
    if (ended && !options.all) break;
    const { refused, ...probe } = step();
    probes.push(probe);
    if (ended) continue;
    if (probe.found && probe.path !== null && probe.version !== null) {
      libtorch = { source: probe.source, directory: probe.path, version: probe.version };
      ended = true;
    } else if (refused !== undefined) {
      refusal = refused;
      ended = true;
    } else if ((probe.source === 'RDROP_LIBTORCH' || probe.source === 'LIBTORCH') && probe.path !== null) {
      ended = true;
    }
  }
  return { libtorch, probes, refused: refusal };
}

/** One line of text for a probe. */
export function probeLine(probe: Probe): string {
  const name = { cache: 'cache of rdrop setup', python: 'Python package torch' } as Record<string, string>;
  return `${name[probe.source] ?? probe.source}${probe.path === null ? '' : ` (${probe.path})`}: ${probe.detail}`;
}

/** @throws RdropError LIBTORCH_NOT_FOUND, naming every place tried and the next command to type; CACHE_UNTRUSTED. */
export function findLibtorch(env: Environment = process.env): Libtorch {
  const { libtorch, probes, refused } = probeLibtorch({ env });
  if (libtorch) return libtorch;
  if (refused) throw refused;
  throw new RdropError(
    'LIBTORCH_NOT_FOUND',
    `no libtorch was found. Tried:\n${probes.map((probe) => `  - ${probeLine(probe)}`).join('\n')}\nNext: npx rdrop setup`,
  );
}

import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../../options/schema/parse.js';
import { setupSchema } from '../../options/setup.js';
import { quietly } from '../../util/async/cleanup.js';
import { RdropError } from '../../util/errors.js';
import { fileError } from '../../util/files/files.js';
import { makePath } from '../../util/files/make_path.js';
import { claimBeside, clearLeftovers } from '../../util/files/part_files.js';
import { pythonModule } from '../../util/python.js';
import { unsupportedPlatform } from '../platform.js';
import {
  bytesBelow,
  damage,
  directoryMode,
  fileMode,
  requireSha256,
  sha256,
  type Tick,
  unpack,
} from './archive.js';
import { untrusted } from './cache_trust.js';
import { fetchSecurely, urlOf } from './fetch.js';
import {
  cacheDirectory,
  cachedLibtorch,
  type Environment,
  type Libtorch,
  libtorchVersion,
  missingFrom,
  versionOf,
} from './probe.js';
import { findTool, lackingForPip, missingTool, runTool } from './tools.js';

/** The CPU builds of torch: the wheel that PyPI has for Linux x64 is a CUDA build and needs the nvidia packages. */
const cpuIndex = 'https://download.pytorch.org/whl/cpu';
/** Where pip is missing. */
export const zipUrl = `https://download.pytorch.org/libtorch/cpu/libtorch-shared-with-deps-${libtorchVersion}%2Bcpu.zip`;

export type SetupStage = 'verify' | 'download' | 'unpack';

export interface SetupProgress {
  stage: SetupStage;
  /** What is being done, for people. */
  text: string;
  /** Bytes (verify: files); total is null where it is not known. */
  done: number;
  total: number | null;
}

export interface SetupOptions {
  env?: Environment;
  /** A wheel or libtorch zip instead of what pip finds: a path, an https: or file: URL; http: with `sha256` alone. */
  from?: string;
  /** The SHA-256 that the archive must have, in hexadecimal, whether pip finds it or `from` names it. */
  sha256?: string;
  onProgress?: (progress: SetupProgress) => void;
  signal?: AbortSignal;
}

/** A directory in the cache for this setup alone; what killed setups have left is removed. */
export async function workDirectory(cache: string): Promise<{ path: string; release: () => void }> {
  const name = join(cache, '.setup');
  await clearLeftovers(name);
  const claim = claimBeside(name, 'part');
  await mkdir(claim.path, { mode: 0o700 });
  return claim;
}

/** A work directory of an earlier version whose setup is older than this (ms) was abandoned. */
const abandonedAfter = 24 * 3600 * 1000;

/** Removes what setups that were killed have left in the cache. */
export async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('.setup-')) continue;
    const path = join(cache, name);
    const age = Date.now() - ((await stat(path).catch(() => null))?.mtimeMs ?? Date.now());
    if (age > abandonedAfter) await rm(path, { recursive: true, force: true });
  }
}

const lastLines = (output: string) => output.trim().split('\n').slice(-3).join('\n');

/** Downloads a wheel with pip into a work directory; returns its path. `more` are further arguments of pip. */
export async function downloadWithPip(
  requirement: string,
  more: string[],
  work: string,
  env: Environment,
  tick: Tick,
  signal?: AbortSignal,
): Promise<string> {
  const wheels = join(work, 'wheel');
  const temporary = join(work, 'pip');
  await mkdir(wheels);
  await mkdir(temporary);
  // pip shows no progress without a terminal, but it collects the wheel in TMPDIR.
  const timer = setInterval(async () => tick(await bytesBelow(work), null), 500);
  try {
    const python = findTool('python3', env);
    if (python === null) throw missingTool('python3');
    const options = ['--no-deps', '--only-binary=:all:', '--retries', '2', '--progress-bar', 'off'];
    const args = pythonModule('pip', 'download', ...options, ...more, '--dest', wheels, requirement);
    const { status, output } = await runTool(python, args, { env: { ...env, TMPDIR: temporary }, signal });
    if (status !== 0) {
      const full = /No space left on device/.test(output);
      throw new RdropError(
        full ? 'DISK_FULL' : 'LIBTORCH_DOWNLOAD',
        full
          ? `${work}: no space left on the device while pip downloaded ${requirement}`
          : `python3 -m pip download ${requirement} failed:\n${lastLines(output)}`,
      );
    }
  } finally {
    clearInterval(timer);
  }
  const wheel = (await readdir(wheels)).find((name) => name.endsWith('.whl'));
  if (!wheel)
    throw new RdropError('LIBTORCH_DOWNLOAD', `pip reported success but left no wheel in ${wheels}`);
  return join(wheels, wheel);
}

/** Brings an archive from a path or URL into the work directory; returns its path. */
async function downloadFrom(
  from: string,
  work: string,
  tick: Tick,
  { signal, pinned }: { signal: AbortSignal | undefined; pinned: boolean },
): Promise<string> {
  const target = join(work, 'archive.zip');
  const url = urlOf(from, pinned);
  if (url === null || url.protocol === 'file:') {
    const path = url === null ? from : fileURLToPath(url);
    try {
      await copyFile(path, target);
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw missing ? fileError(error, path, 'read') : fileError(error, target, 'write');
    }
    return target;
  }
  const response = await fetchSecurely(url, { signal, pinned });
  if (!response.ok || response.body === null) {
    throw new RdropError('LIBTORCH_DOWNLOAD', `${url}: expected the archive, got HTTP ${response.status}`);
  }
  const length = response.headers.get('content-length');
  const total = length === null ? null : Number(length);
  let done = 0;
  try {
    await pipeline(
      Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
      async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          done += chunk.length;
          tick(done, total);
          yield chunk;
        }
      },
      createWriteStream(target),
    );
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOSPC' || code === 'EDQUOT') throw fileError(error, target, 'write');
    throw new RdropError('LIBTORCH_DOWNLOAD', `${url}: the transfer broke off after ${done} bytes`, {
      cause: error,
    });
  }
  if (total !== null && done !== total) {
    throw new RdropError('LIBTORCH_DOWNLOAD', `${url}: expected ${total} bytes, got ${done}`);
  }
  return target;
}

/** The wheel through pip, else the official zip; what went wrong with both is reported. */
async function download(work: string, options: SetupOptions, env: Environment, tick: Tick): Promise<string> {
  const { signal } = options;
  const how = { signal, pinned: options.sha256 !== undefined };
  if (options.from !== undefined) return downloadFrom(options.from, work, tick, how);
  const lacking = await lackingForPip(env, signal);
  let first: RdropError;
  if (lacking === null) {
    try {
      return await downloadWithPip(
        `torch==${libtorchVersion}`,
        ['--extra-index-url', cpuIndex],
        work,
        env,
        tick,
        signal,
      );
    } catch (error) {
      if (!(error instanceof RdropError) || error.code !== 'LIBTORCH_DOWNLOAD') throw error;
      first = error;
    }
  } else {
    first = missingTool(lacking);
  }
  try {
    return await downloadFrom(zipUrl, work, tick, how);
  } catch (error) {
    if (!(error instanceof RdropError) || error.code !== 'LIBTORCH_DOWNLOAD') throw error;
    throw new RdropError(first.code, `${first.message}\nThe zip is no way out: ${error.message}`, {
      cause: error,
    });
  }
}

/** Holds the SHA-256 of the archive that a libtorch was unpacked from. */
const archiveFile = 'ARCHIVE_SHA256';

const archiveSum = async (place: string): Promise<string | null> => {
  const text = await readFile(join(place, archiveFile), 'utf8').catch(() => null);
  return text === null ? null : text.trim();
};

/** @throws RdropError PLATFORM_UNSUPPORTED before anything is downloaded. */
export function requirePlatform(): void {
  const unsupported = unsupportedPlatform();
  if (unsupported !== null) throw new RdropError('PLATFORM_UNSUPPORTED', unsupported);
}

/** @throws RdropError CACHE_UNTRUSTED before anything in the cache is read or written. */
export function requireTrust(cache: string, place: string): void {
  const refused = untrusted(cache, place);
  if (refused !== null) throw refused;
}

/**
 * Provides libtorch in the cache: reuses what is there when it is undamaged, else downloads, unpacks beside its place,
 * checks and renames. Any number of setups may run at once: each works in a directory of its own and the first to
 * finish wins.
 *
 * @throws RdropError INVALID_ARGUMENT (an option, or plain http: without a checksum), PLATFORM_UNSUPPORTED, CACHE_UNTRUSTED
 *   (somebody else can write to the cache), TOOL_MISSING (neither pip nor the zip), LIBTORCH_DOWNLOAD, LIBTORCH_VERSION (the archive holds
 *   another version), DISK_FULL, FILE_UNWRITABLE, ABORTED. Nothing half-written is left in any of these cases.
 */
export async function setup(options: SetupOptions = {}): Promise<Libtorch> {
  const { from, sha256: pin } = parseConfig(
    setupSchema,
    { from: options.from, sha256: options.sha256 },
    'setup',
    'INVALID_ARGUMENT',
  );
  if (from !== undefined) urlOf(from, pin !== undefined);
  requirePlatform();
  const env = options.env ?? process.env;
  const cache = cacheDirectory(env);
  const place = cachedLibtorch(env);
  requireTrust(cache, place);
  const report = (stage: SetupStage, text: string): Tick => {
    options.onProgress?.({ stage, text, done: 0, total: null });
    return (done, total) => options.onProgress?.({ stage, text, done, total });
  };
  const ready = (): Libtorch => ({ source: 'cache', directory: place, version: libtorchVersion });
  const present = async () =>
    missingFrom(place).length === 0 &&
    (pin === undefined || pin === (await archiveSum(place))) &&
    (await damage(place, report('verify', `checking ${place}`))).length === 0;
  const aborted = () => {
    if (options.signal?.aborted) throw new RdropError('ABORTED', 'the setup of libtorch was aborted');
  };

  aborted();
  if (await present()) return ready();
  let work: string;
  let release: () => void;
  try {
    await makePath(cache, directoryMode);
    // Somebody else may have made it meanwhile.
    requireTrust(cache, place);
    await removeAbandoned(cache);
    ({ path: work, release } = await workDirectory(cache));
  } catch (error) {
    throw fileError(error, cache, 'write');
  }
  try {
    const what = from ?? `torch ${libtorchVersion} (CPU, about 190 MB)`;
    const archive = await download(work, options, env, report('download', `downloading ${what}`));
    if (pin !== undefined) await requireSha256(archive, from ?? basename(archive), pin);
    const unpacked = join(work, 'libtorch');
    await unpack(archive, unpacked, report('unpack', `unpacking ${basename(archive)}`), options.signal);
    const version = versionOf(unpacked);
    if (version !== libtorchVersion) {
      throw new RdropError(
        'LIBTORCH_VERSION',
        `${what}: expected libtorch ${libtorchVersion}, got ${version ?? 'no version'}`,
      );
    }
    aborted();
    await writeFile(join(unpacked, archiveFile), `${await sha256(archive)}\n`, { mode: fileMode });
    await install(unpacked, place, work, present);
    return ready();
  } catch (error) {
    aborted();
    throw error;
  } finally {
    // What cannot be removed now goes with the next setup.
    await quietly(() => rm(work, { recursive: true, force: true }));
    release();
  }
}

/** Renames the unpacked directory into place; whatever damaged one lies there goes to the work directory. */
async function install(
  unpacked: string,
  place: string,
  work: string,
  present: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await rename(unpacked, place);
      return;
    } catch (error) {
      const occupied = ['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(
        (error as NodeJS.ErrnoException).code ?? '',
      );
      if (!occupied || attempt === 3) throw fileError(error, place, 'write');
    }
    if (await present()) return;
    await rename(place, join(work, `damaged-${attempt}`)).catch(() => {});
  }
}

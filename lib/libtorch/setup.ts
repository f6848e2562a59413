import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { RdropError } from '../errors.js';
import { fileError } from '../files.js';
import { bytesBelow, damage, type Tick, unpack } from './archive.js';
import {
  cacheDirectory,
  cachedLibtorch,
  type Environment,
  type Libtorch,
  libtorchVersion,
  missingFrom,
  versionOf,
} from './probe.js';
import { lackingForPip, missingTool, runTool } from './tools.js';

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
  /** A wheel or libtorch zip, as a path or URL, instead of what pip finds. */
  from?: string;
  onProgress?: (progress: SetupProgress) => void;
  signal?: AbortSignal;
}

/** A work directory whose setup is older than this (ms) was abandoned. */
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
  // pip tells no progress without a terminal, but it collects the wheel in TMPDIR.
  const timer = setInterval(async () => tick(await bytesBelow(work), null), 500);
  try {
    const args = [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '--retries',
      '2',
      '--progress-bar',
      'off',
    ];
    const { status, output } = await runTool('python3', [...args, ...more, '--dest', wheels, requirement], {
      env: { ...env, TMPDIR: temporary },
      signal,
    });
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
async function downloadFrom(from: string, work: string, tick: Tick, signal?: AbortSignal): Promise<string> {
  const target = join(work, 'archive.zip');
  const url = URL.canParse(from) ? new URL(from) : null;
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
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    const cause = (error as { cause?: unknown }).cause;
    const reason = cause instanceof Error ? cause.message : String(error);
    throw new RdropError('LIBTORCH_DOWNLOAD', `${url}: no answer (${reason})`, { cause: error });
  }
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

/** The wheel through pip, else the official zip; what went wrong with both is told. */
async function download(work: string, options: SetupOptions, env: Environment, tick: Tick): Promise<string> {
  const { signal } = options;
  if (options.from !== undefined) return downloadFrom(options.from, work, tick, signal);
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
  const has = process.platform === 'linux' && process.arch === 'x64';
  if (!has) throw first;
  try {
    return await downloadFrom(zipUrl, work, tick, signal);
  } catch (error) {
    if (!(error instanceof RdropError) || error.code !== 'LIBTORCH_DOWNLOAD') throw error;
    throw new RdropError(first.code, `${first.message}\nThe zip is no way out: ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * Provides libtorch in the cache: reuses what is there when it is undamaged, else downloads, unpacks beside its place,
 * checks and renames. Any number of setups may run at once: each works in a directory of its own and the first to
 * finish wins.
 *
 * @throws RdropError TOOL_MISSING (neither pip nor the zip), LIBTORCH_DOWNLOAD, LIBTORCH_VERSION (the archive holds
 *   another version), DISK_FULL, FILE_UNWRITABLE, ABORTED. Nothing half-written is left in any of these cases.
 */
export async function setup(options: SetupOptions = {}): Promise<Libtorch> {
  const env = options.env ?? process.env;
  const cache = cacheDirectory(env);
  const place = cachedLibtorch(env);
  const report = (stage: SetupStage, text: string): Tick => {
    options.onProgress?.({ stage, text, done: 0, total: null });
    return (done, total) => options.onProgress?.({ stage, text, done, total });
  };
  const ready = (): Libtorch => ({ source: 'cache', directory: place, version: libtorchVersion });
  const present = async () =>
    missingFrom(place).length === 0 &&
    (await damage(place, report('verify', `checking ${place}`))).length === 0;
  const aborted = () => {
    if (options.signal?.aborted) throw new RdropError('ABORTED', 'the setup of libtorch was aborted');
  };

  aborted();
  if (await present()) return ready();
  let work: string;
  try {
    await mkdir(cache, { recursive: true });
    await removeAbandoned(cache);
    work = await mkdtemp(join(cache, '.setup-'));
  } catch (error) {
    throw fileError(error, cache, 'write');
  }
  try {
    const what = options.from ?? `torch ${libtorchVersion} (CPU, about 190 MB)`;
    const archive = await download(work, options, env, report('download', `downloading ${what}`));
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
    await install(unpacked, place, work, present);
    return ready();
  } catch (error) {
    aborted();
    throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
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

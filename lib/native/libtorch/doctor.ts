import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { asRdropError, type ErrorCode } from '../../util/errors.js';
import { findQueuePackages, installQueue } from '../../util/optional_packages.js';
import { packageVersion } from '../../util/package_version.js';
import { type Addon, checkVersion, findAddon, loadLoader, otherAddons } from '../addon.js';
import { cudaLibraries, distributedLibraryFile, openNative, packageRoot } from '../binding.js';
import type { Native, NativeInfo } from '../contract.js';
import { damage } from './archive.js';
import { type Environment, hasCuda, type Libtorch, type Probe, probeLibtorch, probeLine } from './probe.js';
import { findTool, lackingForPip, type Tool, tools } from './tools.js';

export interface Failure {
  code: ErrorCode;
  message: string;
}

/** Everything that opening the native core depends on. */
export interface Diagnosis {
  /** Whether the native core opens. */
  ok: boolean;
  rdrop: string;
  node: string;
  platform: string;
  /** Every place looked at, in the order of the search, also those after the one taken. */
  probes: Probe[];
  /** The libtorch taken. */
  libtorch: Libtorch | null;
  /** Files of the cache that differ from what setup wrote; null when there is no cache. */
  cacheDamage: string[] | null;
  addon: {
    path: string | null;
    compiledAgainst: string | null;
    failure: Failure | null;
    /** Those that are there as well, for another libtorch. */
    others: Addon[];
  };
  /** What the opened core says of itself, or why it did not open. */
  core: { info: NativeInfo | null; failure: Failure | null };
  /** Whether a CUDA device opens, which nothing but training on one needs. */
  cuda: {
    ok: boolean;
    /** Whether the libtorch taken is a build with CUDA; null where there is none. */
    libtorch: boolean | null;
    /** Path of librdrop_cuda.so, null when it is not beside the addon. */
    library: string | null;
    /** Path of NCCL, which libtorch opens with its CUDA part and which several processes use; null where it was not opened. */
    nccl: string | null;
    failure: Failure | null;
  };
  /** Path of librdrop_distributed.so, which runs over several processes need; null when it is not beside the addon. */
  distributed: string | null;
  /** Whether each package is installed that a sweep over several machines needs. */
  queue: Record<string, boolean>;
  /** Path of each tool, null where it is lacking. Only setup and compiling need them. */
  tools: Record<Tool, string | null>;
  /** The next command to type; null when all is well. */
  next: string | null;
}

/** Without the advice to run doctor: that is what is running. */
const failureOf = (error: unknown): Failure => {
  const { code, message } = asRdropError(error);
  return { code, message: message.replace(/\. Next: npx rdrop doctor$/, '') };
};

function examineAddon(root: string, libtorch: Libtorch | null): Diagnosis['addon'] {
  const addon: Diagnosis['addon'] = { path: null, compiledAgainst: null, failure: null, others: [] };
  try {
    addon.path = findAddon(root, libtorch);
    addon.compiledAgainst = loadLoader(addon.path).compiledAgainst;
    if (libtorch) checkVersion(addon.compiledAgainst, libtorch, () => otherAddons(root, addon.path));
  } catch (error) {
    addon.failure = failureOf(error);
  }
  addon.others = otherAddons(root, addon.path);
  return addon;
}

/** Opens the first CUDA device where the core does not already know why there is none. */
async function examineCuda(native: Native, { addon, cuda, libtorch }: Diagnosis): Promise<void> {
  if (addon.path !== null && libtorch !== null) {
    const { rdropCuda } = cudaLibraries(libtorch, addon.path);
    if (existsSync(rdropCuda)) cuda.library = rdropCuda;
  }
  try {
    await native.openCuda(0);
    cuda.ok = true;
    cuda.nccl = openedNccl();
  } catch (error) {
    cuda.failure = failureOf(error);
  }
}

/** Linux lists the libraries of a process. */
function openedNccl(): string | null {
  const maps = '/proc/self/maps';
  if (!existsSync(maps)) return null;
  return /\/\S*libnccl\.so\S*/.exec(readFileSync(maps, 'utf8'))?.[0] ?? null;
}

function distributedBeside(addon: string | null): string | null {
  if (addon === null) return null;
  const path = join(dirname(addon), distributedLibraryFile);
  return existsSync(path) ? path : null;
}

function cudaLines({ core, cuda }: Diagnosis): string[] {
  if (core.info === null) return [];
  const { driver, devices } = core.info.cuda;
  const part = (there: boolean, text: string) => `  ${there ? '✓' : '–'} ${text}`;
  const lines = ['CUDA (training on an NVIDIA GPU needs it):'];
  lines.push(part(driver !== null, driver === null ? 'no NVIDIA driver' : `driver for CUDA ${driver}`));
  for (const { name, computeCapability, totalBytes } of devices) {
    const usable = Number(computeCapability.split('.')[0]) >= 8;
    const memory = `${(totalBytes / 2 ** 30).toFixed(0)} GiB`;
    lines.push(
      part(
        usable,
        `${name}, compute capability ${computeCapability}${usable ? '' : ' (8.0 is needed)'}, ${memory}`,
      ),
    );
  }
  lines.push(part(cuda.libtorch === true, `libtorch ${cuda.libtorch ? 'with' : 'without'} CUDA`));
  lines.push(part(cuda.library !== null, cuda.library ?? 'no librdrop_cuda.so beside the addon'));
  if (cuda.ok) {
    lines.push('  ✓ the first device opens');
    lines.push(
      part(
        cuda.nccl !== null,
        cuda.nccl === null
          ? `no NCCL: several processes need distributed.backend 'gloo'`
          : `${cuda.nccl}, which carries the gradients of several processes`,
      ),
    );
  } else if (cuda.failure) lines.push(`  – ${cuda.failure.code}: ${cuda.failure.message}`);
  return lines;
}

function nextCommand(diagnosis: Diagnosis): string | null {
  const explicit = diagnosis.probes.find(({ source, path }) => source.endsWith('LIBTORCH') && path !== null);
  if (diagnosis.ok) return null;
  for (const { failure } of [diagnosis.addon, diagnosis.core])
    if (failure?.code === 'PLATFORM_UNSUPPORTED' || failure?.code === 'CACHE_UNTRUSTED')
      return failure.message.split('Next: ').at(-1)!;
  if (
    diagnosis.addon.path === null ||
    (diagnosis.addon.failure && diagnosis.addon.compiledAgainst === null)
  ) {
    return 'npm run build (in a checkout of rdrop), or install a release of rdrop with a prebuilt addon';
  }
  if (explicit && (!explicit.found || diagnosis.addon.failure?.code === 'LIBTORCH_VERSION')) {
    return `unset ${explicit.source} && npx rdrop setup`;
  }
  if (diagnosis.core.failure?.code === 'ADDON_NOT_FOUND') return 'npm run build (in a checkout of rdrop)';
  return 'npx rdrop setup';
}

/** Makes every probe and opens the native core; never throws for what it finds. */
export async function doctor(options: { env?: Environment; root?: string } = {}): Promise<Diagnosis> {
  const env = options.env ?? process.env;
  const root = options.root ?? packageRoot;
  const { libtorch, probes } = probeLibtorch({ env, all: true });
  const cached = probes.find(({ source, found }) => source === 'cache' && found)?.path ?? null;
  const lacking = await lackingForPip(env);
  const diagnosis: Diagnosis = {
    ok: false,
    rdrop: packageVersion(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    probes,
    libtorch,
    cacheDamage: cached === null ? null : await damage(cached),
    addon: examineAddon(root, libtorch),
    core: { info: null, failure: null },
    distributed: null,
    queue: findQueuePackages(),
    cuda: {
      ok: false,
      libtorch: libtorch && hasCuda(libtorch.directory),
      library: null,
      nccl: null,
      failure: null,
    },
    tools: {
      python3: findTool('python3', env),
      pip: lacking === null ? 'python3 -I -m pip' : null,
      cmake: findTool('cmake', env),
      compiler: findTool('compiler', env),
      make: findTool('make', env),
      nvcc: findTool('nvcc', env),
    },
    next: null,
  };
  diagnosis.distributed = distributedBeside(diagnosis.addon.path);
  try {
    const native = openNative(root, env);
    diagnosis.core.info = native.info();
    diagnosis.ok = true;
    await examineCuda(native, diagnosis);
  } catch (error) {
    diagnosis.core.failure = failureOf(error);
  }
  diagnosis.next = nextCommand(diagnosis);
  return diagnosis;
}

/** The diagnosis as lines for people. */
export function diagnosisLines(diagnosis: Diagnosis): string[] {
  const { addon, core, libtorch, cacheDamage } = diagnosis;
  const lines = [
    `rdrop ${diagnosis.rdrop}, Node ${diagnosis.node}, ${diagnosis.platform}`,
    'libtorch, in the order of the search:',
  ];
  for (const probe of diagnosis.probes) {
    const taken = libtorch !== null && probe.source === libtorch.source && probe.path === libtorch.directory;
    lines.push(`  ${taken ? '✓' : probe.found ? '·' : '–'} ${probeLine(probe)}${taken ? ' (taken)' : ''}`);
  }
  if (cacheDamage?.length === 0)
    lines.push('  ✓ every file of the cache has the checksum that setup recorded');
  for (const line of cacheDamage ?? []) lines.push(`  ✗ ${line}`);
  lines.push('native addon:');
  if (addon.path !== null) lines.push(`  ✓ ${addon.path}`);
  if (addon.compiledAgainst !== null) lines.push(`  ✓ compiled against libtorch ${addon.compiledAgainst}`);
  for (const { path, compiledAgainst, cuda } of addon.others)
    lines.push(`  · ${path}, compiled against libtorch ${compiledAgainst}${cuda ? ' with CUDA' : ''}`);
  if (addon.failure) lines.push(`  ✗ ${addon.failure.code}: ${addon.failure.message}`);
  if (core.info) {
    lines.push(
      `  ✓ opens: ${core.info.instructionSet} kernels, ${core.info.threads} threads; products by ${core.info.float32Product} in float32, by ${core.info.bfloat16Product} in bfloat16`,
    );
  } else if (core.failure && core.failure.message !== addon.failure?.message) {
    lines.push(`  ✗ ${core.failure.code}: ${core.failure.message}`);
  }
  lines.push(
    'several processes (one run over several needs it):',
    diagnosis.distributed === null
      ? `  – no ${distributedLibraryFile} beside the addon`
      : `  ✓ ${diagnosis.distributed}`,
  );
  lines.push('several machines (a sweep on a queue needs both, and a Redis server):');
  for (const [name, there] of Object.entries(diagnosis.queue))
    lines.push(there ? `  ✓ ${name}` : `  – ${name}: not installed (${installQueue})`);
  lines.push(...cudaLines(diagnosis));
  lines.push('tools (setup needs the first two, compiling the others, compiling for CUDA nvcc):');
  for (const [tool, path] of Object.entries(diagnosis.tools) as [Tool, string | null][]) {
    lines.push(
      path === null ? `  – ${tool}: not installed (${tools[tool].install})` : `  ✓ ${tool}: ${path}`,
    );
  }
  lines.push(diagnosis.next === null ? 'All is well.' : `Next: ${diagnosis.next}`);
  return lines;
}

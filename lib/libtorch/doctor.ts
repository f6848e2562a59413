import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkVersion, findAddon, loadLoader, openNative, packageRoot } from '../binding.js';
import { asRdropError, type ErrorCode } from '../errors.js';
import type { NativeInfo } from '../native.js';
import { damage } from './archive.js';
import {
  cachedLibtorch,
  type Environment,
  type Libtorch,
  type Probe,
  probeLibtorch,
  probeLine,
} from './probe.js';
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
  addon: { path: string | null; compiledAgainst: string | null; failure: Failure | null };
  /** What the opened core says of itself, or why it did not open. */
  core: { info: NativeInfo | null; failure: Failure | null };
  /** Path of each tool, null where it is lacking. Only setup and compiling need them. */
  tools: Record<Tool, string | null>;
  /** The next command to type; null when all is well. */
  next: string | null;
}

const failureOf = (error: unknown): Failure => {
  const { code, message } = asRdropError(error);
  return { code, message };
};

function examineAddon(root: string, libtorch: Libtorch | null): Diagnosis['addon'] {
  const addon: Diagnosis['addon'] = { path: null, compiledAgainst: null, failure: null };
  try {
    addon.path = findAddon(root);
    addon.compiledAgainst = loadLoader(addon.path).compiledAgainst;
    if (libtorch) checkVersion(addon.compiledAgainst, libtorch);
  } catch (error) {
    addon.failure = failureOf(error);
  }
  return addon;
}

function nextCommand(diagnosis: Diagnosis): string | null {
  const explicit = diagnosis.probes.find(({ source, path }) => source.endsWith('LIBTORCH') && path !== null);
  if (diagnosis.ok) return null;
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
  const cached = probes.some(({ source, found }) => source === 'cache' && found);
  const lacking = await lackingForPip(env);
  const diagnosis: Diagnosis = {
    ok: false,
    rdrop: (JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string })
      .version,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    probes,
    libtorch,
    cacheDamage: cached ? await damage(cachedLibtorch(env)) : null,
    addon: examineAddon(root, libtorch),
    core: { info: null, failure: null },
    tools: {
      python3: findTool('python3', env),
      pip: lacking === null ? 'python3 -m pip' : null,
      cmake: findTool('cmake', env),
      compiler: findTool('compiler', env),
      make: findTool('make', env),
    },
    next: null,
  };
  try {
    diagnosis.core.info = openNative(root, env).info();
    diagnosis.ok = true;
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
  if (addon.failure) lines.push(`  ✗ ${addon.failure.code}: ${addon.failure.message}`);
  if (core.info) {
    const { instructionSet, threads, cuda } = core.info;
    lines.push(
      `  ✓ opens: ${instructionSet} kernels, ${threads} threads, CUDA ${cuda ? 'available' : 'not available'}`,
    );
  } else if (core.failure && core.failure.message !== addon.failure?.message) {
    lines.push(`  ✗ ${core.failure.code}: ${core.failure.message}`);
  }
  lines.push('tools (setup needs the first two, compiling the others):');
  for (const [tool, path] of Object.entries(diagnosis.tools) as [Tool, string | null][]) {
    lines.push(
      path === null ? `  – ${tool}: not installed (${tools[tool].install})` : `  ✓ ${tool}: ${path}`,
    );
  }
  lines.push(diagnosis.next === null ? 'All is well.' : `Next: ${diagnosis.next}`);
  return lines;
}

// The steps of the set-up: packages, TypeScript, libtorch, addon. Each is skipped when the hash of its inputs is the one
// in its stamp. Node's built-ins only, for the first of them runs before node_modules exists.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundleEntryPoints } from './entry_points.mjs';
import { withLock } from './lock.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const bin = (name) => join(root, 'node_modules', '.bin', name);

/** A failure that is reported in one line, without a stack. */
export class StepError extends Error {}

/** Files under some paths of the checkout, sorted; a path may be a file. */
export function filesUnder(paths, keep = () => true) {
  return paths
    .flatMap((path) => {
      const full = join(root, path);
      if (!existsSync(full)) return [];
      if (statSync(full).isFile()) return [path];
      return readdirSync(full, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(root.length));
    })
    .filter(keep)
    .sort();
}

/** SHA-256 over names and contents of files of the checkout and over extra strings. */
export function hashOf(paths, ...extra) {
  const hash = createHash('sha256');
  for (const path of filesUnder(paths))
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(root, path)))
      .update('\0');
  for (const text of extra) hash.update(`${text}\0`);
  return hash.digest('hex');
}

export const readStamp = (path) =>
  existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8').trim() : null;

export function writeStamp(path, stamp) {
  writeFileSync(join(root, path), `${stamp}\n`);
}

/** Says what is being done. On standard error: standard output belongs to what runs afterwards. */
export const say = (text) => process.stderr.write(`rdrop: ${text}\n`);

/**
 * An environment whose PATH holds absolute directories alone: an empty or relative entry means whatever directory one is
 * in, and nobody expects to run what lies there.
 */
export const trusted = (env = process.env) => ({
  ...env,
  PATH: (env.PATH ?? '').split(delimiter).filter(isAbsolute).join(delimiter),
});

/** Runs a program in the checkout and returns its exit status. */
export function run(command, args, { env = process.env, quiet = false } = {}) {
  const child = spawnSync(command, args, {
    cwd: root,
    env: trusted(env),
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 2, 2],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (child.error) throw new StepError(`${command}: could not be started (${child.error.message})`);
  if (child.signal) throw new StepError(`${command}: ended by ${child.signal}`);
  if (quiet && child.status !== 0) process.stderr.write(child.stdout + child.stderr);
  return child.status;
}

/** npm packages from the lock file. */
export function ensurePackages() {
  const stampPath = 'node_modules/.rdrop-stamp';
  const stamp = hashOf(['package-lock.json']);
  if (readStamp(stampPath) === stamp) return;
  const installed = join(root, 'node_modules', '.package-lock.json');
  const lock = join(root, 'package-lock.json');
  // npm writes the hidden lock file last: one that is younger than the lock file is a complete install by hand.
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(lock).mtimeMs) {
    say('installing the npm packages of package-lock.json (npm ci)');
    if (run('npm', ['ci', '--no-fund', '--no-audit']) !== 0) throw new StepError('npm ci failed');
  }
  writeStamp(stampPath, stamp);
}

const page = {
  source: 'lib/report/page',
  bundle: 'dist/report/echarts.js',
  /** The script of the live page, which loads the bundle. */
  watch: 'dist/report/watch.js',
};

/**
 * dist/report/echarts.js: what draws the charts of reports, with the part of ECharts that it needs; both in Node and, as a script
 * in the page, in a browser. Its licenses lie beside it.
 */
export function ensureReportPage() {
  const stampPath = 'dist/report/.stamp';
  const stamp = hashOf([page.source, 'package-lock.json']);
  if (
    readStamp(stampPath) === stamp &&
    [page.bundle, page.watch].every((path) => existsSync(join(root, path)))
  )
    return;
  say("bundling the report's charts (esbuild)");
  const part = (path) => `${path}.${process.pid}.part.js`;
  const common = {
    absWorkingDir: root,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2020',
    charset: 'ascii',
    legalComments: 'none',
    logLevel: 'warning',
  };
  const { buildSync } = createRequire(import.meta.url)('esbuild');
  try {
    buildSync({
      ...common,
      entryPoints: [`${page.source}/watch/main.ts`],
      target: 'es2022',
      outfile: part(page.watch),
    });
    buildSync({
      ...common,
      entryPoints: [`${page.source}/main.ts`],
      outfile: part(page.bundle),
      define: { 'process.env.NODE_ENV': '"production"' },
      banner: {
        js: '/* With Apache ECharts (Apache-2.0) and zrender (BSD-3-Clause): dist/report/echarts.LICENSE.txt of the package rdrop. */',
      },
    });
  } catch {
    // esbuild has said why.
    throw new StepError('esbuild could not bundle the charts of reports');
  }
  for (const path of [page.bundle, page.watch]) renameSync(join(root, part(path)), join(root, path));
  const licenses = ['echarts/LICENSE', 'echarts/NOTICE', 'zrender/LICENSE'].map(
    (path) => `${path}\n\n${readFileSync(join(root, 'node_modules', path), 'utf8')}`,
  );
  writeFileSync(join(root, 'dist/report/echarts.LICENSE.txt'), licenses.join('\n'));
  writeStamp(stampPath, stamp);
}

/** dist/ from lib/. Type errors are reported; they stop the set-up only where `strict` asks for it. */
export function ensureTypescript({ strict = true } = {}) {
  ensureReportPage();
  const stampPath = 'dist/.stamp';
  const stamp = hashOf([
    ...['lib', 'scripts/entry_points.mjs', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
  ]);
  if (readStamp(stampPath) === stamp) return;
  say('compiling the TypeScript (tsc)');
  mkdirSync(join(root, 'dist'), { recursive: true });
  // What was compiled from a file that is gone must not stay importable.
  for (const path of filesUnder(['dist'], (file) => /(\.d\.ts|\.js)$/.test(file))) {
    const source = path.replace(/^dist/, 'lib').replace(/(\.d\.ts|\.js)$/, '.ts');
    const bundled = path === page.bundle || path === page.watch || path.startsWith('dist/entry/');
    if (!bundled && !existsSync(join(root, source))) rmSync(join(root, path));
  }
  const status = run(process.execPath, [
    join(root, 'node_modules/typescript/bin/tsc'),
    '-p',
    'tsconfig.build.json',
  ]);
  try {
    bundleEntryPoints(root);
  } catch {
    throw new StepError('esbuild could not bundle the entry points');
  }
  if (status === 0) writeStamp(stampPath, stamp);
  else if (strict) throw new StepError('tsc found errors in lib/');
}

/** A module of dist/native/libtorch/. */
export const compiled = (file) => import(pathToFileURL(join(root, 'dist/native/libtorch', file)).href);

/**
 * A libtorch to compile and run against: the one that a variable names, else the cache, provided when it is not there.
 * An installed Python torch counts when it is asked for or has the very version, so that every checkout builds the same.
 */
export async function ensureLibtorch() {
  const { compilableVersions, findLibtorch, libtorchVersion, probeLibtorch } = await compiled('probe.js');
  const { libtorch, probes } = probeLibtorch();
  const chosen = probes.find(({ source, path }) => source.endsWith('LIBTORCH') && path !== null);
  const forced = probes.length === 1 && probes[0].source === 'python';
  if (chosen || forced) {
    const found = findLibtorch();
    if (compilableVersions.some((version) => found.version.startsWith(`${version}.`))) return found;
    throw new StepError(
      `LIBTORCH_VERSION: rdrop compiles against libtorch ${compilableVersions[0]} to ${compilableVersions.at(-1)}; ` +
        `${found.directory} (found through ${found.source}) is ${found.version}`,
    );
  }
  const headers = (directory) => existsSync(join(directory, 'include/ATen/ATen.h'));
  if (libtorch?.version === libtorchVersion && headers(libtorch.directory)) return libtorch;
  const { setup } = await compiled('setup.js');
  return withSetupProgress(setup);
}

/** Calls a setup of lib/native/libtorch/ with its progress shown and ended by signals. */
export async function withSetupProgress(setup) {
  const { setupProgress } = await compiled('progress.js');
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once('SIGINT', abort).once('SIGTERM', abort);
  const { onProgress, stop } = setupProgress();
  try {
    return await setup({ onProgress, signal: controller.signal });
  } finally {
    stop();
    process.off('SIGINT', abort).off('SIGTERM', abort);
  }
}

const products = ['rdrop.node', 'librdrop_core.so', 'librdrop_distributed.so'];

/** Puts the compiled addon, or other files of a build directory, into a directory. */
export function copyNative(directory, from = '.cmake', names = products) {
  mkdirSync(directory, { recursive: true });
  for (const name of names) {
    // Renamed into place: a process that has the old file mapped keeps it.
    const beside = join(directory, `${name}.${process.pid}.part`);
    copyFileSync(join(root, from, 'Release', name), beside);
    renameSync(beside, join(directory, name));
  }
}

/**
 * Configures a build directory where `configured` is another than in its stamp, and builds a target; the caller holds
 * the lock.
 */
function buildTarget(directory, configured, options, target) {
  const cmakeJs = (command, ...args) =>
    run(process.execPath, [
      join(root, 'node_modules/cmake-js/bin/cmake-js'),
      command,
      '--out',
      directory,
      ...options.map((option) => `--CD${option}`),
      ...args,
    ]);
  if (readStamp(`${directory}/configured`) !== configured) {
    rmSync(join(root, directory, 'CMakeCache.txt'), { force: true });
    if (cmakeJs('configure') !== 0) throw new StepError('cmake-js configure failed');
    writeStamp(`${directory}/configured`, configured);
  }
  const which = target === 'all' ? [] : ['--target', target];
  // A file of libtorch's headers takes the compiler up to 1.5 GB.
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / 1.5e9)));
  if (cmakeJs('build', '--parallel', String(jobs), ...which) !== 0)
    throw new StepError('cmake-js build failed');
}

/**
 * Compiles a target in a build directory unless `upToDate` holds, then calls `done`; one process at a time.
 *
 * @param job - {what, directory, configured, options, target, upToDate, done}
 */
export async function compileOnce({ what, directory, configured, options, target, upToDate, done }) {
  if (upToDate()) return;
  const { requireTools } = await compiled('tools.js');
  requireTools(['cmake', 'compiler', 'make']);
  mkdirSync(join(root, directory), { recursive: true });
  await withLock(join(root, directory, 'build.lock'), say, () => {
    if (upToDate()) return;
    say(`compiling ${what} (cmake-js)`);
    buildTarget(directory, configured, options, target);
    done();
  });
}

/** The versions of the packages that a native build takes something from. */
export function nativePackages() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const names = ['cmake-js', 'node-addon-api', 'node-api-headers'];
  return names.map((name) => `${name}@${packages[`node_modules/${name}`].version}`).join(' ');
}

/** What the configuration of .cmake/ depends on, and its options. */
const configurationOf = (libtorch) => ({
  directory: '.cmake',
  configured: hashOf([], nativePackages(), libtorch.directory, libtorch.version, root),
  options: [`RDROP_LIBTORCH=${libtorch.directory}`],
});

/** build/Release/{rdrop.node, librdrop_core.so, librdrop_distributed.so}, compiled in .cmake/ (node-gyp, called by prebuildify, empties build/). */
export async function ensureNative(libtorch) {
  const configuration = configurationOf(libtorch);
  const stamp = hashOf(['native', 'CMakeLists.txt'], configuration.configured);
  await compileOnce({
    what: 'the native addon',
    ...configuration,
    target: 'all',
    upToDate: () =>
      readStamp('build/Release/.stamp') === stamp &&
      products.every((name) => existsSync(join(root, 'build/Release', name))),
    done: () => {
      copyNative(join(root, 'build/Release'));
      writeStamp('build/Release/.stamp', stamp);
    },
  });
}

/** For tests: everything under AddressSanitizer and UndefinedBehaviorSanitizer, in .cmake-asan/{Release,emulated}. */
export async function ensureSanitized(libtorch) {
  const { configured, options } = configurationOf(libtorch);
  const directory = '.cmake-asan';
  const stamp = hashOf(['native', 'CMakeLists.txt'], configured);
  for (const target of ['all', 'emulated']) {
    await compileOnce({
      what: `the core under AddressSanitizer (${target})`,
      directory,
      configured: `${configured} sanitized`,
      options: [...options, 'RDROP_SANITIZE=address,undefined'],
      target,
      upToDate: () => readStamp(`${directory}/${target}.stamp`) === stamp,
      done: () => writeStamp(`${directory}/${target}.stamp`, stamp),
    });
  }
}

/** For tests: the device kernels under the emulated grid, .cmake/emulated/{librdrop_emulated.so, kernel_tests}. */
export async function ensureEmulated(libtorch) {
  const configuration = configurationOf(libtorch);
  const stamp = hashOf(['native', 'CMakeLists.txt'], configuration.configured);
  await compileOnce({
    what: 'the device kernels for the emulated grid',
    ...configuration,
    target: 'emulated',
    upToDate: () =>
      readStamp('.cmake/emulated/.stamp') === stamp &&
      ['librdrop_emulated.so', 'kernel_tests'].every((name) =>
        existsSync(join(root, '.cmake/emulated', name)),
      ),
    done: () => writeStamp('.cmake/emulated/.stamp', stamp),
  });
}

/** Everything, in order. */
export async function ensureAll() {
  ensurePackages();
  ensureTypescript();
  await ensureNative(await ensureLibtorch());
}

/** Runs the body of a script: a StepError or a coded error is one message and exit status 1. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof StepError) && error?.name !== 'RdropError') throw error;
    process.stderr.write(`rdrop: ${error.code ? `${error.code}: ` : ''}${error.message}\n`);
    process.exitCode = 1;
  }
}

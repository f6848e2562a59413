// How much a touched file of an operation rebuilds: `node scripts/rebuild_steps.mjs`, after npm test, prints the build steps
// of the addon, the emulated grid and the kernel tests that each file of native/ops/ costs, and builds once after
// touching the one given as an argument, or the activation's kernels, to measure the time. Exit status 1 where a file that
// callers do not include costs more than `most`. A signature (<op>.h and what it includes) is marked and not judged.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { filesUnder, main, root, StepError, trusted } from './steps.mjs';

const most = 8;
const directory = join(root, '.cmake');

function ninja(manifest, ...options) {
  const child = spawnSync('ninja', ['-C', directory, '-f', manifest, ...options, 'all', 'emulated'], {
    encoding: 'utf8',
    env: trusted({ ...process.env, CCACHE_DISABLE: '1' }), // its answer to a touched file says nothing of an edited one
    maxBuffer: 1 << 28,
  });
  if (child.status !== 0)
    throw new StepError(`ninja: ${child.error?.message ?? child.stdout + child.stderr}`);
  return (child.stdout.match(/^\[\d+\/\d+\]/gm) ?? []).length;
}

/** Calls f while a file is newer than all that was made from it. */
function touched(file, f) {
  const path = join(root, file);
  const { atime, mtime } = statSync(path);
  utimesSync(path, new Date(), new Date());
  try {
    return f();
  } finally {
    utimesSync(path, atime, mtime);
  }
}

/** The headers of native/ops/ that a signature includes, itself first. */
function signature(file, known) {
  if (known.has(file)) return;
  known.add(file);
  for (const [, path] of readFileSync(join(root, file), 'utf8').matchAll(/#include "(ops\/[^"]+)"/g)) {
    signature(`native/${path}`, known);
  }
}

await main(() => {
  const manifest = join(directory, 'build.ninja');
  if (!existsSync(manifest)) throw new StepError(`${manifest} is not there: npm test makes it`);
  // ninja's dry run ends before it has begun where the manifest itself may be made anew: this copy never is.
  const copy = join(directory, 'rebuild_steps.ninja');
  copyFileSync(manifest, copy);
  ninja('build.ninja');
  const files = filesUnder(['native/ops'], (path) => /\.(h|cc|cu)$/.test(path));
  const signatures = new Set();
  for (const file of files) {
    const [, operation, name] = /ops\/(.+)\/(.+)$/.exec(file);
    if (name === `${operation}.h`) signature(file, signatures);
  }
  let worst = 0;
  for (const file of files) {
    const steps = touched(file, () => ninja(copy, '-n'));
    if (!signatures.has(file)) worst = Math.max(worst, steps);
    process.stdout.write(
      `${String(steps).padStart(3)}  ${file}${signatures.has(file) ? '  (signature)' : ''}\n`,
    );
  }
  process.stdout.write(`most: ${worst}, allowed: ${most}\n`);
  const timed = process.argv[2] ?? 'native/ops/activation/activation_kernel.h';
  const start = performance.now();
  const built = touched(timed, () => ninja(copy));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  process.stdout.write(`built after touching ${timed}: ${built} steps, ${seconds} s\n`);
  if (worst > most) throw new StepError(`a file of native/ops/ costs ${worst} build steps`);
});

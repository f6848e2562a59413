// The native code under sanitizers. Arguments: which parts (threads, kernels, addon; all when none is named), then, after
// `--`, what vitest is to run for `addon`.
//   threads   the engine's queue and the memory of temporaries under ThreadSanitizer: a small program, seconds
//   kernels   the kernel tests under AddressSanitizer and UndefinedBehaviorSanitizer (conversions of floats included)
//   addon     the tests that call the core, with a core compiled the same way, in a copy of the checkout under .cmake-asan/
// Leaks are not looked for: Node and V8 end without freeing, and so does the engine by design. Nothing is suppressed.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import {
  ensureLibtorch,
  ensureSanitized,
  ensureTypescript,
  main,
  root,
  run,
  StepError,
  say,
} from './steps.mjs';

const compiler = process.env.CXX ?? 'c++';
const tested = ['native', 'ops', 'model', 'training', 'translation'];

/** Compiles and runs the program of native/test/threads/. @returns its exit status */
export function sanitizeThreads() {
  const directory = join(root, '.cmake-asan');
  mkdirSync(directory, { recursive: true });
  const program = join(directory, 'threads');
  const flags = ['-std=c++20', '-O1', '-g', '-fsanitize=thread', '-Inative'];
  if (run(compiler, [...flags, 'native/test/threads/main.cc', '-o', program]) !== 0) {
    throw new StepError('the program for ThreadSanitizer could not be compiled (GCC needs libtsan)');
  }
  return run(program, [], { env: { ...process.env, TSAN_OPTIONS: 'halt_on_error=1' } });
}

const options = {
  ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:detect_odr_violation=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
};

function sanitizeKernels() {
  const program = join(root, '.cmake-asan', 'emulated', 'kernel_tests');
  return run(program, [], { env: { ...process.env, ...options } });
}

/** Vitest in a copy of the checkout whose build/ and .cmake/ are the sanitized ones: tests find the addon beside lib/. */
function sanitizeAddon(filters) {
  const copy = join(root, '.cmake-asan', 'checkout');
  rmSync(copy, { recursive: true, force: true });
  const copied = [
    'lib',
    'dist',
    'test',
    'native',
    'scripts',
    'package.json',
    'tsconfig.json',
    'vitest.config.ts',
  ];
  for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true });
  for (const name of ['node_modules', 'docs', 'examples', 'benchmarks']) {
    symlinkSync(join(root, name), join(copy, name));
  }
  for (const [from, to] of [
    ['Release', 'build/Release'],
    ['emulated', '.cmake/emulated'],
  ]) {
    cpSync(join(root, '.cmake-asan', from), join(copy, to), { recursive: true });
  }
  const shared = join(root, '..', 'shared');
  if (existsSync(shared)) {
    rmSync(join(copy, '..', 'shared'), { force: true });
    symlinkSync(shared, join(copy, '..', 'shared'));
  }
  const library = spawnSync(compiler, ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim();
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const paths = filters.length > 0 ? filters : tested.map((name) => `test/${name}`);
  const timeouts = ['--testTimeout=600000', '--hookTimeout=600000'];
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--root', copy, ...timeouts, ...paths], {
    cwd: copy,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...options, LD_PRELOAD: library, RDROP_SANITIZED: '1' },
  });
  return status;
}

if (process.argv[1] === join(root, 'scripts', 'sanitize.mjs')) {
  await main(async () => {
    const args = process.argv.slice(2);
    const separator = args.includes('--') ? args.indexOf('--') : args.length;
    const parts = args.slice(0, separator);
    const chosen = (name) => parts.length === 0 || parts.includes(name);
    const results = [];
    if (chosen('threads')) results.push(['threads', sanitizeThreads()]);
    if (chosen('kernels') || chosen('addon')) {
      ensureTypescript({ strict: false });
      await ensureSanitized(await ensureLibtorch());
    }
    if (chosen('kernels')) results.push(['kernels', sanitizeKernels()]);
    if (chosen('addon')) results.push(['addon', sanitizeAddon(args.slice(separator + 1))]);
    for (const [name, status] of results)
      say(`${name} under sanitizers: ${status === 0 ? 'passed' : 'FAILED'}`);
    if (results.some(([, status]) => status !== 0)) process.exitCode = 1;
  });
}

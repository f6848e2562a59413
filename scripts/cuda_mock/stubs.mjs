// node stubs.mjs LIBTORCH_LIB MOCK OUTPUT COMPILER: a library for each that the CUDA part of a libtorch needs and that is
// neither a part of it nor of the system. It holds what libtorch asks of it and MOCK, libcuda_mock.so, does not have: functions
// that say that they are missing and return 0. Everything else is found in MOCK, which each of them needs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [libtorch, mock, output, compiler] = process.argv.slice(2);

function lines(program, ...args) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (error ?? status !== 0) throw error ?? new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout.split('\n');
}

const parts = readdirSync(libtorch)
  .filter((name) => /^lib(c10_cuda|torch_cuda|torch_cpu|torch_nvshmem|caffe2_nvrtc)\.so$/.test(name))
  .map((name) => join(libtorch, name));

/** Sonames of the libraries that come with CUDA. The driver's is opened by name. */
const ofCuda = /^lib(cu|nccl|nvrtc|nvshmem|nvJitLink|nvToolsExt)/;
const needed = new Set(['libcuda.so.1']);
for (const part of parts)
  for (const line of lines('readelf', '-d', part)) {
    const name = /\(NEEDED\).*\[(.*)\]/.exec(line)?.[1];
    if (name !== undefined && ofCuda.test(name) && !existsSync(join(libtorch, name))) needed.add(name);
  }

/** Versions of symbols that are asked of each library, and the symbols of each version. */
const versions = new Map([...needed].map((name) => [name, new Map()]));
const symbolsOf = new Map();
for (const part of parts) {
  let file = '';
  for (const line of lines('readelf', '-V', '-W', part)) {
    file = /File: (\S+)/.exec(line)?.[1] ?? file;
    const version = /Name: (\S+)/.exec(line)?.[1];
    if (version === undefined || !versions.has(file)) continue;
    if (!symbolsOf.has(version)) symbolsOf.set(version, new Set());
    versions.get(file).set(version, symbolsOf.get(version));
  }
}

/** Which library a symbol without a version belongs to matters to nobody: it is found wherever it is. */
const prefixes = /^(nccl|curand|cufft|cuFile|cusparse|cusolver|cudnn|cupti|nvrtc|nvshmem|nvshmemx|cu[A-Z])/;
const unversioned = new Set();
const had = new Set(lines('nm', '-D', '--defined-only', mock).map((line) => line.split(' ')[2]));
for (const part of parts)
  for (const line of lines('nm', '-D', '--undefined-only', part)) {
    const [symbol, version] = line.trim().split(' ').at(-1).split('@');
    if (had.has(symbol)) continue;
    if (symbolsOf.has(version)) symbolsOf.get(version).add(symbol);
    else if (version === undefined && prefixes.test(symbol)) unversioned.add(symbol);
  }

mkdirSync(output, { recursive: true });
for (const [name, ofVersion] of versions) {
  const source = join(output, `${name}.c`);
  const map = join(output, `${name}.map`);
  const free = name === 'libcuda.so.1' ? [...unversioned] : [];
  const symbols = [...free, ...[...ofVersion.values()].flatMap((set) => [...set])];
  const functions = symbols.map((symbol) => `int ${symbol}(void) { mock_lacks("${symbol}"); return 0; }`);
  writeFileSync(source, `void mock_lacks(const char*);\n${functions.join('\n')}\n`);
  // One of the versions takes all symbols: a reference without a version is content with any, and every version has to be there.
  const nodes = [...(ofVersion.size > 0 ? ofVersion : new Map([[name, free]]))].map(
    ([version, set], i) =>
      `${version} { global: ${[...set, i === 0 ? '*' : ''].filter(Boolean).join('; ') || '*'}; };`,
  );
  writeFileSync(map, `${nodes.join('\n')}\n`);
  lines(
    ...[
      compiler,
      '-x',
      'c',
      '-w',
      '-fno-builtin',
      '-shared',
      '-fPIC',
      '-O0',
      source,
      '-o',
      join(output, name),
    ],
    ...[`-Wl,-soname,${name}`, `-Wl,--version-script,${map}`, '-Wl,--no-as-needed'],
    ...[`-L${join(mock, '..')}`, `-l:${basename(mock)}`, '-Wl,-rpath,$ORIGIN'],
  );
  rmSync(source);
  rmSync(map);
}

// npm run prebuilds [-- --out DIR] [--flavors cpu,cuda] [--architectures LIST]: what a release holds, under DIR (the checkout
// when left out):
//   prebuilds/<platform>-<arch>/       rdrop.node, librdrop_core.so and librdrop_distributed.so, by prebuildify through binding.gyp
//   prebuilds/<platform>-<arch>-cuda/  the same for the CUDA build of libtorch, and librdrop_cuda.so; where nvcc is
// LIST is CMake's list of chips with commas, such as 86-real,90. A flavor that is not made is removed: no old one is packed.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureAll, main, root, run, StepError, say } from './steps.mjs';
import {
  cudaProducts,
  ensureCuda,
  ensureCudaForTests,
  ensureCudaLibtorch,
  findNvcc,
  releaseArchitectures,
} from './steps_cuda.mjs';

const platform = `${process.platform}-${process.arch}`;

/** prebuildify works in a directory of its own, because node-gyp empties build/. */
function prebuildCpu(out) {
  const stage = mkdtempSync(join(tmpdir(), 'rdrop-prebuild-'));
  try {
    for (const name of ['package.json', 'binding.gyp']) cpSync(join(root, name), join(stage, name));
    for (const name of ['scripts', 'node_modules']) symlinkSync(join(root, name), join(stage, name));
    // The headers that came with this Node, so that node-gyp downloads none.
    const prefix = dirname(dirname(process.execPath));
    const headers = existsSync(join(prefix, 'include/node/common.gypi'))
      ? { npm_config_nodedir: prefix }
      : {};
    const prebuildify = join(root, 'node_modules/prebuildify/bin.js');
    const options = ['--napi', '--strip', '--target', process.versions.node, '--cwd', stage, '--out', stage];
    const env = { ...process.env, ...headers };
    if (run(process.execPath, [prebuildify, ...options], { env }) !== 0)
      throw new StepError('prebuildify failed');
    // prebuildify renames, which ends at the border of a file system, as that of /tmp may be.
    cpSync(join(stage, 'prebuilds'), join(out, 'prebuilds'), { recursive: true });
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Copies the products beside their place, strips them as prebuildify does, and renames them into it. */
function copyStripped(from, to) {
  const beside = `${to}.${process.pid}.part`;
  try {
    mkdirSync(beside, { recursive: true });
    for (const name of cudaProducts) {
      cpSync(join(from, name), join(beside, name));
      const { status, stderr, error } = spawnSync(
        process.env.STRIP ?? 'strip',
        ['--strip-all', join(beside, name)],
        { encoding: 'utf8' },
      );
      if (status !== 0) throw new StepError(`strip ${name}: ${error?.message ?? stderr}`);
    }
    rmSync(to, { recursive: true, force: true });
    renameSync(beside, to);
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
}

async function prebuildCuda(out, architectures) {
  const libtorch = await ensureCudaLibtorch();
  // 86-real is what check:cuda has compiled.
  const built =
    architectures === '86-real'
      ? await ensureCudaForTests(libtorch)
      : await ensureCuda(libtorch, {
          directory: '.cmake-cuda',
          architectures,
          core: true,
          output: 'build/cuda',
        });
  copyStripped(join(root, built), join(out, 'prebuilds', `${platform}-cuda`));
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      out: { type: 'string', default: root },
      flavors: { type: 'string', default: 'cpu,cuda' },
      architectures: { type: 'string', default: releaseArchitectures },
    },
  });
  const flavors = values.flavors.split(',');
  const unknown = flavors.find((name) => !['cpu', 'cuda'].includes(name));
  if (unknown !== undefined)
    throw new StepError(`--flavors: expected cpu, cuda or cpu,cuda, got '${unknown}'`);
  const out = resolve(values.out);
  await ensureAll();
  rmSync(join(out, 'prebuilds'), { recursive: true, force: true });
  if (flavors.includes('cpu')) prebuildCpu(out);
  if (flavors.includes('cuda')) {
    if (findNvcc() !== null) await prebuildCuda(out, values.architectures.replaceAll(',', ';'));
    else if (values.flavors === 'cuda')
      throw new StepError('nvcc was not found, and the CUDA flavor needs it');
    else say('no nvcc: the CUDA flavor is left out, and a package made of this trains on the CPU alone');
  }
  for (const flavor of [platform, `${platform}-cuda`])
    for (const name of cudaProducts) {
      const path = join(out, 'prebuilds', flavor, name);
      if (existsSync(path)) say(`${path}: ${(statSync(path).size / 1e6).toFixed(1)} MB`);
    }
});

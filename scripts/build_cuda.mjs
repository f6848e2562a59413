// npm run build:cuda [-- --architectures LIST] [--library-only]: build/cuda/{rdrop.node, librdrop_core.so,
// librdrop_cuda.so}, compiled by nvcc against a CUDA build of libtorch, which is downloaded where none is named. LIST is
// CMake's list of chips with commas, such as 86-real,90; --library-only leaves the addon out.
import { parseArgs } from 'node:util';
import { ensurePackages, ensureTypescript, main } from './steps.mjs';
import { ensureCuda, ensureCudaLibtorch, releaseArchitectures, requireNvcc } from './steps_cuda.mjs';

await main(async () => {
  const { values } = parseArgs({
    options: {
      architectures: { type: 'string', default: releaseArchitectures },
      'library-only': { type: 'boolean', default: false },
    },
  });
  ensurePackages();
  ensureTypescript({ strict: false });
  await requireNvcc();
  await ensureCuda(await ensureCudaLibtorch(), {
    directory: '.cmake-cuda',
    architectures: values.architectures.replaceAll(',', ';'),
    core: !values['library-only'],
    output: 'build/cuda',
  });
});

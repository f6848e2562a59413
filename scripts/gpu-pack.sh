#!/usr/bin/env bash
# Makes build/gpu/, what a machine with a GPU needs besides the tree itself when it has neither Node nor a network and
# little time: copy the tree with it there, then run scripts/gpu-check.sh.
#
#   scripts/gpu-pack.sh [--architectures LIST] [--without-node]
#
#   kernels.tar.xz   for sm_86 and sm_90: gpu_kernels, the kernel tests and micro-benchmarks with the CUDA runtime inside;
#                    librdrop_*_kernels.a, which stage `step` links; the headers of the addon
#   node.tar.xz      Node
#   library.tar.xz   dist/ with the packages that test/device and the benchmarks need
#   manifest.json    from which commit, with which nvcc
#
# Needs nvcc, CMake and, but for --without-node, Node with node_modules/ and dist/. Says how large the result is, and fails
# where tree and bundle together exceed 64 MiB.
set -eu
cd "$(dirname "$0")/.."
architectures='86-real;90' with_node=1 bundle=build/gpu most=$((64 << 20))
while [ $# -gt 0 ]; do
  case $1 in
    --architectures) architectures=${2//,/;} && shift 2 ;;
    --without-node) with_node='' && shift ;;
    *) echo "gpu-pack: unknown argument '$1'" >&2 && exit 2 ;;
  esac
done
nvcc=${CUDACXX:-$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null || true)}
[ -n "$nvcc" ] || { echo 'gpu-pack: there is no nvcc (CUDACXX, PATH, CUDA_HOME)' >&2 && exit 2; }

cmake -S native/test/gpu -B .cmake-gpu -DCMAKE_CUDA_COMPILER="$nvcc" -DRDROP_CUDA_ARCHITECTURES="$architectures" >&2
cmake --build .cmake-gpu --parallel >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/node_modules"
cp .cmake-gpu/gpu_kernels .cmake-gpu/librdrop_device_kernels.a .cmake-gpu/librdrop_cpu_kernels.a "$work"
strip "$work/gpu_kernels"
cp -r node_modules/node-addon-api node_modules/node-api-headers "$work/node_modules"
rm -rf "$bundle"
mkdir -p "$bundle"
# Machine code of one kernel for several types and chips is much alike: it shrinks to a sixth.
tar -cJf "$bundle/kernels.tar.xz" -C "$work" .

if [ -n "$with_node" ]; then
  [ -f dist/index.js ] || { echo 'gpu-pack: there is no dist/. Next: npm run build' >&2 && exit 2; }
  cp "$(node -p process.execPath)" "$work/node"
  strip "$work/node"
  tar -cJf "$bundle/node.tar.xz" -C "$work" node
  # Status 1: a file got another link meanwhile, as packages that several checkouts share do.
  node scripts/gpu_packages.mjs | tar -cJf "$bundle/library.tar.xz" --files-from=- dist || [ $? -eq 1 ]
fi
printf '{"commit":"%s","architectures":"%s","nvcc":"%s"}\n' "$(git rev-parse HEAD)" "$architectures" \
  "$("$nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')" >"$bundle/manifest.json"

size_of() { du -bcs "$@" | tail -n 1 | cut -f 1; }
tree=$(git ls-files -z --cached --others --exclude-standard | xargs -0 du -bc 2>/dev/null | awk '/total$/ { sum += $1 } END { print sum }')
carried=$(size_of "$bundle")
echo "gpu-pack: $bundle is $((carried >> 10)) KiB, the tree $((tree >> 10)) KiB; most together $((most >> 10)) KiB"
du -b "$bundle"/* | sort -n
[ $((tree + carried)) -le $most ] || { echo 'gpu-pack: too large. Next: --without-node' >&2 && exit 1; }

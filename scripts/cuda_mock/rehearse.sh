#!/usr/bin/env bash
# A rehearsal of scripts/gpu-check.sh on the mock CUDA runtime (native/test/cuda_mock/README.md): in a copy of the tree with
# the bundle of scripts/gpu-pack.sh, without node_modules/, dist/ or Node of its own, as on the machine it is carried to.
#
#   scripts/cuda_mock/rehearse.sh DIRECTORY [ARGUMENT OF gpu-check.sh…]
#
# DIRECTORY is where the copy is made; the results are in DIRECTORY/results, what the mock found wrong in
# DIRECTORY/violations. Needs build/gpu/ (scripts/gpu-pack.sh) and .cmake-cuda-test/ (npm run check:cuda). Kernels run on
# the CPU, so give it --quick, and time: RDROP_GPU_STAGE_SECONDS=1500 and --limit 4000.
# Exit status: of the check, or 1 where the mock found something.
set -eu
cd "$(dirname "$0")/../.."
repository=$PWD
[ $# -ge 1 ] || { echo 'rehearse: expected DIRECTORY' >&2 && exit 2; }
mkdir -p "$1"
directory=$(realpath "$1")
shift
[ -e build/gpu/node.tar.xz ] || { echo 'rehearse: there is no build/gpu/. Next: scripts/gpu-pack.sh' >&2 && exit 2; }
mock=$repository/.cmake-cuda-test/mock
[ -e "$mock/librdrop_emulated.so" ] || { echo 'rehearse: there is no mock. Next: npm run check:cuda' >&2 && exit 2; }

tree=$directory/tree bin=$directory/bin
mkdir -p "$tree/build" "$bin" "$directory/kernels"
git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=- | tar -x -C "$tree"
rm -rf "$tree/build/gpu"
cp -r build/gpu "$tree/build/"

# Of the machine there are only the tools that the check asks for.
IFS=:
for place in $PATH; do
  for tool in "$place"/*; do
    name=${tool##*/}
    case $name in node | npm | npx | nvcc | nvidia-smi | compute-sanitizer) continue ;; esac
    [ -x "$tool" ] && [ ! -e "$bin/$name" ] && ln -sf "$tool" "$bin/$name"
  done
done
unset IFS
printf "#!/bin/sh\necho 'Mock GPU, 9.0, 600.1'\n" >"$bin/nvidia-smi"
chmod +x "$bin/nvidia-smi"

preload=$mock/libcuda_mock.so
for library in "$mock"/*.so.*; do preload=$preload:$library; done
libtorch=$(sed -n 's/^RDROP_LIBTORCH:[A-Z]*=//p' .cmake-cuda-test/CMakeCache.txt)
# The program of the bundle has the CUDA runtime inside; its twin is linked with the library that the mock stands in for.
rm -rf "$directory/kernels"
mkdir -p "$directory/kernels"
tar -xJf build/gpu/kernels.tar.xz -C "$directory/kernels"
"$directory/kernels/gpu_kernels" list >/dev/null
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$mock:$libtorch/lib" "$repository/.cmake-cuda-test/gpu/gpu_kernels" \
  >"$directory/kernels/gpu_kernels"
tar -cJf "$tree/build/gpu/kernels.tar.xz" -C "$directory/kernels" .

# The mock does not compute libtorch's flash attention, and 200 updates of training take it minutes.
tests='^(float32, recorded|against the CPU: (heads of 128|every dropout|.*relu)|one update|float32: the hyp|no memory|a device|the device)'

rm -f "$directory/violations"
status=0
(
  cd "$tree"
  PATH=$bin LD_PRELOAD=$preload MOCK_SM=90 MOCK_REPORT=$directory/violations RDROP_LIBTORCH=$libtorch GPU_TESTS=$tests \
    scripts/gpu-check.sh --out "$directory/results" "$@"
) || status=$?
if [ -s "$directory/violations" ]; then
  sort "$directory/violations" | uniq -c >&2
  [ $status -ne 0 ] || status=1
fi
exit $status

# The stage `node` of gpu-check.sh: the library itself, with the addon that stage `step` has compiled.
. scripts/gpu_stages/common.sh
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
node=$(command -v node)
unpack node "$GPU_UNPACKED" && node=$GPU_UNPACKED/node
[ -n "$node" ] || lacks "neither $GPU_BUNDLE/node.tar.xz (scripts/gpu-pack.sh) nor Node is there"
[ -d node_modules ] || unpack library .
[ -d node_modules ] && [ -d dist ] || lacks "node_modules/ and dist/ are not there (npm ci, npm run build)"
RDROP_LIBTORCH=$(find_libtorch)
[ -n "$RDROP_LIBTORCH" ] || lacks "no CUDA build of libtorch was found"
bash scripts/gpu_stages/step.sh build || exit 1
[ -e "$GPU_BUILD/Release/rdrop.node" ] || lacks "the addon was not compiled: node-addon-api was not there"

# Where node-gyp-build looks for an addon.
mkdir "$results/build" && ln -s "$(realpath "$GPU_BUILD")/Release" "$results/build/Release"
export RDROP_LIBTORCH RDROP_PREBUILD=$results RDROP_EXPECT_CUDA=1
status=0
# GPU_TESTS, a pattern of names: where some of the tests cannot run.
"$node" node_modules/vitest/vitest.mjs run test/device ${GPU_TESTS:+-t "$GPU_TESTS"} || status=1
"$node" benchmarks/gpu.mjs --out "$results/rdrop.json" $GPU_QUICK || status=1
# Its rows, one a line, as every stage tells them.
[ -e "$results/rdrop.json" ] && python3 - "$results/rdrop.json" <<'PYTHON'
import json, sys
for stage in json.load(open(sys.argv[1]))["stages"]:
    for row in stage["rows"]:
        print(json.dumps({"row": stage["stage"], **row}))
PYTHON
exit $status

# The stage `node` of gpu-check.sh: the library itself, with the addon that stage `step` has compiled.
. scripts/gpu_stages/common.sh
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
node=$(command -v node)
if [ -f "$GPU_BUNDLE/node.xz" ]; then
  node=$tools/node
  xz -dc "$GPU_BUNDLE/node.xz" >"$node" && chmod +x "$node"
fi
[ -n "$node" ] || lacks "neither $GPU_BUNDLE/node.xz (scripts/gpu-pack.sh) nor Node is there"
if [ ! -d node_modules ] && [ -f "$GPU_BUNDLE/library.tar.xz" ]; then tar -xJf "$GPU_BUNDLE/library.tar.xz"; fi
[ -d node_modules ] && [ -d dist ] || lacks "node_modules/ and dist/ are not there (npm ci, npm run build)"
RDROP_LIBTORCH=$(find_libtorch)
[ -n "$RDROP_LIBTORCH" ] || lacks "no CUDA build of libtorch was found"
bash scripts/gpu_stages/step.sh build || exit 1
[ -e "$GPU_BUILD/Release/rdrop.node" ] || lacks "the addon was not compiled: node-addon-api was not there"

export RDROP_LIBTORCH RDROP_PREBUILD=$PWD/$GPU_BUILD/Release RDROP_EXPECT_CUDA=1
status=0
"$node" node_modules/vitest/vitest.mjs run test/device || status=1
"$node" benchmarks/gpu.mjs --out "$tools/rdrop.json" $GPU_QUICK || status=1
# Its rows, one a line, as every stage tells them.
[ -e "$tools/rdrop.json" ] && python3 - "$tools/rdrop.json" <<'PYTHON'
import json, sys
for stage in json.load(open(sys.argv[1]))["stages"]:
    for row in stage["rows"]:
        print(json.dumps({"row": stage["stage"], **row}))
PYTHON
exit $status

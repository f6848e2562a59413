#!/usr/bin/env bash
# Proves on a machine with an NVIDIA GPU what no other can: builds for the chip found, runs the tests of CUDA and
# compute-sanitizer, then the benchmarks beside PyTorch's, and writes benchmarks/results/<device>.json and .md.
#
#   scripts/gpu-check.sh [GPU number]
#
# Needs a CUDA toolkit, a CUDA build of libtorch (RDROP_LIBTORCH, an installed Python torch, or rdrop setup --cuda), Node
# and this tree with its packages; no network. Ends within nine minutes: each stage has a limit, and what is left of the
# nine minutes is one as well. A stage that fails is told in the results, the next one runs, and the status is 1 in the
# end. Status 2: nothing could be run, and nothing was written.
set -u
cd "$(dirname "$0")/.." || exit 2

limit=530 # seconds; the rest of the nine minutes is for what runs between the stages
report_seconds=15
started=$SECONDS

stop() {
  echo "gpu-check: $1" >&2
  exit 2
}

# What must be there.
command -v node >/dev/null || stop "node is not installed. Next: install Node 20.19 or newer"
[ -d node_modules ] || stop "there is no node_modules/. Next: npm ci"
command -v nvidia-smi >/dev/null || stop "no NVIDIA GPU can be used here: nvidia-smi, which comes with the driver, is not installed"
gpu=${1:-0}
described=$(nvidia-smi --id="$gpu" --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2>&1) ||
  stop "no NVIDIA GPU can be used here: nvidia-smi says '$described'"
IFS=, read -r name capability driver <<<"$(head -n 1 <<<"$described" | sed 's/, */,/g')"
[[ $capability =~ ^[0-9]+\.[0-9]+$ ]] || stop "nvidia-smi told no compute capability, but '$described'"
[ "${capability%%.*}" -ge 8 ] || stop "$name has compute capability $capability; 8.0 or higher is needed"
export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=$gpu # the numbers of nvidia-smi

if [ -z "${RDROP_LIBTORCH:-}" ]; then
  torch=$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null)
  cache=${RDROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rdrop}
  for directory in "$torch" "$cache"/libtorch-*-cu*/torch; do
    if [ -z "${RDROP_LIBTORCH:-}" ] && [ -e "$directory/lib/libtorch_cuda.so" ]; then RDROP_LIBTORCH=$directory; fi
  done
fi
[ -e "${RDROP_LIBTORCH:-}/lib/libtorch_cuda.so" ] ||
  stop "no CUDA build of libtorch was found (RDROP_LIBTORCH, an installed Python torch). Next: npx rdrop setup --cuda"
export RDROP_LIBTORCH
unset LIBTORCH LIBTORCH_USE_PYTORCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stages=$work/stages.tsv
: >"$stages"
status=0
echo "gpu-check: $name, compute capability $capability, driver $driver, libtorch in $RDROP_LIBTORCH" >&2

# stage NAME PERCENT COMMAND…: runs it within so much of the time that is left; its end goes to the results.
stage() {
  local what=$1 seconds=$(((limit - report_seconds - (SECONDS - started)) * $2 / 100)) begun=$SECONDS result message
  shift 2
  if [ "$seconds" -lt 5 ]; then
    printf '%s\tleft out\t0\tno time was left\n' "$what" >>"$stages"
    echo "gpu-check: $what: left out, no time is left" >&2
    status=1
    return 1
  fi
  echo "gpu-check: $what (at most $seconds s)" >&2
  timeout -k 5 "$seconds" "$@" >"$work/log" 2>&1
  result=$?
  case $result in
    0) message=$(grep -aE '^ *(Tests|[=]+ ERROR SUMMARY|[=]+ RACECHECK SUMMARY)' "$work/log" | sed 's/\x1b\[[0-9;]*m//g; s/^[ =]*//' | tail -n 1) ;;
    124 | 137) message="ended after its limit of $seconds s" ;;
    *) message=$(sed 's/\x1b\[[0-9;]*m//g' "$work/log" | grep -av '^ *$' | tail -n 4) ;;
  esac
  printf '%s\t%s\t%s\t%s\n' "$what" "$([ $result -eq 0 ] && echo passed || echo failed)" "$((SECONDS - begun))" \
    "$(tr '\n\t' '  ' <<<"$message")" >>"$stages"
  if [ $result -ne 0 ]; then
    status=1
    echo "gpu-check: $what: FAILED ($result)" >&2
    tail -n 30 "$work/log" >&2
  fi
  return $result
}

skip() {
  printf '%s\tskipped\t0\t%s\n' "$1" "$2" >>"$stages"
  echo "gpu-check: $1: skipped: $2" >&2
}

if stage build 50 node scripts/build_cuda.mjs --architectures "${capability/./}-real"; then
  export RDROP_EXPECT_CUDA=1
  stage tests 25 node node_modules/vitest/vitest.mjs run test/device
  sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null)
  # rdrop's kernels alone: libtorch's are not in question and would take most of the time. The option has two names.
  only=()
  for option in --kernel-regex --kernel-name; do
    [ -n "$sanitizer" ] && "$sanitizer" --help 2>&1 | grep -q -- "$option" && only=("$option" kns=rdrop) && break
  done
  for tool in memcheck racecheck; do
    if [ -n "$sanitizer" ]; then
      stage "$tool" 14 "$sanitizer" --tool "$tool" --error-exitcode 9 "${only[@]}" \
        node scripts/gpu_sanitized_step.mjs
    else
      skip "$tool" "compute-sanitizer is not installed"
    fi
  done
  stage 'benchmark of rdrop' 55 node benchmarks/gpu.mjs --out "$work/rdrop.json"
else
  for what in tests memcheck racecheck 'benchmark of rdrop'; do skip "$what" "the build failed"; done
fi
if python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' 2>/dev/null; then
  stage 'benchmark of PyTorch' 100 python3 benchmarks/peers/gpu.py --out "$work/peers.json"
else
  skip 'benchmark of PyTorch' "python3 has no package torch"
fi

files=()
for file in "$work/rdrop.json" "$work/peers.json"; do [ -e "$file" ] && files+=("$file"); done
mkdir -p benchmarks/results
if [ ${#files[@]} -gt 0 ]; then
  timeout -k 5 "$report_seconds" node benchmarks/gpu_report.mjs "${files[@]}" --out-directory benchmarks/results >&2 || status=1
fi
node scripts/gpu_check_result.mjs --stages "$stages" --device "$name" --capability "$capability" --driver "$driver" \
  --seconds "$((SECONDS - started))" --out-directory benchmarks/results || status=1
exit $status

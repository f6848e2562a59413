#!/usr/bin/env bash
# Shows on a machine with an NVIDIA GPU what no other can, in stages that need as little of each other as possible.
#
#   scripts/gpu-check.sh [--stages kernels,step,peers,node] [--out DIRECTORY] [--gpu N] [--limit SECONDS] [--quick]
#
#   kernels  every kernel against float64, compute-sanitizer, micro-benchmarks; needs nothing where
#            scripts/gpu-pack.sh was run before (build/gpu/), else nvcc
#   step     gradients, repeatability, epochs, beam search and a profile, by a program of the core that is compiled here;
#            needs a CUDA libtorch (RDROP_LIBTORCH, an installed Python torch, or rdrop setup --cuda), CMake, a compiler
#   peers    the same measurements of PyTorch; needs a Python torch
#   node     test/device and benchmarks/gpu.mjs; needs Node (of build/gpu/ or installed) and what step needs
#
# Writes into DIRECTORY (benchmarks/results): DEVICE_check.json and .md, whole after every stage, and DEVICE_STAGE.log, all
# that the stage said. Stages of earlier runs that are not run again stay in the files. A stage that fails, hangs or ends by
# a signal is told, the next one runs. Ends within the limit (540 s). No network is used.
# Exit status 0: every stage passed; 1: one did not; 2: nothing could be run and nothing was written.
set -u
cd "$(dirname "$0")/.." || exit 2

usage() {
  sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0" | sed '$d'
}
stop() {
  echo "gpu-check: $1" >&2
  exit 2
}

out=benchmarks/results stages=kernels,step,peers,node gpu=0 limit=540
export GPU_QUICK=''
while [ $# -gt 0 ]; do
  case $1 in
    --help) usage && exit 0 ;;
    --quick) GPU_QUICK=--quick && shift && continue ;;
    --out | --stages | --gpu | --limit) [ $# -ge 2 ] || stop "$1 needs a value" ;;
    *) stop "unknown argument '$1'; see --help" ;;
  esac
  declare "${1#--}=$2"
  shift 2
done
[[ $gpu =~ ^[0-9]+$ ]] || stop "--gpu: a number of nvidia-smi is expected, got '$gpu'"
[[ $limit =~ ^[0-9]+$ ]] || stop "--limit: seconds are expected, got '$limit'"
directory=${RDROP_GPU_STAGES:-scripts/gpu_stages} # tests have stages of their own
for stage in ${stages//,/ }; do
  [ -f "$directory/$stage.sh" ] || stop "--stages: there is no stage '$stage'"
done

command -v python3 >/dev/null || stop "python3, which writes the results, is not installed"
command -v nvidia-smi >/dev/null ||
  stop "no NVIDIA GPU can be used here: nvidia-smi, which comes with the driver, is not installed"
described=$(nvidia-smi --id="$gpu" --query-gpu=name,compute_cap,driver_version --format=csv,noheader 2>&1) ||
  stop "no NVIDIA GPU can be used here: nvidia-smi says '$described'"
IFS=, read -r name capability driver <<<"$(head -n 1 <<<"$described" | sed 's/, */,/g')"
[[ $capability =~ ^[0-9]+\.[0-9]+$ ]] || stop "nvidia-smi told no compute capability, but '$described'"
[ "${capability%%.*}" -ge 8 ] || stop "$name has compute capability $capability; 8.0 or higher is needed"

export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=$gpu # the numbers of nvidia-smi
export GPU_CAPABILITY=$capability GPU_BUNDLE=${GPU_BUNDLE:-build/gpu} GPU_BUILD=${GPU_BUILD:-.cmake-gpu-step}
export GPU_UNPACKED=${GPU_UNPACKED:-.cmake-gpu-unpacked}
file=$(tr '[:upper:]' '[:lower:]' <<<"$name" | sed 's/[^a-z0-9]\{1,\}/_/g; s/^_//; s/_$//')
mkdir -p "$out" || stop "--out: '$out' cannot be made"
echo "gpu-check: $name, compute capability $capability, driver $driver; results in $out/${file}_check.md" >&2

# Most seconds of a stage. What an earlier one leaves of its share is there for the later ones.
limit_of() {
  case $1 in
    kernels) echo 100 ;;
    step) echo 240 ;;
    peers) echo 150 ;;
    *) echo 200 ;;
  esac
}

status=0 running='' child='' ahead=''
# record RESULT SECONDS MESSAGE: of the stage that runs, with the rows that its log has so far.
record() {
  python3 scripts/gpu_result.py --file "$out/${file}_check.json" --device "$name" --capability "$capability" \
    --driver "$driver" --stage "$running" --result "$1" --seconds "$2" --message "$3" \
    --log "$out/${file}_$running.log" ${GPU_QUICK:+--quick} || status=1
}
finish() {
  trap - TERM INT HUP
  [ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child"
  [ -n "$ahead" ] && kill "$ahead" 2>/dev/null
  [ -n "$running" ] && record stopped "$((SECONDS - begun))" "the check was stopped"
  exit 1
}
trap finish TERM INT HUP

# The program of stage `step` takes minutes to compile and no GPU: it is compiled while the kernels are tested.
if [[ ,$stages, == *,kernels,*step,* ]] && [ -z "${RDROP_GPU_STAGES:-}" ]; then
  timeout "$limit" bash "$directory/step.sh" build >"$out/${file}_build.log" 2>&1 &
  ahead=$!
fi

for stage in ${stages//,/ }; do
  left=$((limit - SECONDS - 5)) seconds=${RDROP_GPU_STAGE_SECONDS:-$(limit_of "$stage")} begun=$SECONDS
  running=$stage
  [ "$seconds" -gt "$left" ] && seconds=$left
  log=$out/${file}_$stage.log
  if [ "$seconds" -lt 5 ]; then
    : >"$log"
    record 'left out' 0 'no time was left'
    status=1
    continue
  fi
  echo "gpu-check: $stage (at most $seconds s)" >&2
  : >"$log"
  record running 0 ''
  GPU_SECONDS=$seconds timeout -k 5 "$seconds" bash "$directory/$stage.sh" >"$log" 2>&1 &
  child=$!
  wait "$child"
  result=$?
  child=''
  case $result in
    0) outcome=passed message='' ;;
    3) outcome=skipped message=$(tail -n 1 "$log") ;; # a stage says in its last line what it lacks
    124 | 137) outcome=failed message="ended after its limit of $seconds s" ;;
    *) outcome=failed message="exit status $result: $(grep -av '^ *$' "$log" | grep -av '^{' | tail -n 6)" ;;
  esac
  [ "$outcome" = failed ] && status=1
  record "$outcome" "$((SECONDS - begun))" "$message"
  running=''
  echo "gpu-check: $stage: $outcome in $((SECONDS - begun)) s${message:+: $message}" >&2
done
[ -n "$ahead" ] && kill "$ahead" 2>/dev/null
exit $status

# The stage `kernels` of gpu-check.sh: correctness, speed, then three tools of compute-sanitizer at once.
. scripts/gpu_stages/common.sh
directory=$(kernels_directory) || lacks "neither $GPU_BUNDLE/kernels.tar.xz (scripts/gpu-pack.sh) nor nvcc is there"
program=$directory/gpu_kernels
status=0
"$program" device || exit 1
"$program" cases || status=1
"$program" bench $GPU_QUICK || status=1

tools=$(mktemp -d)
seconds=$((GPU_SECONDS - SECONDS - 5))
[ $seconds -gt 40 ] && seconds=40
if [ $seconds -ge 5 ]; then
  # initcheck looks at memory that nobody wrote: the tests' mirrors are written whole, the benchmarks' results are not.
  sanitize memcheck $seconds "$program" watched >"$tools/memcheck" &
  sanitize racecheck $seconds "$program" watched >"$tools/racecheck" &
  sanitize initcheck $seconds "$program" bench --quick >"$tools/initcheck" &
  for job in $(jobs -p); do wait "$job" || status=1; done
  cat "$tools"/*
fi
rm -rf "$tools"
exit $status

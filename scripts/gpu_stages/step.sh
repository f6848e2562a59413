# The stage `step` of gpu-check.sh: compiles step_driver against the libtorch of this machine and runs it. With the
# argument `build` it compiles alone; two at once wait for each other.
. scripts/gpu_stages/common.sh
libtorch=$(find_libtorch)
[ -n "$libtorch" ] || lacks "no CUDA build of libtorch was found (RDROP_LIBTORCH, an installed Python torch, rdrop setup --cuda)"
archives=$(kernels_directory) || lacks "neither $GPU_BUNDLE/kernels.tar.xz (scripts/gpu-pack.sh) nor nvcc is there"
for tool in cmake c++; do command -v $tool >/dev/null || lacks "$tool is not installed"; done

build() {
  local generator=() headers=() modules=node_modules
  command -v ninja >/dev/null && generator=(-G Ninja)
  [ -d "$archives/node_modules" ] && modules=$archives/node_modules
  [ -d "$modules/node-addon-api" ] &&
    headers=("-DCMAKE_JS_INC=$PWD/$modules/node-api-headers/include;$PWD/$modules/node-addon-api")
  cmake -S native/test/gpu -B "$GPU_BUILD" "${generator[@]}" -DRDROP_LIBTORCH="$libtorch" \
    -DRDROP_GPU_ARCHIVES="$(realpath "$archives")" "${headers[@]}" && cmake --build "$GPU_BUILD" --parallel
}
begun=$SECONDS
mkdir -p "$GPU_BUILD"
(
  flock 9
  build
) 9>"$GPU_BUILD/lock" || exit 1
printf '{"row":"build","seconds":%d,"libtorch":"%s"}\n' $((SECONDS - begun)) \
  "$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$libtorch/version.py")"
[ "${1:-}" = build ] && exit 0

options=()
[ -n "$GPU_QUICK" ] && options+=(--quick)
[ -n "${GPU_PRECISION:-}" ] && options+=(--precision "$GPU_PRECISION") # where flash attention cannot run: float32
status=0 told=$(mktemp)
trap 'rm -f "$told"' EXIT
# A section that ends the program or leaves the device unusable costs itself alone: the program starts again after it.
left=(gradients same-bits recording epoch translations translation profile)
while [ ${#left[@]} -gt 0 ]; do
  # An epoch runs four times; a sixth of the time for each leaves the rest to the other sections.
  "$GPU_BUILD/step_driver" "${options[@]}" --seconds $(((GPU_SECONDS - SECONDS) / 6 + 1)) "${left[@]}" | tee "$told"
  ended=${PIPESTATUS[0]}
  [ "$ended" -eq 0 ] && break
  status=1
  [ "$ended" -le 2 ] && break
  sections=$(grep -c '^{"row":"section"' "$told")
  if [ "$ended" -ne 3 ]; then
    printf '{"row":"section","section":"%s","passed":false,"seconds":null,"message":"the program ended with status %d"}\n' \
      "${left[$sections]}" "$ended"
    sections=$((sections + 1))
  fi
  left=("${left[@]:$sections}")
done
seconds=$((GPU_SECONDS - SECONDS - 5))
[ $seconds -gt 45 ] && seconds=45
if [ $seconds -ge 10 ]; then
  sanitize memcheck $seconds "$GPU_BUILD/step_driver" "${options[@]}" --quick same-bits || status=1
fi
exit $status

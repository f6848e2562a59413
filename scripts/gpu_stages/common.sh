# What the stages of gpu-check.sh share; sourced, with the repository as the working directory.

# A stage that lacks something says so and is skipped.
lacks() {
  echo "$1"
  exit 3
}

# The path of compute-sanitizer, or nothing.
find_sanitizer() {
  command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}/bin/compute-sanitizer" 2>/dev/null
}

# sanitize TOOL SECONDS COMMAND…: prints what the tool says and one row of its verdict.
sanitize() {
  local tool=$1 seconds=$2 sanitizer log status summary passed=false only=()
  shift 2
  sanitizer=$(find_sanitizer)
  if [ -z "$sanitizer" ]; then
    printf '{"row":"sanitizer","tool":"%s","passed":null,"summary":"compute-sanitizer is not installed"}\n' "$tool"
    return 0
  fi
  # rdrop's kernels alone: libtorch's are not in question and take most of the time. The option has two names.
  for option in --kernel-regex --kernel-name; do
    "$sanitizer" --help 2>&1 | grep -q -- "$option" && only=("$option" kns=rdrop) && break
  done
  log=$(mktemp)
  timeout -k 2 "$seconds" "$sanitizer" --tool "$tool" --error-exitcode 9 "${only[@]}" "$@" >"$log" 2>&1
  status=$?
  cat "$log"
  # Under some virtual machines the tool cannot watch the device: nothing was shown, and nothing was found.
  if [ $status -ne 0 ] && grep -aqi 'device not supported' "$log"; then
    printf '{"row":"sanitizer","tool":"%s","passed":null,"summary":"compute-sanitizer does not support this device here"}\n' "$tool"
    rm -f "$log"
    return 0
  fi
  summary=$(grep -aE 'ERROR SUMMARY|RACECHECK SUMMARY' "$log" | tail -n 1 | sed 's/^[ =]*//; s/"//g')
  [ $status -eq 124 ] && summary="ended after $seconds s: $(grep -ac '^ok ' "$log") cases passed, $(grep -acE 'Invalid|Race reported|Uninitialized' "$log") reports"
  # Cut off by the time without a report is no failure: the tools slow kernels down a hundredfold.
  { [ $status -eq 0 ] || { [ $status -eq 124 ] && ! grep -aqE 'Invalid|Race reported|Uninitialized' "$log"; }; } && passed=true
  printf '{"row":"sanitizer","tool":"%s","program":"%s","passed":%s,"summary":"%s"}\n' "$tool" "$(basename "$1")" \
    "$passed" "${summary:-exit status $status}"
  rm -f "$log"
  [ $passed = true ]
}

# A CUDA build of libtorch: its directory, or nothing.
find_libtorch() {
  local torch cache=${RDROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rdrop} directory
  torch=$(python3 -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")' 2>/dev/null)
  for directory in "${RDROP_LIBTORCH:-}" "$torch" "$cache"/libtorch-*-cu*/torch; do
    if [ -e "$directory/lib/libtorch_cuda.so" ]; then
      echo "$directory"
      return
    fi
  done
}

# unpack NAME DIRECTORY: an archive of the bundle, once. By Python, which is there; xz may not be.
unpack() {
  local archive=$GPU_BUNDLE/$1.tar.xz done=$GPU_UNPACKED/.$1
  [ -f "$archive" ] || return 1
  mkdir -p "$GPU_UNPACKED" && {
    flock 8
    [ "$done" -nt "$archive" ] || { python3 -m tarfile -e "$archive" "$2" >/dev/null && touch "$done"; }
  } 8>"$GPU_UNPACKED/.lock"
}

# The directory of step 1's products: the bundle where it serves this chip, else they are compiled.
kernels_directory() {
  local nvcc
  # Programs for compute capability 8.6 run on 8.6 and 8.9, those for 9.0 hold code that newer chips translate.
  # They may have been compiled where the C library is newer than here: whether the program starts shows that.
  if [ "$GPU_CAPABILITY" != 8.0 ] && unpack kernels "$GPU_UNPACKED" && "$GPU_UNPACKED/gpu_kernels" list >/dev/null; then
    echo "$GPU_UNPACKED"
    return
  fi
  nvcc=${CUDACXX:-$(command -v nvcc || ls "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" 2>/dev/null)}
  [ -n "$nvcc" ] || return 1
  {
    cmake -S native/test/gpu -B .cmake-gpu -DCMAKE_CUDA_COMPILER="$nvcc" \
      -DRDROP_CUDA_ARCHITECTURES="${GPU_CAPABILITY/./}-real" && cmake --build .cmake-gpu --parallel
  } >&2 || return 1
  echo .cmake-gpu
}

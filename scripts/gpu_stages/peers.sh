# The stage `peers` of gpu-check.sh: PyTorch's loss, then its steps, eager and compiled.
. scripts/gpu_stages/common.sh
python3 -c 'import importlib.util as u, sys; sys.exit(u.find_spec("torch") is None)' || lacks "python3 has no package torch"
PYTHONUNBUFFERED=1 exec python3 benchmarks/peers/gpu.py --seconds $((GPU_SECONDS - 10)) $GPU_QUICK

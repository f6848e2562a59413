"""How the peer of a training step is asked: settings on the first line of standard input, then a request a line, each answered with
one line, all JSON.
"""

import json
import sys

import torch


def serve(make_side):
    """make_side(settings): an object with `parameters` and a method for each kind of request."""
    s = json.loads(sys.stdin.readline())
    torch.set_num_threads(s["threads"])
    side = make_side(s)
    print(json.dumps({"version": torch.__version__, "parameters": sum(p.numel() for p in side.parameters)}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = next(getattr(side, kind) for kind in ("check", "step", "products") if kind in request)(request)
        print(json.dumps(answer), flush=True)

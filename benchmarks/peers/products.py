"""The matrix products of a training step alone, for the peers of the benchmarks."""

import time

import torch


class Products:
    def __init__(self, precision):
        self.dtype = getattr(torch, precision)
        self.buffers = {}

    def __call__(self, request):
        """{"products": [[rows, in, out, times]]}: seconds of these, forward and both on the way back."""
        work = []
        for rows, k, n, times in request["products"]:
            if (rows, k, n) not in self.buffers:
                make = lambda *shape: torch.randn(*shape).to(self.dtype)
                x, w, y = make(rows, k), make(n, k), make(rows, n)
                self.buffers[rows, k, n] = (x, w, y, torch.empty_like(y), torch.empty_like(x), torch.empty_like(w))
            work += [self.buffers[rows, k, n]] * times
        with torch.no_grad():
            start = time.perf_counter()
            for x, w, y, out, in_gradient, weight_gradient in work:
                torch.mm(x, w.t(), out=out)
            for x, w, y, out, in_gradient, weight_gradient in reversed(work):
                torch.mm(y, w, out=in_gradient)
                torch.mm(y.t(), x, out=weight_gradient)
            return {"seconds": time.perf_counter() - start}

"""One R-Drop training step of a language model (gpt.py) or a classifier (encoder.py) in PyTorch: the batch concatenated with itself,
cross-entropy of both passes, two softmaxes and kl_div, torch.optim.AdamW. Eager or under torch.compile; in bfloat16 the forward
pass runs under autocast. The protocol is train_step.py's: settings on the first line of standard input, then a request a line.
    {"check": batch, "secondSource": [[token]], "direction": D}   loss and norm of its gradient divided by the targets, without
                                                      dropout; the two passes differ by their source
    {"step": batch, "direction": D}                   seconds of a step, peak memory of the process so far, loss
    {"products": [[rows, in, out, times]]}            seconds of these products alone, forward and both on the way back
A batch is {"source": [[token]], "target": [[token]]}: of a language model as long as each other, of a classifier one class a row.
"""

import contextlib
import importlib
import resource
import time

import torch
import torch.nn.functional as F

from products import Products
from serve_step import serve
from weights import read_safetensors

PAD = 1


def padded(sentences):
    tokens = torch.full((len(sentences), max(map(len, sentences))), PAD, dtype=torch.long)
    for row, sentence in enumerate(sentences):
        tokens[row, : len(sentence)] = torch.tensor(sentence)
    return tokens


def criterion(logits, target, alpha, direction):
    """logits [2N,V], rows 0..N-1 of pass 1; target [N]. Sums; both passes added."""
    logits = logits.float()
    loss = F.cross_entropy(logits, torch.cat([target, target]), reduction="sum")
    first, second = logits.chunk(2)
    divergence = 0.0
    if direction != "uni-reverse":
        divergence = F.kl_div(F.log_softmax(second, -1), F.softmax(first, -1), reduction="sum")
    if direction != "uni":
        divergence = divergence + F.kl_div(F.log_softmax(first, -1), F.softmax(second, -1), reduction="sum")
    return loss + alpha * (divergence / 2 if direction == "bi" else divergence)


class Side:
    def __init__(self, s):
        self.s = s
        torch.manual_seed(s["seed"])
        self.model = importlib.import_module(s["network"]).Model(s)
        with torch.no_grad():
            self.model.read(read_safetensors(s["parameters"]))
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(self.parameters, 5e-4, (0.9, 0.98), 1e-8, 1e-4)
        compiled = s["form"] == "compile"
        self.forward = torch.compile(self.model) if compiled else self.model
        self.criterion = torch.compile(criterion) if compiled else criterion
        self.products = Products(s["precision"])

    def context(self):
        if self.s["precision"] == "bfloat16":
            return torch.autocast("cpu", torch.bfloat16)
        return contextlib.nullcontext()

    def backward(self, source, target, direction):
        with self.context():
            logits = self.forward(source)
        loss = self.criterion(logits, target, self.s["alpha"], direction)
        (loss / len(target)).backward()
        return loss

    def check(self, request):
        target = torch.tensor(sum(request["check"]["target"], []))
        self.model.eval()
        source = padded(request["check"]["source"] + request["secondSource"])
        loss = self.backward(source, target, request["direction"])
        norm = sum(p.grad.double().square().sum().item() for p in self.parameters) ** 0.5
        self.optimizer.zero_grad(set_to_none=True)
        self.model.train()
        return {"loss": loss.item(), "gradientNorm": norm}

    def step(self, request):
        source = padded(request["step"]["source"])
        target = torch.tensor(sum(request["step"]["target"], []))
        start = time.perf_counter()
        loss = self.backward(torch.cat([source, source]), target, request["direction"])
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"seconds": seconds, "peakMegabytes": peak, "loss": loss.item()}


serve(Side)

"""One R-Drop training step in PyTorch, written as dropreg/R-Drop's fairseq writes it: padded batches, the batch concatenated
with itself, log_softmax and softmax of the logits, two kl_div, its Adam parameter by parameter. Attention is torch's
scaled_dot_product_attention. Eager or under torch.compile; in bfloat16 the forward pass runs under autocast.

Settings on the first line of standard input, then one request a line, each answered with one line, all JSON, so that
`rdrop bench` can take turns. A batch is {"source": [[token]], "target": [[token]]}, eos included, no padding.
    {"check": batch, "secondSource": [[token]], "direction": D}   loss and norm of its gradient divided by the target tokens, without
                                                      dropout; the two passes differ by their source
    {"step": batch, "direction": D}                   seconds of a step, peak memory of the process so far, loss
    {"products": [[rows, in, out, times]]}            seconds of these products alone, forward and both on the way back
"""

import contextlib
import resource
import time

import torch

from fairseq_transformer import Model, adam_step, criterion
from iwslt14 import decoder_input
from products import Products
from serve_step import serve
from weights import load_parameters


def padded(sentences):
    tokens = torch.full((len(sentences), max(map(len, sentences))), 1, dtype=torch.long)
    for row, sentence in enumerate(sentences):
        tokens[row, : len(sentence)] = torch.tensor(sentence)
    return tokens


class Side:
    def __init__(self, s):
        self.s = s
        torch.manual_seed(s["seed"])
        self.model = Model(s["vocabSize"], s["embedDim"], s["ffnDim"], s["heads"], s["layers"], s["dropout"], attention="sdpa")
        load_parameters(self.model, s["parameters"])
        self.parameters = list(self.model.parameters())
        self.state = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]
        self.update = 0
        self.compiled = torch.compile(self.model) if s["form"] == "compile" else self.model
        self.criterion = torch.compile(criterion) if s["form"] == "compile" else criterion
        self.products = Products(s["precision"])

    def context(self):
        if self.s["precision"] == "bfloat16":
            return torch.autocast("cpu", torch.bfloat16)
        return contextlib.nullcontext()

    def backward(self, model, source, target, direction):
        """source of both passes, one below the other; target of one."""
        previous = decoder_input(target)
        with self.context():
            logits = model(source, torch.cat([previous, previous]), padded=source.eq(1).any().item())
        loss = self.criterion(logits, target, self.s["alpha"], self.s["labelSmoothing"], direction)
        loss.backward()
        return loss

    def clear(self):
        for parameter in self.parameters:
            parameter.grad = None

    def check(self, request):
        first, target = padded(request["check"]["source"]), padded(request["check"]["target"])
        self.model.eval()
        loss = self.backward(self.compiled, torch.cat([first, padded(request["secondSource"])]), target, request["direction"])
        tokens = target.ne(1).sum().item()
        norm = sum(p.grad.double().square().sum().item() for p in self.parameters) ** 0.5 / tokens
        self.clear()
        self.model.train()
        return {"loss": loss.item(), "gradientNorm": norm}

    def step(self, request):
        source, target = padded(request["step"]["source"]), padded(request["step"]["target"])
        tokens = target.ne(1).sum().item()
        self.update += 1
        start = time.perf_counter()
        loss = self.backward(self.compiled, torch.cat([source, source]), target, request["direction"])
        with torch.no_grad():
            adam_step(self.parameters, self.state, self.update, 5e-4, 1e-4, 1.0 / tokens)
        self.clear()
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"seconds": seconds, "peakMegabytes": peak, "loss": loss.item()}


serve(Side)

"""One R-Drop training step in PyTorch eager, written as dropreg/R-Drop's fairseq writes it: padded batches, the batch
concatenated with itself, log_softmax and softmax of the logits, two kl_div, its Adam parameter by parameter.

Reads one JSON line of settings, answers each line `step` on standard input with one JSON line of figures, so that
benchmarks/train_step.mjs can interleave it with ours. B pairs of S source and T target tokens, D width, V types.
"""

import json
import resource
import sys
import time

import torch

from fairseq_transformer import Model, adam_step, criterion


def main():
    s = json.loads(sys.stdin.readline())
    torch.manual_seed(s["seed"])
    torch.set_num_threads(s["threads"])
    model = Model(s["vocabSize"], s["embedDim"], s["ffnDim"], s["heads"], s["layers"], s["dropout"]).train()
    parameters = list(model.parameters())
    state = [(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]
    print(json.dumps({"version": torch.__version__, "parameters": sum(p.numel() for p in parameters)}), flush=True)
    update = 0
    for _ in sys.stdin:
        update += 1
        tokens = lambda length: torch.cat([torch.randint(4, s["vocabSize"], (s["pairs"], length - 1)), torch.full((s["pairs"], 1), 2)], 1)
        source, target = tokens(s["sourceTokens"]), tokens(s["targetTokens"])
        previous = torch.cat([target[:, -1:], target[:, :-1]], 1)
        start = time.perf_counter()
        logits = model(torch.cat([source, source.clone()]), torch.cat([previous, previous.clone()]))
        loss = criterion(logits, target, s["alpha"], s["labelSmoothing"], s["direction"])
        loss.backward()
        with torch.no_grad():
            adam_step(parameters, state, update, 5e-4, 1e-4, 1.0 / target.numel())
        for parameter in parameters:
            parameter.grad = None
        seconds = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peakMegabytes": peak, "loss": loss.item()}), flush=True)


main()

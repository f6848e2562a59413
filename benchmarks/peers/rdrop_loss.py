"""The R-Drop loss in PyTorch, written as dropreg/R-Drop's fairseq criterion writes it: log_softmax for the cross-entropy,
log_softmax and softmax again for the divergences, kl_div per element, masks; then backward to the logits. Eager and under
torch.compile. N target positions of one pass, V classes, logits [2N,V].

Settings on the first line of standard input, then one request a line, each answered with one line, so that
`rdrop bench loss` can take turns:
    {"time": "eager" | "compile", "direction": D, "repeats": k}   seconds of each repetition
    {"check": file, "direction": D, "loss": x}                    errors against float64 of our gradient and of eager's
"""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F


def criterion(logits, target, alpha, epsilon, ignored, direction):
    rows = target.shape[0]
    both = torch.cat([target, target]).unsqueeze(-1)
    pad = both.eq(ignored)
    lprobs = F.log_softmax(logits, -1)
    nll = -lprobs.gather(-1, both.clamp_min(0)).masked_fill(pad, 0.0)
    smooth = -lprobs.sum(-1, keepdim=True).masked_fill(pad, 0.0)
    loss = (1.0 - epsilon) * nll.sum() + epsilon / logits.shape[-1] * smooth.sum()
    log_p, log_q = torch.split(F.log_softmax(logits, -1), rows)
    p, q = torch.split(F.softmax(logits, -1), rows)
    mask = target.unsqueeze(-1).eq(ignored)
    divergence = 0.0
    if direction != "uni-reverse":
        divergence = F.kl_div(log_q, p, reduction="none").masked_fill(mask, 0.0).sum()
    if direction != "uni":
        divergence = divergence + F.kl_div(log_p, q, reduction="none").masked_fill(mask, 0.0).sum()
    return loss + alpha * (divergence / 2 if direction == "bi" else divergence)


def main():
    s = json.loads(sys.stdin.readline())
    torch.set_num_threads(s["threads"])
    logits = torch.from_numpy(np.fromfile(s["logits"], dtype=np.float32)).view(-1, s["classes"]).requires_grad_()
    target = torch.from_numpy(np.fromfile(s["targets"], dtype=np.int32)).long()
    rows = target.shape[0]
    forms = {"eager": criterion}
    print(json.dumps({"version": f"torch {torch.__version__}"}), flush=True)

    def once(form, direction):
        logits.grad = None
        loss = form(logits, target, s["alpha"], s["labelSmoothing"], s["ignoreIndex"], direction)
        loss.backward()
        return loss.item()

    warm = set()
    for line in sys.stdin:
        request = json.loads(line)
        direction = request["direction"]
        if "time" in request:
            if request["time"] == "compile" and "compile" not in forms:
                forms["compile"] = torch.compile(criterion)
            form = forms[request["time"]]
            if (request["time"], direction) not in warm:
                once(form, direction)
                once(form, direction)
                warm.add((request["time"], direction))
            once(form, direction)  # ours has an untimed one before each request too
            seconds = []
            for _ in range(request["repeats"]):
                start = time.perf_counter()
                once(form, direction)
                seconds.append(time.perf_counter() - start)
            answer = {"seconds": seconds}
        else:
            ours = torch.from_numpy(np.fromfile(request["check"], dtype=np.float32)).view_as(logits)
            eager_loss = once(criterion, direction)
            truth, worst, eager_worst = 0.0, 0.0, 0.0
            for begin in range(0, rows, 64):
                pick = torch.cat([torch.arange(begin, min(begin + 64, rows)) + k * rows for k in (0, 1)])
                exact = logits.detach()[pick].double().requires_grad_()
                part = criterion(exact, target[begin : begin + 64], s["alpha"], s["labelSmoothing"], s["ignoreIndex"], direction)
                part.backward()
                truth += part.item()
                worst = max(worst, (ours[pick] - exact.grad).abs().max().item())
                eager_worst = max(eager_worst, (logits.grad[pick] - exact.grad).abs().max().item())
            answer = {
                "gradientError": worst,
                "lossError": abs(request["loss"] / truth - 1),
                "eagerGradientError": eager_worst,
                "eagerLossError": abs(eager_loss / truth - 1),
            }
        print(json.dumps(answer), flush=True)


main()

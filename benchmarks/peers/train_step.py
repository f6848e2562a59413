"""One R-Drop training step in PyTorch eager, written as dropreg/R-Drop's fairseq writes it: padded batches, the batch
concatenated with itself, log_softmax and softmax of the logits, two kl_div, its Adam parameter by parameter.

Reads one JSON line of settings, answers each line `step` on standard input with one JSON line of figures, so that
benchmarks/train_step.ts can interleave it with ours. B pairs of S source and T target tokens, D width, V types.
"""

import json
import math
import resource
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, query, key, mask):
        b, t, d = query.shape
        split = lambda x: x.view(b, -1, self.heads, d // self.heads).transpose(1, 2).reshape(b * self.heads, -1, d // self.heads)
        q = split(self.q_proj(query)) * (d // self.heads) ** -0.5
        k, v = split(self.k_proj(key)), split(self.v_proj(key))
        weights = torch.bmm(q, k.transpose(1, 2))
        weights = (weights.view(b, self.heads, t, -1) + mask).view(b * self.heads, t, -1)
        attended = torch.bmm(F.softmax(weights, dim=-1, dtype=torch.float32).type_as(weights), v)
        return self.out_proj(attended.view(b, self.heads, t, -1).transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, width, inner, heads, dropout, decoder):
        super().__init__()
        self.dropout, self.decoder = dropout, decoder
        self.self_attn = Attention(width, heads)
        self.encoder_attn = Attention(width, heads) if decoder else None
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if decoder else 2))

    def forward(self, x, self_mask, memory=None, memory_mask=None):
        drop = lambda y: F.dropout(y, self.dropout, self.training)
        x = self.norms[0](x + drop(self.self_attn(x, x, self_mask)))
        if self.decoder:
            x = self.norms[1](x + drop(self.encoder_attn(x, memory, memory_mask)))
        return self.norms[-1](x + drop(self.fc2(F.relu(self.fc1(x)))))


class Model(nn.Module):
    def __init__(self, types, width, inner, heads, layers, dropout):
        super().__init__()
        self.width, self.dropout = width, dropout
        self.embed = nn.Embedding(types, width, padding_idx=1)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        self.encoder = nn.ModuleList(Layer(width, inner, heads, dropout, False) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(width, inner, heads, dropout, True) for _ in range(layers))
        half = width // 2
        rate = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        angles = torch.arange(1026).unsqueeze(1) * rate.unsqueeze(0)
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], 1))

    def embed_tokens(self, tokens):
        x = self.embed(tokens) * math.sqrt(self.width) + self.positions[2 : 2 + tokens.shape[1]]
        return F.dropout(x, self.dropout, self.training)

    def forward(self, source, previous):
        padding = torch.zeros(source.shape, dtype=torch.float32).masked_fill(source.eq(1), float("-inf"))[:, None, None, :]
        memory = self.embed_tokens(source)
        for layer in self.encoder:
            memory = layer(memory, padding)
        x = self.embed_tokens(previous)
        future = torch.triu(torch.full((previous.shape[1],) * 2, float("-inf")), 1)
        for layer in self.decoder:
            x = layer(x, future, memory, padding)
        return F.linear(x, self.embed.weight)


def criterion(logits, target, alpha, epsilon, direction):
    lprobs = F.log_softmax(logits, -1)
    both = torch.cat([target, target]).unsqueeze(-1)
    pad = both.eq(1)
    nll = -lprobs.gather(-1, both).masked_fill(pad, 0.0)
    smooth = -lprobs.sum(-1, keepdim=True).masked_fill(pad, 0.0)
    rest = epsilon / (lprobs.shape[-1] - 1)
    loss = (1.0 - epsilon - rest) * nll.sum() + rest * smooth.sum()
    log_p, log_q = torch.split(F.log_softmax(logits, -1), logits.shape[0] // 2)
    p, q = torch.split(F.softmax(logits, -1), logits.shape[0] // 2)
    mask = target.unsqueeze(-1).eq(1)
    forward = F.kl_div(log_q, p, reduction="none").masked_fill(mask, 0.0).sum()
    if direction == "uni":
        return loss + alpha * forward
    return loss + alpha * (forward + F.kl_div(log_p, q, reduction="none").masked_fill(mask, 0.0).sum()) / 2


def adam_step(parameters, state, update, rate, decay, scale):
    for parameter, (first, second) in zip(parameters, state):
        gradient = parameter.grad.mul_(scale)
        first.mul_(0.9).add_(gradient, alpha=0.1)
        second.mul_(0.98).addcmul_(gradient, gradient, value=0.02)
        step = rate * math.sqrt(1 - 0.98**update) / (1 - 0.9**update)
        parameter.add_(parameter, alpha=-decay * rate)
        parameter.addcdiv_(first, second.sqrt().add_(1e-8), value=-step)


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

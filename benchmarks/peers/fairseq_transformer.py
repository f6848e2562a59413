"""fairseq's Transformer with dropreg/R-Drop's criterion and fairseq's Adam in PyTorch, for the peers of the benchmarks.

Padded batches: B pairs, S and T positions, D width, F inner width, V types, pad 1. attention "composed" writes scores and
probabilities out, as fairseq's own bmm path does; "sdpa" is torch's scaled_dot_product_attention, which chooses the kernel.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads, kind):
        super().__init__()
        self.heads, self.kind = heads, kind
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, query, key, mask, causal=False):
        """query [B,T,D], key [B,S,D]; mask, or None, is added to the scores; causal stands for a mask of the future."""
        b, t, d = query.shape
        split = lambda x: x.view(b, -1, self.heads, d // self.heads).transpose(1, 2)
        if self.kind == "sdpa":
            q, k, v = split(self.q_proj(query)), split(self.k_proj(key)), split(self.v_proj(key))
            attended = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
            return self.out_proj(attended.transpose(1, 2).reshape(b, t, d))
        fold = lambda x: split(x).reshape(b * self.heads, -1, d // self.heads)
        q = fold(self.q_proj(query)) * (d // self.heads) ** -0.5
        k, v = fold(self.k_proj(key)), fold(self.v_proj(key))
        weights = torch.bmm(q, k.transpose(1, 2))
        if causal:
            mask = torch.triu(torch.full((t, t), float("-inf"), dtype=weights.dtype, device=weights.device), 1)
        if mask is not None:
            weights = (weights.view(b, self.heads, t, -1) + mask).view(b * self.heads, t, -1)
        attended = torch.bmm(F.softmax(weights, dim=-1, dtype=torch.float32).type_as(weights), v)
        return self.out_proj(attended.view(b, self.heads, t, -1).transpose(1, 2).reshape(b, t, d))


class Layer(nn.Module):
    def __init__(self, width, inner, heads, dropout, decoder, attention):
        super().__init__()
        self.dropout, self.decoder = dropout, decoder
        self.self_attn = Attention(width, heads, attention)
        self.encoder_attn = Attention(width, heads, attention) if decoder else None
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3 if decoder else 2))

    def forward(self, x, padding, memory=None):
        """padding: the mask of the source, added to scores."""
        drop = lambda y: F.dropout(y, self.dropout, self.training)
        x = self.norms[0](x + drop(self.self_attn(x, x, None if self.decoder else padding, causal=self.decoder)))
        if self.decoder:
            x = self.norms[1](x + drop(self.encoder_attn(x, memory, padding)))
        return self.norms[-1](x + drop(self.fc2(F.relu(self.fc1(x)))))


class Model(nn.Module):
    def __init__(self, types, width, inner, heads, layers, dropout, attention="composed"):
        super().__init__()
        self.width, self.dropout = width, dropout
        self.embed = nn.Embedding(types, width, padding_idx=1)
        nn.init.normal_(self.embed.weight, std=width**-0.5)
        self.encoder = nn.ModuleList(Layer(width, inner, heads, dropout, False, attention) for _ in range(layers))
        self.decoder = nn.ModuleList(Layer(width, inner, heads, dropout, True, attention) for _ in range(layers))
        half = width // 2
        rate = torch.exp(torch.arange(half) * -(math.log(10000) / (half - 1)))
        angles = torch.arange(1026).unsqueeze(1) * rate.unsqueeze(0)
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], 1))

    def embed_tokens(self, tokens):
        x = self.embed(tokens) * math.sqrt(self.width) + self.positions[2 : 2 + tokens.shape[1]]
        return F.dropout(x, self.dropout, self.training)

    def forward(self, source, previous, padded=True):
        """Logits [B,T,V]. Not padded: no position of the source is, so that attention needs no mask, as in fairseq."""
        padding = None
        if padded:
            hidden = next(self.encoder.parameters()).dtype
            padding = torch.zeros(source.shape, dtype=hidden, device=source.device)
            padding = padding.masked_fill(source.eq(1), float("-inf"))[:, None, None, :]
        memory = self.embed_tokens(source)
        for layer in self.encoder:
            memory = layer(memory, padding)
        x = self.embed_tokens(previous)
        for layer in self.decoder:
            x = layer(x, padding, memory)
        return F.linear(x, self.embed.weight)


def criterion(logits, target, alpha, epsilon, direction):
    """The loss of both passes: logits [2B,T,V], target [B,T]. Losses in float32, whatever the logits are."""
    lprobs = F.log_softmax(logits, -1, dtype=torch.float32)
    both = torch.cat([target, target]).unsqueeze(-1)
    pad = both.eq(1)
    nll = -lprobs.gather(-1, both).masked_fill(pad, 0.0)
    smooth = -lprobs.sum(-1, keepdim=True).masked_fill(pad, 0.0)
    loss = (1.0 - epsilon) * nll.sum() + epsilon / lprobs.shape[-1] * smooth.sum()
    log_p, log_q = torch.split(F.log_softmax(logits, -1, dtype=torch.float32), logits.shape[0] // 2)
    p, q = torch.split(F.softmax(logits, -1, dtype=torch.float32), logits.shape[0] // 2)
    mask = target.unsqueeze(-1).eq(1)
    divergence = 0.0
    if direction != "uni-reverse":
        divergence = F.kl_div(log_q, p, reduction="none").masked_fill(mask, 0.0).sum()
    if direction != "uni":
        divergence = divergence + F.kl_div(log_p, q, reduction="none").masked_fill(mask, 0.0).sum()
    return loss + alpha * (divergence / 2 if direction == "bi" else divergence)


def adam_step(parameters, state, update, rate, decay, scale):
    for parameter, (first, second) in zip(parameters, state):
        gradient = parameter.grad.mul_(scale)
        first.mul_(0.9).add_(gradient, alpha=0.1)
        second.mul_(0.98).addcmul_(gradient, gradient, value=0.02)
        step = rate * math.sqrt(1 - 0.98**update) / (1 - 0.9**update)
        parameter.add_(parameter, alpha=-decay * rate)
        parameter.addcdiv_(first, second.sqrt().add_(1e-8), value=-step)

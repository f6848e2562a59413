"""A GPT in PyTorch, written as nanoGPT's model.py writes it: pre-norm, one product for query, key and value, learned positions,
tied output projection, scaled_dot_product_attention, gelu. B rows, T positions, D width, V types.
"""

import torch
import torch.nn.functional as F
from torch import nn


class LayerNorm(nn.Module):
    """torch's own has no way to leave out the bias alone with F.layer_norm's speed in every version."""

    def __init__(self, width, bias):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width)) if bias else None

    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, 1e-5)


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        width, bias = s["embedDim"], s["bias"]
        self.heads, self.dropout = s["heads"], s["dropout"]
        self.ln_1, self.ln_2 = LayerNorm(width, bias), LayerNorm(width, bias)
        self.c_attn = nn.Linear(width, 3 * width, bias=bias)
        self.attn_proj = nn.Linear(width, width, bias=bias)
        self.c_fc = nn.Linear(width, s["ffnDim"], bias=bias)
        self.mlp_proj = nn.Linear(s["ffnDim"], width, bias=bias)

    def forward(self, x):
        b, t, d = x.shape
        drop = lambda y: F.dropout(y, self.dropout, self.training)
        q, k, v = (part.view(b, t, self.heads, d // self.heads).transpose(1, 2) for part in self.c_attn(self.ln_1(x)).split(d, 2))
        dropped = self.dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(q, k, v, dropout_p=dropped, is_causal=True)
        x = x + drop(self.attn_proj(attended.transpose(1, 2).contiguous().view(b, t, d)))
        return x + drop(self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)))))


class Model(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.dropout = s["dropout"]
        self.wte = nn.Embedding(s["vocabSize"], s["embedDim"])
        self.wpe = nn.Embedding(s["maxPositions"], s["embedDim"])
        self.h = nn.ModuleList(Block(s) for _ in range(s["layers"]))
        self.ln_f = LayerNorm(s["embedDim"], s["bias"])

    def forward(self, tokens):
        """tokens [B,T]; logits [B·T,V]."""
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        x = F.dropout(x, self.dropout, self.training)
        for block in self.h:
            x = block(x)
        return F.linear(self.ln_f(x), self.wte.weight).flatten(0, 1)

    def read(self, tensors):
        """Takes rdrop's parameters, which have fairseq's names."""
        names = {"wte.weight": "decoder.embed_tokens.weight", "ln_f.weight": "decoder.layer_norm.weight"}
        names["ln_f.bias"] = "decoder.layer_norm.bias"
        parts = {"ln_1": "self_attn_layer_norm", "ln_2": "final_layer_norm", "attn_proj": "self_attn.out_proj"}
        parts |= {"c_fc": "fc1", "mlp_proj": "fc2"}
        for name, parameter in self.named_parameters():
            if name == "wpe.weight":  # fairseq's first two rows are of padding
                value = tensors["decoder.embed_positions.weight"][2:]
            elif name in names:
                value = tensors[names[name]]
            else:
                _, layer, part, kind = name.split(".")
                prefix = f"decoder.layers.{layer}."
                if part == "c_attn":
                    value = torch.cat([tensors[f"{prefix}self_attn.{which}_proj.{kind}"] for which in "qkv"])
                else:
                    value = tensors[f"{prefix}{parts[part]}.{kind}"]
            parameter.copy_(value)

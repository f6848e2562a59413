"""Reads a safetensors file (float32 alone) and puts rdrop's parameters, which have fairseq's names, into the peer's model."""

import json
import struct

import torch


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        body = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", f"{name}: expected F32, got {entry['dtype']}"
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(body, dtype=torch.float32, count=(end - begin) // 4, offset=begin).view(entry["shape"])
    return tensors


def name_of(name):
    """fairseq's name of a parameter as fairseq_transformer.py has it."""
    if name.endswith("embed_tokens.weight"):
        return "embed.weight"
    name = name.replace(".layers.", ".")
    name = name.replace("self_attn_layer_norm", "norms.0").replace("encoder_attn_layer_norm", "norms.1")
    return name.replace("final_layer_norm", "norms.2" if name.startswith("decoder") else "norms.1")


def load_parameters(model, path):
    own = dict(model.named_parameters())
    given = {name_of(name): tensor for name, tensor in read_safetensors(path).items()}
    assert own.keys() == given.keys(), f"other parameters: {sorted(own.keys() ^ given.keys())[:6]}"
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(given[name])

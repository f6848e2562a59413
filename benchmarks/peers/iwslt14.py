"""The batches of benchmarks/iwslt14/batches.txt with the tokens that benchmarks/iwslt14/batches.mjs draws: both sides of a
comparison train on the same numbers. A batch is a pair of lists of lengths; sentences are padded with 1."""

import math
import pathlib

import torch

FILE = pathlib.Path(__file__).parents[1] / "iwslt14" / "batches.txt"


def read_batches():
    """[(source lengths, target lengths)], in the order of an epoch."""
    batches = []
    for line in FILE.read_text().splitlines():
        if line.startswith("#"):
            continue
        source, target = [], []
        for entry in line.split():
            s, t, pairs = map(int, entry.split(":"))
            source += [s] * pairs
            target += [t] * pairs
        batches.append((source, target))
    return batches


def tokens_of(batch):
    return sum(batch[0]) + sum(batch[1])


def sample_batches(batches, count):
    """Every k-th batch by size, neighbors mixed: sampleBatches() of batches.mjs."""
    ordered = sorted(batches, key=tokens_of)
    count = min(count, len(ordered))
    chosen = [ordered[int((i + 0.5) * len(ordered) / count)] for i in range(count)]
    step = math.floor(0.58 * count + 0.5)
    while math.gcd(step, count) != 1:
        step += 1
    return [chosen[step * i % count] for i in range(count)]


class Tokens:
    """The linear congruential generator of batches.mjs."""

    def __init__(self, seed, types):
        self.state, self.types = seed, types

    def sentences(self, lengths):
        """int64 [B, longest]; every sentence ends in eos (2)."""
        padded = torch.full((len(lengths), max(lengths)), 1, dtype=torch.long)
        for row, length in enumerate(lengths):
            words = []
            for _ in range(length - 1):
                self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
                words.append(4 + (self.state >> 8) % (self.types - 4))
            padded[row, :length] = torch.tensor(words + [2])
        return padded


def decoder_input(target):
    """eos, then the target without its last token; padding stays."""
    previous = target.roll(1, 1)
    previous[:, 0] = 2
    return previous.masked_fill(previous.eq(2) & (torch.arange(target.shape[1]) > 0), 1)

#!/usr/bin/env python3
"""A small transformer that is trained wastefully, or with one of its wastes mended, as actscope's advice has it.

    pytorch_advice.py [--model gpt|wide|heavy] [--spread N] [--mend WASTE]

Wasteful: gradients are filled with zeros instead of let go, the logits live on into the next step, dropout's masks are
floats, the optimizer works on all parameters at once, and so does a statistic (--spread) on all pairs of N tokens.
"""
import argparse
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

MODELS = {  # width, layers, heads, length, vocabulary, batch
    "gpt": (192, 3, 4, 128, 2048, 12),
    "wide": (384, 2, 2, 64, 1024, 16),
    "heavy": (640, 2, 2, 32, 1024, 1),  # which peaks in the update
}
MENDS = ["masks", "gradients", "kept", "checkpoint", "recompute", "foreach", "pairs"]
SLICE = 1 << 16  # elements that are packed at a time, so that this takes no room of its own


class PackedDropout(torch.autograd.Function):
    """Keeps a bit an element."""

    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        y, kept = x.flatten().clone(), torch.empty((x.numel() + 7) // 8, dtype=torch.uint8)
        powers = 1 << torch.arange(8, dtype=torch.uint8)
        for begin in range(0, y.numel(), SLICE):
            part = y[begin:begin + SLICE]
            mask = torch.empty(part.numel(), dtype=torch.uint8).bernoulli_(1 - p)
            part.mul_(mask).div_(1 - p)
            bits = F.pad(mask, (0, -mask.numel() % 8)).view(-1, 8)
            kept[begin // 8:begin // 8 + bits.shape[0]] = (bits * powers).sum(dim=1, dtype=torch.uint8)
        ctx.save_for_backward(kept)
        return y.view(x.shape)

    @staticmethod
    def backward(ctx, dy):
        kept, = ctx.saved_tensors
        dx = dy.flatten().clone()
        powers = 1 << torch.arange(8, dtype=torch.uint8)
        for begin in range(0, dx.numel(), SLICE):
            part = dx[begin:begin + SLICE]
            bits = kept[begin // 8:(begin + part.numel() + 7) // 8, None].bitwise_and(powers).ne(0).view(-1)
            part.mul_(bits[:part.numel()]).div_(1 - ctx.p)
        return dx.view(dy.shape), None


def run(mended, function, x):
    return checkpoint(function, x, use_reentrant=True) if mended else function(x)


class Block(nn.Module):
    def __init__(self, width, heads, mend):
        super().__init__()
        self.heads, self.mend = heads, mend
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.gelu, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def dropout(self, x):
        return PackedDropout.apply(x, 0.1) if self.mend == "masks" else F.dropout(x, 0.1)

    def attention(self, qkv):
        batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        q, k, v = qkv.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = F.softmax(q @ k.transpose(-2, -1) / math.sqrt(width // self.heads), dim=-1)
        return (self.dropout(scores) @ v).transpose(1, 2).reshape(batch, length, width)

    def forward(self, x):
        again = self.mend == "recompute"
        qkv = run(again, lambda x: self.qkv(self.norm1(x)), x)
        x = x + self.dropout(self.out(self.attention(qkv)))
        hidden = run(again, lambda x: self.up(self.norm2(x)), x)
        return x + self.dropout(run(again, lambda hidden: self.down(self.gelu(hidden)), hidden))


class Model(nn.Module):
    def __init__(self, width, layers, heads, length, vocabulary, mend):
        super().__init__()
        self.mend = mend
        self.token, self.place = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads, mend) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, tokens):
        x = self.token(tokens) + self.place(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = run(self.mend == "checkpoint", block, x)
        return run(self.mend == "recompute", lambda x: self.head(self.norm(x)), x)


def spread(x, at_once):
    """Mean distance of the rows, of so many with the others at once."""
    parts = ((part[:, None] - x[None]).abs_().sum() for part in x.split(at_once))
    return sum(part.item() for part in parts) / x.shape[0]**2


def train(options):
    width, layers, heads, length, vocabulary, batch = MODELS[options.model]
    torch.manual_seed(0)
    model = Model(width, layers, heads, length, vocabulary, options.mend)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=options.mend != "foreach")
    for _ in range(options.steps):
        tokens = torch.randint(vocabulary, (batch, length + 1))
        logits = model(tokens[:, :-1])
        if options.spread:
            with torch.no_grad():
                spread(model.token.weight[:options.spread], 2 if options.mend == "pairs" else options.spread)
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        if options.mend == "kept":
            del logits
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=options.mend == "gradients")
    print(f"{loss.item():.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=list(MODELS), default="gpt")
    parser.add_argument("--mend", choices=MENDS)
    parser.add_argument("--spread", type=int, default=0, metavar="N")
    parser.add_argument("--steps", type=int, default=3)
    train(parser.parse_args())


if __name__ == "__main__":
    main()

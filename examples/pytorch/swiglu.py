#!/usr/bin/env python3
"""Trains a small language model in the manner of Llama on a text file: RMSNorm, rotary positions, SwiGLU, no biases.

    python3 swiglu.py                       # some 20 steps on the GPL
    python3 swiglu.py --text my.txt --steps 2000 --layers 6 --embed 384
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from common import begin, count_parameters, make_text_parser, read_text, sample_pieces, train


class RMSNorm(nn.Module):
    def __init__(self, embed):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(embed))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6))


class Rotary(nn.Module):
    """Turns each pair of a head's numbers by an angle that grows with the position."""

    def __init__(self, width, block):
        super().__init__()
        angle = torch.arange(block)[:, None] * 10000 ** (-torch.arange(0, width, 2) / width)
        self.register_buffer("cos", torch.cos(angle), persistent=False)
        self.register_buffer("sin", torch.sin(angle), persistent=False)

    def forward(self, x):
        length = x.shape[-2]
        cos, sin = self.cos[:length], self.sin[:length]
        left, right = x.chunk(2, dim=-1)
        return torch.cat([left * cos - right * sin, right * cos + left * sin], dim=-1)


class Attention(nn.Module):
    def __init__(self, embed, heads, block):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(embed, embed, bias=False) for _ in range(4))
        self.rotary = Rotary(embed // heads, block)
        future = torch.full((block, block), float("-inf")).triu(1)
        self.register_buffer("future", future, persistent=False)

    def split(self, x):
        batch, length, embed = x.shape
        return x.view(batch, length, self.heads, embed // self.heads).transpose(1, 2)

    def forward(self, x):
        length = x.shape[1]
        q, k = self.rotary(self.split(self.query(x))), self.rotary(self.split(self.key(x)))
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) + self.future[:length, :length]
        mixed = F.softmax(scores, dim=-1) @ self.split(self.value(x))
        return self.out(mixed.transpose(1, 2).reshape(x.shape))


class SwiGLU(nn.Module):
    def __init__(self, embed, hidden):
        super().__init__()
        self.gate = nn.Linear(embed, hidden, bias=False)
        self.up = nn.Linear(embed, hidden, bias=False)
        self.down = nn.Linear(hidden, embed, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Block(nn.Module):
    def __init__(self, embed, heads, hidden, block):
        super().__init__()
        self.norm1 = RMSNorm(embed)
        self.attention = Attention(embed, heads, block)
        self.norm2 = RMSNorm(embed)
        self.mlp = SwiGLU(embed, hidden)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def make_model(vocabulary, layers, embed, heads, hidden, block):
    blocks = [Block(embed, heads, hidden, block) for _ in range(layers)]
    return nn.Sequential(nn.Embedding(vocabulary, embed), *blocks, RMSNorm(embed),
                         nn.Linear(embed, vocabulary, bias=False))


def parse_options():
    parser = make_text_parser("Train a small language model with SwiGLU on a text file.")
    parser.add_argument("--hidden", type=int, default=688, help="width of SwiGLU")
    return begin(parser)


def main():
    options = parse_options()
    data, characters = read_text(options.text)
    model = make_model(len(characters), options.layers, options.embed, options.heads, options.hidden, options.block)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
    print(f"{count_parameters(model)}, {len(data):,} characters, {len(characters)} different ones")

    def compute_loss():
        pieces = sample_pieces(data, options.batch, options.block + 1)
        return F.cross_entropy(model(pieces[:, :-1]).flatten(0, 1), pieces[:, 1:].flatten()), None

    train(options.steps, optimizer, compute_loss)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Six models, each trained by a plain loop; --truth FILE writes what autograd keeps in every step.

    pytorch_models.py --model gpt|bert|resnet|cnn_silu|swiglu|mlp [--steps N] [--batch N] [--truth FILE]
"""
import argparse
import math
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_truth  # noqa: E402

VOCABULARY = 96


class Attention(nn.Module):
    """Causal self-attention, written out; `rotate` turns queries and keys by their place, if given."""

    def __init__(self, embed, heads, dropout=0.0):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(embed, 3 * embed)
        self.out = nn.Linear(embed, embed)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, rotate=lambda part: part):
        batch, length, embed = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, embed // self.heads).permute(2, 0, 3, 1, 4)
        scores = rotate(q) @ rotate(k).transpose(-2, -1) / math.sqrt(embed // self.heads)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = self.dropout(F.softmax(scores.masked_fill(future, float("-inf")), dim=-1)) @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, length, embed))


class GPTBlock(nn.Module):
    def __init__(self, embed, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(embed), nn.LayerNorm(embed)
        self.attention = Attention(embed, heads, dropout=0.1)
        self.mlp = nn.Sequential(nn.Linear(embed, 4 * embed), nn.GELU(), nn.Linear(4 * embed, embed), nn.Dropout(0.1))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    batch = 8

    def __init__(self, embed=128, layers=3, heads=4, length=128):
        super().__init__()
        self.length = length
        self.token, self.place = nn.Embedding(VOCABULARY, embed), nn.Embedding(length, embed)
        self.blocks = nn.Sequential(*[GPTBlock(embed, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(embed), nn.Linear(embed, VOCABULARY, bias=False)

    def loss(self, batch):
        tokens = torch.randint(VOCABULARY, (batch, self.length + 1))
        x = self.token(tokens[:, :-1]) + self.place(torch.arange(self.length))
        logits = self.head(self.norm(self.blocks(x)))
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


class Bert(nn.Module):
    """PyTorch's own encoder layers, sentences of different lengths, a tanh pooler over the first token."""
    batch = 8

    def __init__(self, embed=128, layers=3, heads=4, length=128):
        super().__init__()
        self.length = length
        self.token, self.place = nn.Embedding(VOCABULARY, embed), nn.Embedding(length, embed)
        layer = nn.TransformerEncoderLayer(embed, heads, 4 * embed, dropout=0.1, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.pooler, self.head = nn.Linear(embed, embed), nn.Linear(embed, 2)

    def loss(self, batch):
        tokens = torch.randint(VOCABULARY, (batch, self.length))
        padding = torch.arange(self.length) >= torch.randint(self.length // 2, self.length + 1, (batch, 1))
        x = self.token(tokens) + self.place(torch.arange(self.length))
        x = self.encoder(x, src_key_padding_mask=padding)
        return F.cross_entropy(self.head(torch.tanh(self.pooler(x[:, 0]))), torch.randint(2, (batch,)))


class ResidualBlock(nn.Module):
    def __init__(self, width_in, width_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width_out), nn.BatchNorm2d(width_out)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(width_in, width_out, 1, stride)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    batch = 16

    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.stages = nn.Sequential(ResidualBlock(width, width, 1), ResidualBlock(width, 2 * width, 2),
                                    ResidualBlock(2 * width, 4 * width, 2))
        self.head = nn.Linear(4 * width, 10)

    def loss(self, batch):
        x = self.stages(self.stem(torch.randn(batch, 3, 32, 32)))
        return F.cross_entropy(self.head(F.adaptive_avg_pool2d(x, 1).flatten(1)), torch.randint(10, (batch,)))


class CnnSilu(nn.Module):
    batch = 16

    def __init__(self, width=16):
        super().__init__()
        widths = [3, width, 2 * width, 4 * width]
        stages = [nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.SiLU(),
                                nn.Conv2d(after, after, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2))
                  for before, after in zip(widths, widths[1:])]
        self.body = nn.Sequential(*stages, nn.Flatten())
        self.head = nn.Sequential(nn.Linear(4 * width * 16, 64), nn.SiLU(), nn.Linear(64, 10))

    def loss(self, batch):
        output = self.head(self.body(torch.randn(batch, 3, 32, 32)))
        return F.cross_entropy(output, torch.randint(10, (batch,)))


class RMSNorm(nn.Module):
    def __init__(self, embed):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(embed))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


class SwigluBlock(nn.Module):
    def __init__(self, embed, heads):
        super().__init__()
        self.norm1, self.norm2 = RMSNorm(embed), RMSNorm(embed)
        self.attention = Attention(embed, heads)
        self.gate, self.up = nn.Linear(embed, 3 * embed, bias=False), nn.Linear(embed, 3 * embed, bias=False)
        self.down = nn.Linear(3 * embed, embed, bias=False)

    def forward(self, x, rotate):
        x = x + self.attention(self.norm1(x), rotate)
        y = self.norm2(x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y))


class Swiglu(nn.Module):
    """Blocks as in Llama: RMSNorm, rotary places from buffers, SwiGLU."""
    batch = 8

    def __init__(self, embed=128, layers=3, heads=4, length=128):
        super().__init__()
        self.length = length
        self.token = nn.Embedding(VOCABULARY, embed)
        self.blocks = nn.ModuleList(SwigluBlock(embed, heads) for _ in range(layers))
        self.norm, self.head = RMSNorm(embed), nn.Linear(embed, VOCABULARY, bias=False)
        half = embed // heads // 2
        angle = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(half) / half)
        self.register_buffer("cos", torch.cat([angle, angle], dim=1).cos())
        self.register_buffer("sin", torch.cat([angle, angle], dim=1).sin())

    def rotate(self, x):
        left, right = x.chunk(2, dim=-1)
        return x * self.cos + torch.cat([-right, left], dim=-1) * self.sin

    def loss(self, batch):
        tokens = torch.randint(VOCABULARY, (batch, self.length + 1))
        x = self.token(tokens[:, :-1])
        for block in self.blocks:
            x = block(x, self.rotate)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1), tokens[:, 1:].flatten())


class Mlp(nn.Module):
    batch = 1024

    def __init__(self, width=256):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, width), nn.GELU(), nn.Linear(width, width), nn.ReLU(), nn.Dropout(0.1),
                                  nn.Linear(width, width), nn.ELU(), nn.Linear(width, width), nn.Tanh(),
                                  nn.Linear(width, 10))

    def loss(self, batch):
        return F.cross_entropy(self.body(torch.randn(batch, 64)), torch.randint(10, (batch,)))


MODELS = {"gpt": GPT, "bert": Bert, "resnet": ResNet, "cnn_silu": CnnSilu, "swiglu": Swiglu, "mlp": Mlp}


def add_options(parser):
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, default=0, help="0: the model's own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--truth", default="", metavar="FILE")


def train(options):
    torch.manual_seed(1)
    torch.set_num_threads(options.threads)
    model = MODELS[options.model]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    truth = pytorch_truth.Truth(options.truth)
    for step in range(options.steps):
        optimizer.zero_grad()
        loss = model.loss(options.batch or model.batch)
        truth.step(loss, model)
        loss.backward()
        optimizer.step()
        print(f"step {step}  loss {loss.item():.4f}", flush=True)
    truth.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser)
    train(parser.parse_args())


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains a small GPT on a text file, character by character.

    python3 gpt.py                          # some 20 steps on the GPL, then a line of generated text
    python3 gpt.py --text my.txt --steps 2000 --layers 6 --embed 384
"""
import math
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

from common import begin, count_parameters, make_text_parser, read_text, sample_pieces, train


class Attention(nn.Module):
    def __init__(self, embed, heads, block, dropout):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(embed, 3 * embed)
        self.out = nn.Linear(embed, embed)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("causal", torch.tril(torch.ones(block, block, dtype=torch.bool)))

    def forward(self, x):
        batch, length, embed = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, embed // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(embed // self.heads)
        scores = scores.masked_fill(~self.causal[:length, :length], float("-inf"))
        mixed = self.dropout(F.softmax(scores, dim=-1)) @ v
        return self.out(mixed.transpose(1, 2).reshape(batch, length, embed))


class Block(nn.Module):
    def __init__(self, embed, heads, block, dropout):
        super().__init__()
        self.norm1 = nn.LayerNorm(embed)
        self.attention = Attention(embed, heads, block, dropout)
        self.norm2 = nn.LayerNorm(embed)
        self.mlp = nn.Sequential(nn.Linear(embed, 4 * embed), nn.GELU(), nn.Linear(4 * embed, embed),
                                 nn.Dropout(dropout))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, vocabulary, layers, embed, heads, block, dropout):
        super().__init__()
        self.block = block
        self.token = nn.Embedding(vocabulary, embed)
        self.position = nn.Embedding(block, embed)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*[Block(embed, heads, block, dropout) for _ in range(layers)])
        self.norm = nn.LayerNorm(embed)
        self.head = nn.Linear(embed, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.token(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        return self.head(self.norm(self.blocks(self.dropout(x))))

    @torch.no_grad()
    def generate(self, tokens, count):
        for _ in range(count):
            logits = self(tokens[:, -self.block:])[:, -1]
            tokens = torch.cat([tokens, torch.multinomial(F.softmax(logits, dim=-1), 1)], dim=1)
        return tokens


def sample_batch(data, batch, block):
    pieces = sample_pieces(data, batch, block + 1)
    return pieces[:, :-1], pieces[:, 1:]


@torch.no_grad()
def mean_loss(model, data, batch, block):
    """Over a text as a whole, piece by piece."""
    model.eval()
    count = (len(data) - 1) // block
    x, y = (data[shift:shift + count * block].view(count, block) for shift in (0, 1))
    losses = [F.cross_entropy(model(a).flatten(0, 1), b.flatten(), reduction="sum").item()
              for a, b in zip(x.split(batch), y.split(batch))]
    return sum(losses) / y.numel()


def parse_options():
    parser = make_text_parser("Train a small GPT on a text file.")
    parser.add_argument("--test", type=float, default=0, metavar="SHARE",
                        help="of the text, its end, that is kept to test with")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--sample", type=int, default=80, help="characters to generate at the end")
    return begin(parser)


def make_training(options, data, characters):
    """(model, optimizer, what train() calls)"""
    model = GPT(len(characters), options.layers, options.embed, options.heads, options.block, options.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)

    def compute_loss():
        x, y = sample_batch(data, options.batch, options.block)
        return F.cross_entropy(model(x).flatten(0, 1), y.flatten()), None

    return model, optimizer, compute_loss


def main():
    options = parse_options()
    text, characters = read_text(options.text)
    kept = int(options.test * len(text))
    if options.test > 0 and not options.block < kept < len(text) - options.block:
        sys.exit(f"gpt.py: --test {options.test}: {len(text):,} characters cannot be split so: both parts need more than "
                 f"--block {options.block}")
    data, test = text.split([len(text) - kept, kept])
    model, optimizer, compute_loss = make_training(options, data, characters)
    print(f"{count_parameters(model)}, {len(data):,} characters, {len(characters)} different ones")
    train(options.steps, optimizer, compute_loss)
    if options.test > 0:
        print(f"loss of the text's end {mean_loss(model, test, options.batch, options.block):.4f}")
    if options.sample > 0:
        model.eval()
        start = torch.tensor([[characters.index("\n") if "\n" in characters else 0]])
        print("".join(characters[i] for i in model.generate(start, options.sample)[0].tolist()).strip())


if __name__ == "__main__":
    main()

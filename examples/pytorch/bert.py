#!/usr/bin/env python3
"""Trains a small BERT on a text file: some characters are hidden, and it says what they were.

    python3 bert.py                         # some 20 steps on the GPL
    python3 bert.py --text my.txt --steps 2000 --layers 6 --embed 384
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from common import begin, count_parameters, make_text_parser, read_text, sample_pieces, train


class Embeddings(nn.Module):
    def __init__(self, vocabulary, embed, block, dropout):
        super().__init__()
        self.token = nn.Embedding(vocabulary, embed)
        self.position = nn.Embedding(block, embed)
        for table in self.token, self.position:  # small: the token table also ends the network
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(embed)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens):
        x = self.token(tokens) + self.position(torch.arange(tokens.shape[1], device=tokens.device))
        return self.dropout(self.norm(x))


class Head(nn.Module):
    """Scores of every character, by the table of embeddings itself."""

    def __init__(self, table):
        super().__init__()
        vocabulary, embed = table.shape
        self.dense = nn.Linear(embed, embed)
        self.norm = nn.LayerNorm(embed)
        self.table = table
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, x):
        return F.linear(self.norm(F.gelu(self.dense(x))), self.table, self.bias)


class BERT(nn.Module):
    def __init__(self, vocabulary, layers, embed, heads, block, dropout):
        super().__init__()
        self.embeddings = Embeddings(vocabulary, embed, block, dropout)
        layer = nn.TransformerEncoderLayer(embed, heads, 4 * embed, dropout, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers)
        self.head = Head(self.embeddings.token.weight)

    def forward(self, tokens, chosen):
        """Scores for the chosen places alone."""
        return self.head(self.encoder(self.embeddings(tokens))[chosen])


def hide(tokens, share, mask, characters):
    """What the model sees, and which places it is asked about: of these, 8 in 10 are hidden, 1 is replaced by some
    character, and 1 is left as it is."""
    chosen = torch.rand(tokens.shape) < share
    chosen[:, 0] = True  # so that there is always one
    fate = torch.rand(tokens.shape)
    seen = torch.where(chosen & (fate < 0.8), torch.full_like(tokens, mask), tokens)
    seen = torch.where(chosen & (fate >= 0.9), torch.randint_like(tokens, characters), seen)
    return seen, chosen


def parse_options():
    parser = make_text_parser("Train a small BERT on a text file.")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--hidden", type=float, default=0.15, help="share of the characters that it is asked about")
    return begin(parser)


def main():
    options = parse_options()
    data, characters = read_text(options.text)
    count = len(characters)
    model = BERT(count + 1, options.layers, options.embed, options.heads, options.block, options.dropout)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
    print(f"{count_parameters(model)}, {len(data):,} characters, {count} different ones")

    def compute_loss():
        tokens = sample_pieces(data, options.batch, options.block)
        seen, chosen = hide(tokens, options.hidden, count, count)
        return F.cross_entropy(model(seen, chosen), tokens[chosen]), None

    train(options.steps, optimizer, compute_loss)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains an MLP to tell two interleaved spirals apart."""
import math

import torch
import torch.nn as nn

from common import begin, classify, make_parser, train


def make_spirals(points):
    """Points of the plane, half of them on each spiral, and which one they belong to."""
    label = torch.arange(points) % 2
    radius = torch.rand(points).sqrt()
    angle = radius * 3 * math.pi + label * math.pi
    place = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
    return place + 0.01 * torch.randn(points, 2), label


def make_model(width, layers):
    parts = [nn.Linear(2, width), nn.SiLU()]
    for _ in range(layers - 1):
        parts += [nn.Linear(width, width), nn.SiLU()]
    return nn.Sequential(*parts, nn.Linear(width, 2))


def parse_options():
    parser = make_parser("Train an MLP on two spirals.", steps=60, batch=4096, lr=3e-3)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    return begin(parser)


def main():
    options = parse_options()
    model = make_model(options.width, options.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    place, label = make_spirals(50000)

    def compute_loss():
        chosen = torch.randint(len(place), (options.batch,))
        return classify(model(place[chosen]), label[chosen])

    train(options.steps, optimizer, compute_loss, every=10)


if __name__ == "__main__":
    main()

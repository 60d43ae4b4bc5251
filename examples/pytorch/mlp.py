#!/usr/bin/env python3
"""Trains an MLP to tell two interleaved spirals apart."""
import argparse
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


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
    parser = argparse.ArgumentParser(description="Train an MLP on two spirals.")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0 leaves its own choice")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    options = parse_options()
    torch.manual_seed(options.seed)
    if options.threads > 0:
        torch.set_num_threads(options.threads)

    model = make_model(options.width, options.layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=options.lr)
    place, label = make_spirals(50000)

    begin = time.time()
    for step in range(options.steps):
        chosen = torch.randint(len(place), (options.batch,))
        output = model(place[chosen])
        loss = F.cross_entropy(output, label[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0 or step == options.steps - 1:
            right = (output.argmax(1) == label[chosen]).float().mean().item()
            print(f"step {step:4d}  loss {loss.item():.4f}  right {100 * right:.1f} %", flush=True)
    print(f"{options.steps} steps in {time.time() - begin:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

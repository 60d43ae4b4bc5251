#!/usr/bin/env python3
"""Trains a small ResNet on pictures like CIFAR's: 3 x 32 x 32, ten classes, made here so that nothing is downloaded.

A class is a pattern of stripes of some direction, width and colour; every picture shifts it and adds noise.
"""
import argparse
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

CLASSES = 10


class ResidualBlock(nn.Module):
    def __init__(self, width_in, width_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width_out)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride, bias=False),
                                          nn.BatchNorm2d(width_out))

    def forward(self, x):
        y = self.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                                  nn.ReLU(inplace=True))
        stages = []
        for stage in range(3):
            for block in range(blocks):
                first = block == 0 and stage > 0
                before = width * 2 ** (stage - 1) if first else width * 2 ** stage
                stages.append(ResidualBlock(before, width * 2 ** stage, 2 if first else 1))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(width * 4, CLASSES)

    def forward(self, images):
        x = self.stages(self.stem(images))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


def make_batch(batch, generator):
    labels = torch.randint(CLASSES, (batch,), generator=generator)
    angle = labels * (math.pi / CLASSES)
    frequency = 0.4 + 0.1 * (labels % 3)
    shift = torch.rand(batch, generator=generator) * 2 * math.pi
    row, column = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    along = (torch.cos(angle)[:, None, None] * row + torch.sin(angle)[:, None, None] * column)
    stripes = torch.sin(along * frequency[:, None, None] + shift[:, None, None])
    colour = torch.stack([torch.cos(labels * 0.7 + channel) for channel in range(3)], dim=1)
    images = stripes[:, None] * colour[:, :, None, None]
    return images + 0.5 * torch.randn(images.shape, generator=generator), labels


def parse_options():
    parser = argparse.ArgumentParser(description="Train a small ResNet on striped pictures.")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--blocks", type=int, default=2, help="residual blocks in each of the three stages")
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0 leaves its own choice")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main():
    options = parse_options()
    torch.manual_seed(options.seed)
    if options.threads > 0:
        torch.set_num_threads(options.threads)

    model = ResNet(options.width, options.blocks)
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4)
    generator = torch.Generator().manual_seed(options.seed)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

    begin = time.time()
    for step in range(options.steps):
        images, labels = make_batch(options.batch, generator)
        optimizer.zero_grad(set_to_none=True)
        output = model(images)
        loss = F.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        right = (output.argmax(1) == labels).float().mean().item()
        print(f"step {step:4d}  loss {loss.item():.4f}  right {100 * right:.0f} %", flush=True)
    print(f"{options.steps} steps in {time.time() - begin:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()

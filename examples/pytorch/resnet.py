#!/usr/bin/env python3
"""Trains a small ResNet on pictures like CIFAR's: 3 x 32 x 32, ten classes, made here so that nothing is downloaded.

A class is a pattern of stripes of some direction, width and colour; every picture shifts it and adds noise.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from common import begin, classify, count_parameters, make_parser, train

CLASSES = 10
ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU}


class ResidualBlock(nn.Module):
    def __init__(self, width_in, width_out, stride, activation):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width_out)
        self.conv2 = nn.Conv2d(width_out, width_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width_out)
        self.activation = activation(inplace=True)
        self.shortcut = nn.Sequential()
        if stride != 1 or width_in != width_out:
            self.shortcut = nn.Sequential(nn.Conv2d(width_in, width_out, 1, stride, bias=False),
                                          nn.BatchNorm2d(width_out))

    def forward(self, x):
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.activation(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self, width, blocks, activation):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                                  activation(inplace=True))
        stages = []
        for stage in range(3):
            for block in range(blocks):
                first = block == 0 and stage > 0
                before = width * 2 ** (stage - 1) if first else width * 2 ** stage
                stages.append(ResidualBlock(before, width * 2 ** stage, 2 if first else 1, activation))
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
    parser = make_parser("Train a small ResNet on striped pictures.", steps=20, batch=64, lr=0.05)
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--blocks", type=int, default=2, help="residual blocks in each of the three stages")
    parser.add_argument("--activation", choices=sorted(ACTIVATIONS), default="relu")
    return begin(parser)


def main():
    options = parse_options()
    model = ResNet(options.width, options.blocks, ACTIVATIONS[options.activation])
    optimizer = torch.optim.SGD(model.parameters(), lr=options.lr, momentum=0.9, weight_decay=5e-4)
    generator = torch.Generator().manual_seed(options.seed)
    print(count_parameters(model))

    def compute_loss():
        images, labels = make_batch(options.batch, generator)
        return classify(model(images), labels)

    train(options.steps, optimizer, compute_loss)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Trains a convolutional network with SiLU on handwritten digits, and says how many of those it has not seen it knows.

    python3 cnn.py                          # some 60 steps
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from common import begin, classify, count_parameters, DIGITS, make_parser, read_digits, train

CLASSES, TEST = 10, 297


def convolution(width_in, width_out, stride=1):
    return [nn.Conv2d(width_in, width_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(width_out),
            nn.SiLU(inplace=True)]


def make_model(width, stages):
    """Each stage halves the picture and doubles the channels."""
    parts = convolution(1, width)
    for stage in range(stages):
        parts += convolution(width << stage, width << stage) + convolution(width << stage, 2 * width << stage, stride=2)
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
                         nn.Linear(width << stages, CLASSES))


@torch.no_grad()
def share_right(model, images, labels, batch):
    model.eval()
    answers = torch.cat([model(part).argmax(1) for part in images.split(batch)])
    return (answers == labels).float().mean().item()


def parse_options():
    parser = make_parser("Train a convolutional network on handwritten digits.", steps=60, batch=64, lr=2e-3)
    parser.add_argument("--digits", default=DIGITS, help="scikit-learn's digits.csv.gz")
    parser.add_argument("--size", type=int, default=32, help="pixels to which pictures of 8 x 8 are enlarged")
    parser.add_argument("--width", type=int, default=32, help="channels of the first layer")
    parser.add_argument("--stages", type=int, default=3)
    return begin(parser)


def main():
    options = parse_options()
    images, labels = read_digits(options.digits)
    images = F.interpolate(images, size=options.size, mode="bilinear", align_corners=False)
    model = make_model(options.width, options.stages)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
    print(f"{count_parameters(model)}, {len(images) - TEST:,} digits, {TEST} others to test with")

    def compute_loss():
        chosen = torch.randint(TEST, len(images), (options.batch,))
        return classify(model(images[chosen]), labels[chosen])

    train(options.steps, optimizer, compute_loss)
    right = share_right(model, images[:TEST], labels[:TEST], options.batch)
    print(f"of those it has not seen: {100 * right:.1f} % right")


if __name__ == "__main__":
    main()

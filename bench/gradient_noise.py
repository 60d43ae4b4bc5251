#!/usr/bin/env python3
"""Why few-bit gradients of a deep chain of activations are no nearer to the exact ones than they are.

The gradient of the built-in resnet with SiLU, in PyTorch and float64, from actscope's own weights and batch: exact; with
the levels that `actscope quantize` prints in place of f'; and with errors of the same sizes that mean nothing, in two
ways: each element's error with its sign by chance, or given to another element of the layer. If levels did harm beyond
their size, chance would do better. Prints a Markdown table.

    gradient_noise.py --program BUILD/tests/programs/layers_model --actscope BUILD/cli/actscope
"""
import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "programs"))
import pytorch_kernels_model  # noqa: E402

SETTINGS = {"batch": 16, "image": 32, "activation": "silu", "rate": 0.01, "decay": 0, "steps": 1}
WAYS = ["levels", "sign by chance", "elsewhere"]


class Levels:
    def __init__(self, actscope, bits):
        command = [actscope, "quantize", "silu", "--bits", str(bits), "--json"]
        quantizer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        self.breakpoints = torch.tensor(quantizer["breakpoints"], dtype=torch.float64)
        levels = torch.tensor(quantizer["levels"], dtype=torch.float64)
        self.by_interval = levels[torch.tensor(quantizer["codes"])]

    def __call__(self, x):
        return self.by_interval[torch.bucketize(x, self.breakpoints, right=True)]


def derivative(x):
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


class Silu(torch.autograd.Function):
    """way None: exact. sizes: of f' and of the errors, squared, by layer."""
    way, levels, generator, sizes = None, None, None, []

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        exact = derivative(x)
        if Silu.way is None:
            return dy * exact
        error = Silu.levels(x) - exact
        Silu.sizes.append((exact.square().sum().item(), error.square().sum().item()))
        if Silu.way == "sign by chance":
            error = error * (2 * torch.randint(2, error.shape, generator=Silu.generator) - 1)
        elif Silu.way == "elsewhere":
            error = error.flatten()[torch.randperm(error.numel(), generator=Silu.generator)].reshape(error.shape)
        return dy * (exact + error)


def gradients(weights, batch, way=None, levels=None):
    Silu.way, Silu.levels, Silu.sizes = way, levels, []
    weights = {name: value.double().requires_grad_() for name, value in weights.items()}
    logits = pytorch_kernels_model.resnet(pytorch_kernels_model.Weights(weights), batch[0].double(), SETTINGS)
    F.cross_entropy(logits, batch[1]).backward()
    return {name: value.grad.flatten() for name, value in weights.items()}


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()


def measure(actscope, program):
    with tempfile.TemporaryDirectory() as folder:
        ours = pytorch_kernels_model.Ours({"program": program, "model": "resnet", "settings": SETTINGS}, folder)
        weights, batch = ours.tensors("weight"), ours.batch(SETTINGS, "resnet")
    pytorch_kernels_model.F.relu = Silu.apply
    exact = gradients(weights, batch)
    rows = []
    for bits in (1, 2, 3, 4):
        levels, row = Levels(actscope, bits), [bits]
        Silu.generator = torch.Generator().manual_seed(1)
        for way in WAYS:
            found = gradients(weights, batch, way, levels)
            cosines = [cosine(exact[name], found[name]) for name in exact]
            row.append(f"{min(cosines):.4f} / {sum(cosines) / len(cosines):.4f}")
            if way == "levels":
                squares = [error / size for size, error in Silu.sizes]
        row += [f"{math.sqrt(sum(squares) / len(squares)):.3f}", f"{math.sqrt(sum(squares)):.3f}"]
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--actscope", required=True)
    options = parser.parse_args()
    rows = measure(options.actscope, options.program)
    header = ["bits", *(f"{way}: least / mean" for way in WAYS), "relative error of f', a layer", "of 13 in a row"]
    print("\n| " + " | ".join(header) + " |\n|" + " ---: |" * len(header))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()

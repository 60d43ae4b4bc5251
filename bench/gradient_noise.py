#!/usr/bin/env python3
"""Why few-bit gradients of some models are no nearer to the exact ones than they are.

The gradient of a built-in model, in PyTorch and float64, from actscope's own weights and batch: exact; with the levels
that `actscope quantize` prints in place of f'; with levels fitted to what this model's activations really get (a normal
weight of their deviation); and with errors of the same sizes as the first that mean nothing: each element's with its sign
by chance, or given to another element of the layer. If levels did harm beyond their size, chance would do better. Prints
a Markdown table for each model: the least cosine of a parameter, and the mean.

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

STEP = {"rate": 0.01, "decay": 0, "steps": 1}
MODELS = {
    "resnet": ("silu", {"batch": 16, "image": 32, "activation": "silu"}),
    "mlp": ("gelu", {"batch": 64, "width": 256, "inputs": 64}),
}
WAYS = ["levels", "fitted levels", "sign by chance", "elsewhere"]


class Levels:
    def __init__(self, actscope, function, bits, deviation=None):
        weight = ["--weight", f"normal:0:{deviation:.3f}"] if deviation else []
        command = [actscope, "quantize", function, "--bits", str(bits), "--json", *weight]
        quantizer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        self.breakpoints = torch.tensor(quantizer["breakpoints"], dtype=torch.float64)
        levels = torch.tensor(quantizer["levels"], dtype=torch.float64)
        self.by_interval = levels[torch.tensor(quantizer["codes"])]

    def __call__(self, x):
        return self.by_interval[torch.bucketize(x, self.breakpoints, right=True)]


class Activation(torch.autograd.Function):
    """way None: exact. seen: of each layer's backward, the squares of its inputs, of f' and of the errors."""
    function, way, levels, generator, seen = None, None, None, None, []

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return Activation.function(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            given = x.detach().requires_grad_()
            (exact,) = torch.autograd.grad(Activation.function(given).sum(), given)
        error = torch.zeros_like(x) if Activation.way is None else Activation.levels(x) - exact
        Activation.seen.append([values.square().mean().item() for values in (x, exact, error)])
        if Activation.way == "sign by chance":
            error = error * (2 * torch.randint(2, error.shape, generator=Activation.generator) - 1)
        elif Activation.way == "elsewhere":
            error = error.flatten()[torch.randperm(error.numel(), generator=Activation.generator)].reshape(error.shape)
        return dy * (exact + error)


class Model:
    def __init__(self, name, program):
        self.name, (self.function, sizes) = name, MODELS[name]
        self.settings = {**sizes, **STEP}
        Activation.function = staticmethod(getattr(F, self.function))
        with tempfile.TemporaryDirectory() as folder:
            ours = pytorch_kernels_model.Ours({"program": program, "model": name, "settings": self.settings}, folder)
            self.weights, self.batch = ours.tensors("weight"), ours.batch(self.settings, name)
        self.exact = self.gradients()
        self.deviation = math.sqrt(sum(row[0] for row in Activation.seen) / len(Activation.seen))

    def gradients(self, way=None, levels=None):
        Activation.way, Activation.levels, Activation.seen = way, levels, []
        weights = {name: value.double().requires_grad_() for name, value in self.weights.items()}
        model = pytorch_kernels_model.MODELS[self.name]
        logits = model(pytorch_kernels_model.Weights(weights), self.batch[0].double(), self.settings)
        F.cross_entropy(logits, self.batch[1]).backward()
        return {name: value.grad.flatten() for name, value in weights.items()}

    def row(self, actscope, bits):
        """Cosines of every way; the relative error of f' in a layer, and of as many in a row as there are."""
        row, errors = [bits], []
        Activation.generator = torch.Generator().manual_seed(1)
        for way in WAYS:
            levels = Levels(actscope, self.function, bits, self.deviation if way == "fitted levels" else None)
            found = self.gradients(way, levels)
            cosines = [cosine(self.exact[name], found[name]) for name in self.exact]
            row.append(f"{min(cosines):.4f} / {sum(cosines) / len(cosines):.4f}")
            errors = errors or [error / size for _, size, error in Activation.seen]
        return row + [f"{math.sqrt(sum(errors) / len(errors)):.3f}", f"{math.sqrt(sum(errors)):.3f}"]


def cosine(a, b):
    return (a @ b / (a.norm() * b.norm())).item()


class Replaced:
    """torch.nn.functional with another function for one name."""

    def __init__(self, names):
        self.names = names

    def __getattr__(self, name):
        return Activation.apply if name in self.names else getattr(F, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--actscope", required=True)
    options = parser.parse_args()
    pytorch_kernels_model.F = Replaced({"relu", "gelu"})  # resnet's and mlp's
    for name in MODELS:
        model = Model(name, options.program)
        rows = [model.row(options.actscope, bits) for bits in (1, 2, 3, 4)]
        print(f"\n{name}, {model.function}, inputs of the activations: deviation {model.deviation:.2f}")
        header = ["bits", *WAYS, "relative error of f', one layer", "all in a row"]
        print("\n| " + " | ".join(header) + " |\n|" + " ---: |" * len(header))
        for row in rows:
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()

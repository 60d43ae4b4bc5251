#!/usr/bin/env python3
"""Trains a small network and tells what its memory consists of, by its own tensors, at several places of some steps.

    pytorch_categories.py --optimizer sgd|adamw [--keep-gradients] [--accumulate N] [--checkpoint] [--autocast]
                          [--first function|compiled]

At each place a block of SPIKE bytes is allocated, held for a moment and freed, so that the place is a maximum of the
live bytes that a timeline shows; then what lives is summed up from the pointers of parameters, gradients, the
optimizer's state, the batch, and the graph's saved tensors. Standard output is one JSON list of places, in order.

Sizes are chosen to be mistaken: the batch is as large as a weight, and so are activations.
"""
import argparse
import json
import os
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_truth  # noqa: E402

LEAST = 4096  # what is smaller is in no list of actscope's
SPIKE = 64 << 20
BATCH, INPUT, WIDTH, CLASSES = 512, 256, 1024, 64
PAUSE_S = 0.02


class Float(nn.Module):
    """PyTorch 1.13 has no norms of bfloat16 with parameters of float32."""

    def forward(self, x):
        return x.float()


class Swiglu(torch.autograd.Function):
    """Everything that it saves, and its result, is there before autograd sees the first save of it."""

    @staticmethod
    def forward(ctx, x, left, right):
        a, b = x @ left, x @ right
        s = torch.sigmoid(a)
        ctx.save_for_backward(x, left, right, a, b, s)
        return a * s * b

    @staticmethod
    def backward(ctx, dy):
        x, left, right, a, b, s = ctx.saved_tensors
        da, db = dy * b * (s + a * s * (1 - s)), dy * a * s
        return da @ left.t() + db @ right.t(), x.t() @ da, x.t() @ db


class Gated(nn.Module):
    """Begins with an addition that saves nothing."""

    def __init__(self, width):
        super().__init__()
        self.place = nn.Parameter(torch.randn(BATCH, INPUT))
        self.left, self.right = (nn.Parameter(torch.randn(INPUT, width) / 16) for _ in range(2))

    def forward(self, x):
        return Swiglu.apply(x + self.place, self.left, self.right)


def first_layer(kind):
    if kind == "function":
        return Gated(512)
    if kind == "compiled":
        return torch.compile(nn.Sequential(nn.Linear(INPUT, WIDTH), nn.GELU(), nn.Linear(WIDTH, 512)))
    return nn.Linear(INPUT, 512)


class Network(nn.Module):
    def __init__(self, checkpoints, first):
        super().__init__()
        self.checkpoints = checkpoints
        self.segment = ()  # the nodes of a checkpoint that keeps its input by no node
        self.first = first_layer(first)
        self.middle = nn.Sequential(nn.Linear(512, WIDTH), nn.GELU(), Float(), nn.LayerNorm(WIDTH),
                                    nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.dropout = nn.Dropout(0.1)
        self.more = nn.Sequential(nn.Linear(WIDTH, WIDTH, bias=False), nn.SiLU())
        self.last = nn.Sequential(Float(), nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, CLASSES))

    def forward(self, x):
        x = self.first(x)
        if self.checkpoints:
            x = checkpoint(self.middle, x, use_reentrant=True)
            y = checkpoint(self.more, x, use_reentrant=False)
            before = {id(node) for node in pytorch_truth.graph_nodes([x])}
            self.segment = [x] + [node for node in pytorch_truth.graph_nodes([y]) if id(node) not in before]
            return self.last(y)
        return self.last(self.more(self.dropout(self.middle(x))))


def sum_of(tensors):
    """Bytes of their distinct storages that are large enough to be listed."""
    storages = dict(pytorch_truth.storage_of(tensor) for tensor in tensors if torch.is_tensor(tensor))
    return sum(size for address, size in storages.items() if address and size >= LEAST), set(storages)


class Places:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer
        self.told = []

    def spike(self):
        time.sleep(PAUSE_S)
        block = torch.empty(SPIKE, dtype=torch.uint8)
        time.sleep(PAUSE_S)
        del block
        time.sleep(PAUSE_S)

    def here(self, name, batch, root, gradients=()):
        """root: of the graph, None where it cannot be walked any more; gradients: not stored yet."""
        self.spike()
        resident = list(self.model.parameters()) + list(self.model.buffers())
        state = [value for values in self.optimizer.state.values() for value in values.values()]
        place = {"place": name}
        place["parameter"], parameters = sum_of(resident)
        place["gradient"], _ = sum_of([parameter.grad for parameter in self.model.parameters()] + list(gradients))
        place["optimizer_state"], _ = sum_of(state)
        place["input"], inputs = sum_of(batch)
        if name in ("gradients", "update"):
            place["saved_activation"] = 0
        elif root is not None:
            blocks = pytorch_truth.saved_blocks([root], resident, self.model.segment[1:])
            saved = {block["data_ptr"]: block["bytes"] for block in blocks}
            saved.update(pytorch_truth.storage_of(tensor) for tensor in self.model.segment[:1])
            place["saved_activation"] = sum(size for address, size in saved.items()
                                            if size >= LEAST and address not in inputs | parameters)
        self.told.append(place)


def make_optimizer(options, model):
    if options.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return torch.optim.AdamW(model.parameters(), lr=0.001)


def train(options):
    torch.manual_seed(0)
    model = Network(options.checkpoint, options.first)
    optimizer = make_optimizer(options, model)
    places = Places(model, optimizer)
    for step in range(options.steps * options.accumulate):
        x, target = torch.randn(BATCH, INPUT), torch.randint(CLASSES, (BATCH,))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=options.autocast):
            output = model(x)
        loss = F.cross_entropy(output.float(), target)
        spikes = step in (0, options.accumulate, 3 * options.accumulate - 1)
        if spikes:
            places.here("forward", [x, target], loss)
            model.segment = ()
            weight = model.last[-1].weight  # what is added to a gradient that is there is temporary
            hook = weight.register_hook(lambda gradient: places.here("backward", [x, target], None,
                                                                     [gradient] if weight.grad is None else []))
        loss.backward()
        if spikes:
            hook.remove()
            places.here("gradients", [x, target], None)
        if (step + 1) % options.accumulate == 0:
            optimizer.step()
            if spikes:
                places.here("update", [x, target], None)
            optimizer.zero_grad(set_to_none=not options.keep_gradients)
    print(json.dumps(places.told))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--optimizer", choices=("sgd", "adamw"), required=True)
    parser.add_argument("--keep-gradients", action="store_true", help="zero_grad(set_to_none=False)")
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--checkpoint", action="store_true")
    parser.add_argument("--autocast", action="store_true")
    parser.add_argument("--first", choices=("linear", "function", "compiled"), default="linear")
    parser.add_argument("--steps", type=int, default=4)
    train(parser.parse_args())


if __name__ == "__main__":
    main()

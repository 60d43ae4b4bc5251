#!/usr/bin/env python3
"""Small cases of what autograd keeps, one a run, trained for some steps by a plain loop.

    pytorch_facts.py --case NAME [--steps N] [--truth FILE]        pytorch_facts.py --list

Every tensor that matters has SIZE x SIZE floats, far above actscope's default --min-size.
"""
import argparse
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_truth  # noqa: E402

SIZE = 256
CASES = {}


def case(kind):
    CASES[kind.__name__] = kind
    return kind


class Case(nn.Module):
    """A linear layer, then whatever the case is about (`tail`, from SIZE x SIZE to the same), then a sum."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(SIZE, SIZE)

    def loss(self, step):
        x = torch.randn(SIZE, SIZE)
        return self.tail(self.first(x)).sum()


@case
class gelu(Case):
    def tail(self, x):
        return F.gelu(x)


@case
class elu(Case):
    def tail(self, x):
        return F.elu(x)


@case
class softplus(Case):
    def tail(self, x):
        return F.softplus(x)


class ThenLinear(Case):
    def __init__(self):
        super().__init__()
        self.second = nn.Linear(SIZE, SIZE)

    def tail(self, x):
        return self.second(self.activation(x))


@case
class relu_linear(ThenLinear):
    activation = staticmethod(F.relu)


@case
class tanh_linear(ThenLinear):
    activation = staticmethod(torch.tanh)


@case
class sigmoid_linear(ThenLinear):
    activation = staticmethod(torch.sigmoid)


@case
class inplace_silu(Case):
    def tail(self, x):
        return F.silu(x, inplace=True)


@case
class inplace_mish(Case):
    def tail(self, x):
        return F.mish(x, inplace=True)


@case
class inplace_hardswish(Case):
    def tail(self, x):
        return F.hardswish(x, inplace=True)


@case
class shared_input(Case):
    """y = linear(h) + gelu(h): both keep h, so that codes would only come on top."""

    def __init__(self):
        super().__init__()
        self.second = nn.Linear(SIZE, SIZE)

    def tail(self, h):
        return self.second(h) + F.gelu(h)


@case
class kept_by_program(Case):
    """gelu alone keeps x in the graph, but the program holds on to it till the step has ended."""

    def tail(self, x):
        self.kept = x.detach()
        return F.gelu(x)


@case
class lstm(nn.Module):
    """The gates of a cell are views of one storage."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(SIZE, SIZE)

    def loss(self, step):
        state = None
        for _ in range(3):
            state = self.cell(torch.randn(SIZE, SIZE), state)
        return state[0].sum()


@case
class dropout(Case):
    def tail(self, x):
        return F.dropout(x, 0.25)


@case
class mean(Case):
    def tail(self, x):
        return x.mean(dim=1)


@case
class max_pool(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)

    def loss(self, step):
        return F.max_pool2d(self.conv(torch.randn(4, 1, SIZE // 4, SIZE // 4)), 2).sum()


class Checkpointed(nn.Module):
    """Three segments of linear, gelu, linear; each is computed again inside backward."""

    def __init__(self):
        super().__init__()
        self.segments = nn.ModuleList(nn.Sequential(nn.Linear(SIZE, 4 * SIZE), nn.GELU(), nn.Linear(4 * SIZE, SIZE))
                                      for _ in range(3))

    def loss(self, step):
        x = torch.randn(SIZE, SIZE, requires_grad=True)
        for segment in self.segments:
            x = checkpoint(segment, x, use_reentrant=self.reentrant)
        return x.sum()


@case
class checkpoint_reentrant(Checkpointed):
    reentrant = True


@case
class checkpoint_hooks(Checkpointed):
    """No truth: to look at what is kept would compute the segments again."""

    reentrant = False
    can_be_walked = False


@case
class autocast(ThenLinear):
    """The batch and the second weight are kept as bfloat16 copies."""

    activation = staticmethod(F.gelu)

    def loss(self, step):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().loss(step)


class Double(torch.autograd.Function):
    """Keeps its input and its output, as a user's function may."""

    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy * y + 0 * x


@case
class custom_function(Case):
    def tail(self, x):
        return Double.apply(x)


@case
class evaluation(Case):
    """Forward passes without backward between the steps: with a graph, and without one."""

    def tail(self, x):
        return F.gelu(x)

    def between(self, step):
        self.loss(step).item()
        with torch.no_grad():
            self.loss(step).item()


def train(options):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = CASES[options.case]()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    truth = pytorch_truth.Truth(options.truth)
    for step in range(options.steps):
        optimizer.zero_grad()
        loss = model.loss(step)
        if getattr(model, "can_be_walked", True):
            truth.step(loss, model)
        loss.backward()
        optimizer.step()
        print(f"step {step}  loss {loss.item():.4f}", flush=True)
        if hasattr(model, "between"):
            model.between(step)
    truth.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--case", choices=list(CASES))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--truth", default="", metavar="FILE")
    options = parser.parse_args()
    if options.list or not options.case:
        print("\n".join(CASES))
    else:
        train(options)


if __name__ == "__main__":
    main()

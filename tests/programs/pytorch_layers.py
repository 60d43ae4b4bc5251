#!/usr/bin/env python3
"""Programs whose layers are known, for the tests of `record --layers`.

    pytorch_layers.py nested shared ...                 trains two steps of each: this is what is recorded
    pytorch_layers.py nested shared ... --truth FILE    the same, and writes what each one's last step kept, by layer

The truth comes from a plain run: the forward of every module, by the name that named_modules gives it, is wrapped in
one that notes it, and saved_tensors_hooks tell what is saved meanwhile. What is saved outside of all is saved in
layer "".
"""
import argparse
import copy
import json
import os
import sys
import threading
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.utils.checkpoint

WIDTH = 64
ROWS = 128  # 32 KiB an activation


# ---- the truth ------------------------------------------------------------------------------------------------------

class Held:
    """What autograd keeps in place of a tensor; the storage counts as long as one is kept."""

    def __init__(self, tensor, data, truth):
        self.tensor, self.data, self.truth = tensor, data, truth

    def __del__(self):
        self.truth.release(self.data)


class Truth:
    """Which layer saved each storage first. Names are kept a thread."""

    def __init__(self):
        self.local = threading.local()
        self.lock = threading.RLock()  # a release may come in the middle of anything
        self.storages = {}  # by address: [bytes, layer, how many keep it]

    def watch(self, root):
        for name, module in list(root.named_modules()):
            module.forward = self._noting(module.forward, name or type(root).__name__)

    def _noting(self, forward, name):
        def call(*args, **kwargs):
            outer = getattr(self.local, "layer", "")
            self.local.layer = name
            try:
                return forward(*args, **kwargs)
            finally:
                self.local.layer = outer
        return call

    def pack(self, tensor):
        storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()
        with self.lock:
            first = [storage.nbytes(), getattr(self.local, "layer", ""), 0]
            self.storages.setdefault(storage.data_ptr(), first)[2] += 1
        return Held(tensor, storage.data_ptr(), self)

    def release(self, data):
        with self.lock:
            self.storages[data][2] -= 1
            if self.storages[data][2] == 0:
                del self.storages[data]

    def hooks(self):
        return torch.autograd.graph.saved_tensors_hooks(self.pack, lambda held: held.tensor)

    def kept(self, roots):
        resident = {p.data_ptr() for root in roots for p in list(root.parameters()) + list(root.buffers())}
        return [{"bytes": size, "layer": layer} for data, (size, layer, _) in self.storages.items()
                if data not in resident]


class NoTruth:
    def watch(self, root):
        pass

    def hooks(self):
        return torch.enable_grad()

    def kept(self, roots):
        return None


# ---- models ---------------------------------------------------------------------------------------------------------

class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 2 * WIDTH)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.mlp = Mlp()

    def forward(self, x):
        return F.silu(x + self.mlp(self.norm(x)))  # a function of the block's own


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Mish())

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x) * torch.sigmoid(x)  # and of the root's


class Shared(nn.Module):
    """One module under two names: the first counts. And one that is called twice."""

    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU())
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x))


class Tree(nn.Module):
    """Calls itself."""

    def __init__(self):
        super().__init__()
        self.leaf = nn.Linear(WIDTH, WIDTH)

    def forward(self, x, depth=3):
        return F.silu(self.leaf(x) if depth == 0 else self(x, depth=depth - 1) + 1)


class Failing(nn.Module):
    """Raises in the middle of it, three layers deep."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Sequential(nn.GELU(), Raising()))

    def forward(self, x):
        return self.inner(x)


class Raising(nn.Module):
    def forward(self, x):
        raise ValueError("no good batch")


class Listed(nn.Module):
    """Keeps modules where torch does not see them, and makes one on the spot."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(Hidden())

    def forward(self, x):
        return nn.Mish()(self.inner(x))


class Hidden(nn.Module):
    def __init__(self):
        super().__init__()
        self.acts = [nn.GELU()]

    def forward(self, x):
        return self.acts[0](x)


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.reentrant = reentrant
        self.blocks = nn.ModuleList(Block() for _ in range(2))

    def forward(self, x):
        for block in self.blocks:
            x = torch.utils.checkpoint.checkpoint(block, x, use_reentrant=self.reentrant)
        return x


def batch():
    return torch.randn(ROWS, WIDTH, requires_grad=True) * 1.0  # no leaf: it counts as kept


# ---- cases: each makes its roots, and a function that does one forward pass ------------------------------------------

def simple(make):
    def case():
        model = make()
        return [model], lambda: model(batch()).sum()
    return case


def failing():
    model, good = Failing(), Net()

    def forward():
        try:
            model(batch())
        except ValueError:
            pass
        outside = F.gelu(batch()).sum()  # in no layer, whatever was left unfinished
        return good(batch()).sum() + outside
    return [model, good], forward


def added():
    """A module that is put in after the root has been called."""
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH))
    model(batch())
    model.add_module("late", nn.Sequential(nn.GELU()))
    return [model], lambda: model(batch()).sum()


def threads():
    """Every thread runs a copy of its own, as DataParallel's do, and all of them the last layer."""
    models = [nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), Mlp()) for _ in range(3)]
    last = nn.Sequential(nn.SiLU())

    def forward():
        results, batches = [None] * len(models), [batch() for _ in models]

        def work(index, model):
            with TRUTH.hooks():
                results[index] = last(model(batches[index])).sum()
        workers = [threading.Thread(target=work, args=pair) for pair in enumerate(models)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return sum(results)
    return [*models, last], forward


def scripted():
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), torch.jit.script(Mlp()), nn.SiLU())
    return [model], lambda: model(batch()).sum()


def compiled():
    model = torch.compile(Net(), backend="eager", fullgraph=True)
    return [model], lambda: model(batch()).sum()


def traced():
    """fx, functional_call, copies and pickles of modules go on working."""
    import pickle
    model = torch.fx.symbolic_trace(pickle.loads(pickle.dumps(copy.deepcopy(Net()))))
    return [model], lambda: torch.jit.trace(model, batch())(batch()).sum()


def keyword():
    class Keyword(nn.Module):
        def forward(self, module=None, depth=None, **more):
            return F.gelu(module) + more["args"]
    model = Keyword()
    return [model], lambda: model(module=batch(), depth=1, args=1.0).sum()


CASES = {
    "nested": simple(Net),
    "shared": simple(Shared),
    "recursion": simple(Tree),
    "listed": simple(Listed),
    "reentrant": simple(lambda: Checkpointed(True)),
    "checkpoint": simple(lambda: Checkpointed(False)),
    "failing": failing,
    "added": added,
    "threads": threads,
    "scripted": scripted,
    "compiled": compiled,
    "traced": traced,
    "keyword": keyword,
}


STEPS = 2


def train(roots, forward):
    """What the last step has kept when its forward pass is through."""
    optimizer = torch.optim.SGD([p for root in roots for p in root.parameters()] or [torch.zeros(1)], 0.01)
    for step in range(STEPS):
        with TRUTH.hooks():
            loss = forward()
        kept = TRUTH.kept(roots)
        print(f"step {step} loss {loss.item():.6f}", flush=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return kept


def run(cases):
    """For each case the number of its last step, among all steps of the process, and what that kept."""
    truth = {}
    for index, case in enumerate(cases):
        torch.manual_seed(1)
        roots, forward = CASES[case]()
        for root in roots:
            TRUTH.watch(root)
        truth[case] = {"step": (index + 1) * STEPS - 1, "kept": train(roots, forward)}
    return truth


def main():
    global TRUTH
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", choices=CASES, nargs="+")
    parser.add_argument("--truth", metavar="FILE")
    parser.add_argument("--in-child", action="store_true", help="once more, in a child of fork")
    options = parser.parse_args()
    warnings.simplefilter("error")  # none may come from us
    warnings.filterwarnings("ignore", message=".*(NumPy|numpy|torch.jit|not a leaf).*")
    torch.set_num_threads(1)
    TRUTH = Truth() if options.truth else NoTruth()
    truth = run(options.cases)
    if options.truth:
        with open(options.truth, "w", encoding="utf-8") as file:
            json.dump(truth, file)
    if options.in_child:
        child = os.fork()  # names are known already when the child begins
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        run(options.cases)


if __name__ == "__main__":
    main()

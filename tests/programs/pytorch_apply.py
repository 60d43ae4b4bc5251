#!/usr/bin/env python3
"""A program to be run under `actscope apply`; it knows nothing of actscope. Modes, in the order given:

    train [N]     N steps (4) of a network with a GELU of 128 x 256 elements and a SiLU of 128 x 64; prints the loss and
                  a sum of the gradients, as exact as floats go
    patched B ... the same within actscope.torch.patch(bits=B): what apply is to give (not under apply)
    double        one step in float64, which few-bit kernels do not serve
    relu          one step of a network whose only activation is ReLU
    no_grad       a forward pass without gradients
    loader        two workers of a DataLoader, each calling GELU with gradients once an item, four items
    spawn         two processes of torch.multiprocessing, each training two steps
    fork          a child of os.fork that trains two steps after its parent has trained two
    exit N, kill N, wait    how it ends: sys.exit(N); signal N to itself; waits for SIGTERM, exits with 5
    path          prints sys.path, the modules of actscope, and whether torch was found before it was imported
"""
import importlib.util
import os
import signal
import sys
import time

FOUND_BEFORE = importlib.util.find_spec("torch") is not None  # as transformers asks before it imports torch

import torch  # noqa: E402

torch.set_num_threads(1)


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.GELU(), torch.nn.Linear(256, 64), torch.nn.SiLU())


def train(steps=4, model=None, dtype=torch.float32):
    model = (model or network()).to(dtype)
    for _ in range(steps):
        model.zero_grad()
        loss = model(torch.randn(128, 64, dtype=dtype)).pow(2).mean()
        loss.backward()
    total = sum(p.grad.double().abs().sum() for p in model.parameters())
    print(f"loss {loss.item():.9f} gradients {total.item():.9f}", flush=True)


def patched(*widths):
    import actscope.torch

    for bits in widths:
        with actscope.torch.patch(bits=int(bits)):
            train()


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        x = torch.ones(10, 10, requires_grad=True)
        torch.nn.functional.gelu(x).sum().backward()
        return x.grad


def loader():
    for batch in torch.utils.data.DataLoader(Items(), num_workers=2):
        print(tuple(batch.shape), flush=True)


def spawned(rank):
    torch.set_num_threads(1)
    train(2)


def spawn():
    torch.multiprocessing.spawn(spawned, nprocs=2)


def fork():
    train(2)
    child = os.fork()
    if child == 0:
        train(2)
        sys.exit(3)
    print("child", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def wait():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
    print("ready", flush=True)
    time.sleep(60)


def kill(number):
    time.sleep(0.1)
    os.kill(os.getpid(), int(number))


def path():
    print([entry for entry in sys.path if "actscope" in entry and "e2e" not in entry],
          sorted(name for name in sys.modules if name == "actscope"), FOUND_BEFORE)


MODES = {
    "train": lambda steps="4": train(int(steps)),
    "patched": patched,
    "double": lambda: train(1, dtype=torch.float64),
    "relu": lambda: train(1, torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU())),
    "no_grad": lambda: torch.no_grad()(lambda: print(network()(torch.randn(128, 64)).shape))(),
    "loader": loader,
    "spawn": spawn,
    "fork": fork,
    "exit": lambda status: sys.exit(int(status)),
    "kill": kill,
    "wait": wait,
    "path": path,
}


def main():
    words = sys.argv[1:]
    while words:
        mode = words.pop(0)
        arguments = []
        while words and words[0].isdigit():
            arguments.append(words.pop(0))
        MODES[mode](*arguments)


if __name__ == "__main__":
    main()

"""Six steps of a small model: `leak` sums up the losses with their graphs, `vary` has larger and larger batches, `alone` ends
in a tanh whose result nothing else keeps.

Prints the bytes that the forward pass of one step of `leak` saves: the batch, and what tanh returns.
"""
import sys

import torch

ROWS, INPUTS, HIDDEN = 1024, 128, 512


def main(what):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(INPUTS, HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 1)]
    if what == "alone":
        layers = [torch.nn.Linear(INPUTS, HIDDEN), torch.nn.GELU(), torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    total = 0
    for step in range(6):
        batch = torch.randn(ROWS * (step + 1 if what == "vary" else 1), INPUTS)
        loss = model(batch).mean()
        optimizer.zero_grad()
        loss.backward(retain_graph=what == "leak")
        optimizer.step()
        total = total + (loss if what == "leak" else loss.item())
    print(4 * ROWS * (INPUTS + HIDDEN))


main(sys.argv[1])

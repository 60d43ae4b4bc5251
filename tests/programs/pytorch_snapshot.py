"""Trains a little under torch.profiler and saves what PyTorch itself makes of its memory as a snapshot: the structure that
torch.cuda.memory._dump_snapshot writes, of a run on the CPU."""
import pickle
import sys

import torch
import torch.cuda._memory_viz as viz


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.up = torch.nn.Linear(128, 512)
        self.down = torch.nn.Linear(512, 128)

    def forward(self, x):
        return self.down(torch.nn.functional.gelu(self.up(x)))


def step(model, optimizer):
    x, y = torch.randn(256, 128), torch.randint(10, (256,))
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
    optimizer.zero_grad()


def main():
    torch.manual_seed(0)
    model = torch.nn.Sequential(*[Block() for _ in range(3)], torch.nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    step(model, optimizer)
    with torch.profiler.profile(profile_memory=True, record_shapes=True, with_stack=True) as profile:
        for _ in range(3):
            step(model, optimizer)
    with open(sys.argv[1], "wb") as file:
        pickle.dump(viz._profile_to_snapshot(profile), file)


if __name__ == "__main__":
    main()

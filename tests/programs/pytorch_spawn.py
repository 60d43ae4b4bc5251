"""A DistributedDataParallel training whose ranks are started by torch.multiprocessing: nothing in their environment says which
is which. Each leaves its rank and pid in FOLDER/rankN.json.

    python3 pytorch_spawn.py FOLDER [spawn|fork]
"""
import json
import os
import sys

import torch
import torch.distributed as dist
import torch.multiprocessing

WORLD = 2


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    network = torch.nn.Sequential(torch.nn.Linear(64, 512), torch.nn.GELU(), torch.nn.Linear(512, 64))
    model = torch.nn.parallel.DistributedDataParallel(network)
    for _ in range(3):
        model(torch.randn(128 * (1 + rank), 64)).square().mean().backward()
    with open(os.path.join(folder, f"rank{rank}.json"), "w", encoding="utf-8") as file:
        json.dump({"rank": rank, "pid": os.getpid(), "rows": 128 * (1 + rank)}, file)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.multiprocessing.start_processes(work, (os.path.abspath(sys.argv[1]),), WORLD,
                                          start_method=sys.argv[2] if len(sys.argv) > 2 else "spawn")

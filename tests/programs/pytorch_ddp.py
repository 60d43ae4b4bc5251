"""A DistributedDataParallel training on the CPU (gloo), with what is true of each rank in a file of its own.

    python3 -m torch.distributed.run --nproc_per_node 4 pytorch_ddp.py --truth FOLDER
    mpirun -n 4 python3 pytorch_ddp.py --truth FOLDER          with MASTER_ADDR and MASTER_PORT in the environment

--heavy RANK    this rank's batches have twice the rows
--workers N     batches come from a DataLoader with N worker processes
--turns         after training each rank holds a large block, one rank after another, never two at once
--kill RANK     this rank kills itself (SIGKILL) in the middle of a step, between forward and backward
--no-ddp        the same processes without DistributedDataParallel: what it adds is the difference
"""
import argparse
import datetime
import json
import os
import signal
import time

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

WIDTH, HIDDEN, ROWS = 128, 1024, 256
STEPS = 4
BLOCK = 32 << 20


def from_openmpi():
    """What env:// asks for, of a process that mpirun has started."""
    for name, given in (("RANK", "RANK"), ("WORLD_SIZE", "SIZE"), ("LOCAL_RANK", "LOCAL_RANK")):
        value = os.environ.get("OMPI_COMM_WORLD_" + given)
        if value is not None:
            os.environ.setdefault(name, value)


class Data(torch.utils.data.Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return self.rows

    def __getitem__(self, index):
        return torch.full((WIDTH,), float(index % 7))


def batches(options, rows):
    if options.workers:
        loader = torch.utils.data.DataLoader(Data(rows * STEPS), batch_size=rows, num_workers=options.workers)
        iterator = iter(loader)
        return iterator, [worker.pid for worker in iterator._workers]
    return iter(torch.randn(rows, WIDTH) for _ in range(STEPS)), []


def train(model, options, rank, rows):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    iterator, workers = batches(options, rows)
    for step, batch in enumerate(iterator):
        optimizer.zero_grad(set_to_none=False)
        loss = model(batch).square().mean()
        if rank == options.kill and step == STEPS // 2:
            os.kill(os.getpid(), signal.SIGKILL)
        loss.backward()
        optimizer.step()
    return workers


def hold(seconds):
    """[begin, end] of a time in which the block came and went, ns since 1970."""
    begin = time.time_ns()
    block = torch.zeros(BLOCK // 4)
    time.sleep(seconds)
    del block
    return [begin, time.time_ns()]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--truth", required=True)
    parser.add_argument("--heavy", type=int, default=-1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--kill", type=int, default=-1)
    parser.add_argument("--turns", action="store_true")
    parser.add_argument("--no-ddp", action="store_true")
    options = parser.parse_args()
    from_openmpi()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dist.init_process_group("gloo", timeout=datetime.timedelta(seconds=60))
    rank, world = dist.get_rank(), dist.get_world_size()

    network = torch.nn.Sequential(torch.nn.Linear(WIDTH, HIDDEN), torch.nn.GELU(), torch.nn.Linear(HIDDEN, WIDTH))
    model = network if options.no_ddp else DistributedDataParallel(network)
    rows = ROWS * (2 if rank == options.heavy else 1)
    truth = {"rank": rank, "world": world, "pid": os.getpid(), "ppid": os.getppid(), "rows": rows,
             "parameter_bytes": sum(4 * p.numel() for p in network.parameters())}
    truth["workers"] = train(model, options, rank, rows)
    if options.turns:
        for turn in range(world):
            dist.barrier()
            if turn == rank:
                truth["turn"] = hold(0.05)
    dist.barrier()
    with open(os.path.join(options.truth, f"rank{rank}.json"), "w", encoding="utf-8") as file:
        json.dump(truth, file)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What a step of training a gpt takes by actscope's layers, beside plain C loops and PyTorch.

    scripts/bench.sh step                      4 layers, width 128, sequence 128, batch 8; a minute or two
    scripts/bench.sh step --rounds 15 --steps 5 width=256

Contenders, each a process of its own that waits for its turn: all start from the same weights on the same batch, and a
difference of their losses beyond rounding ends the run. A step is forward, backward and AdamW.

  layers      kernels/layers, exact activations
  few-bit     the same with codes of 3 bits
  plain       bench/plain_gpt.c: loops in the manner of llm.c, -O3 -march=native, OpenMP
  plain, fast the same with -ffast-math too, as llm.c's makefile has it
  torch       the same model in PyTorch, eager (SKIPPED without one)

Rounds are interleaved, each begun by another; times are medians of the rounds, ratios medians of the rounds' own ratios. The layers must take no
longer than the plain loops.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ORDER = ["layers", "few-bit", "plain", "plain, fast", "torch"]
LOSSES_AGREE = 1e-4  # of a loss near 5, after the first turn's steps; float32 drifts by some 1e-6


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_table(title, header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, *rows]:
        cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


# ---- PyTorch, in a process of its own --------------------------------------------------------------------------------

class TorchGpt:
    """The model of kernels/models/gpt.c from the weights that step_bench exported."""

    def __init__(self, folder, sizes):
        import torch
        self.torch, self.sizes = torch, sizes
        with open(os.path.join(folder, "weights"), "rb") as file:
            self.data = bytearray(file.read())
        self.offset = 0
        width, hidden = sizes["width"], sizes["hidden"]
        block = [("norm1", (width,)), ("norm1", (width,)), ("qkv", (3 * width, width)), ("qkv", (3 * width,)),
                 ("proj", (width, width)), ("proj", (width,)), ("norm2", (width,)), ("norm2", (width,)),
                 ("fc1", (hidden, width)), ("fc1", (hidden,)), ("fc2", (width, hidden)), ("fc2", (width,))]
        self.tokens_table = self.parameter((sizes["vocabulary"], width))
        self.positions = self.parameter((sizes["sequence"], width))
        self.blocks = []
        for _ in range(sizes["layers"]):
            layers = {}
            for name, shape in block:
                layers.setdefault(name, []).append(self.parameter(shape))
            self.blocks.append(layers)
        self.norm = [self.parameter((width,)), self.parameter((width,))]
        rows = (sizes["batch"], sizes["sequence"])
        self.tokens, self.targets = (self.take(rows, torch.int32).long() for _ in range(2))
        self.future = torch.ones(rows[1], rows[1], dtype=torch.bool).triu(1)
        self.optimizer = self.adamw()

    def take(self, shape, dtype):
        count = self.torch.Size(shape).numel()
        tensor = self.torch.frombuffer(self.data, dtype=dtype, count=count, offset=self.offset).reshape(shape).clone()
        self.offset += 4 * count
        return tensor

    def parameter(self, shape):
        return self.take(shape, self.torch.float32).requires_grad_()

    def adamw(self):
        arrays = [self.tokens_table, self.positions, *self.norm]
        arrays += [array for layers in self.blocks for pair in layers.values() for array in pair]
        groups = [{"params": [a for a in arrays if a.dim() > 1], "weight_decay": self.sizes["decay"]},
                  {"params": [a for a in arrays if a.dim() == 1], "weight_decay": 0.0}]
        return self.torch.optim.AdamW(groups, lr=self.sizes["rate"])

    def block(self, x, layers):
        F = self.torch.nn.functional
        batch, length, width = x.shape
        qkv = F.linear(F.layer_norm(x, (width,), *layers["norm1"]), *layers["qkv"])
        q, k, v = qkv.view(batch, length, 3, self.sizes["heads"], -1).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).masked_fill(self.future, float("-inf"))
        mixed = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(batch, length, width)
        x = x + F.linear(mixed, *layers["proj"])
        return x + F.linear(F.gelu(F.linear(F.layer_norm(x, (width,), *layers["norm2"]), *layers["fc1"])),
                            *layers["fc2"])

    def step(self):
        F = self.torch.nn.functional
        self.optimizer.zero_grad(set_to_none=True)
        x = F.embedding(self.tokens, self.tokens_table) + self.positions
        for layers in self.blocks:
            x = self.block(x, layers)
        logits = F.linear(F.layer_norm(x, x.shape[-1:], *self.norm), self.tokens_table)
        loss = F.cross_entropy(logits.flatten(0, 1), self.targets.flatten())
        loss.backward()
        self.optimizer.step()
        return loss.item()


def torch_worker(folder):
    """Answers "torch N" as step_bench answers its lines."""
    with open(os.path.join(folder, "sizes.json"), encoding="utf-8") as file:
        gpt = TorchGpt(folder, json.load(file))
    gpt.torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    for line in sys.stdin:
        begin = time.perf_counter_ns()
        losses = [gpt.step() for _ in range(int(line.split()[1]))]
        taken = (time.perf_counter_ns() - begin) / len(losses)
        print(json.dumps({"ns": taken, "first_loss": losses[0], "last_loss": losses[-1]}), flush=True)


# ---- contenders ------------------------------------------------------------------------------------------------------

class Process:
    def __init__(self, command, threads):
        # A thread that waits for work must not take the core of whose turn it is.
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=environment)

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"step.py: {' '.join(self.process.args)} ended with {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def has_torch(python):
    return subprocess.run([python, "-c", "import torch"], capture_output=True, check=False).returncode == 0


def start(options, threads, folder):
    """[(name, process, word)] in the order of their turns."""
    ours = Process([str(options.build / "bench" / "step_bench"), *options.settings], threads)
    fast = Process([str(options.build / "bench" / "step_bench_fast"), *options.settings], threads)
    with open(os.path.join(folder, "sizes.json"), "w", encoding="utf-8") as file:
        json.dump(ours.ask(f"export {folder}"), file)
    contenders = [("layers", ours, "layers"), ("few-bit", ours, "fewbit"), ("plain", ours, "plain"),
                  ("plain, fast", fast, "plain")]
    if has_torch(options.python):
        worker = Process([options.python, __file__, "--torch-worker", folder], threads)
        contenders.append(("torch", worker, "torch"))
    else:
        print(f"SKIPPED torch: {options.python} has none; apt-get install python3-torch")
    return contenders


def check_losses(turn):
    """The same step from the same weights: few-bit training goes its own way after the first loss."""
    wanted = turn["layers"]
    for name, got in turn.items():
        for key in ("first_loss",) if name == "few-bit" else ("first_loss", "last_loss"):
            if abs(got[key] - wanted[key]) > LOSSES_AGREE:
                sys.exit(f"step.py: {name}: {key} {got[key]} instead of {wanted[key]}: not the same step")


def measure(options, threads):
    """name -> ns a step by round, after a turn each to warm up."""
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = start(options, threads, folder)
        for turn in range(options.rounds + 1):
            progress(f"{threads} threads: round {turn} of {options.rounds}")
            first = turn % len(contenders)  # nobody always comes after the same one
            answers = {name: process.ask(f"{word} {options.steps}")
                       for name, process, word in contenders[first:] + contenders[:first]}
            if turn == 0:
                check_losses(answers)
            else:
                for name, answer in answers.items():
                    times.setdefault(name, []).append(answer["ns"])
        for process in {id(entry[1]): entry[1] for entry in contenders}.values():
            process.close()
    progress("")
    return times


def summary(times, threads):
    rows = []
    for name in sorted(times, key=ORDER.index):
        taken = times[name]
        to_layers = statistics.median(one / ours for one, ours in zip(taken, times["layers"]))
        rows.append({"threads": threads, "contender": name, "ms": statistics.median(taken) / 1e6,
                     "fastest_ms": min(taken) / 1e6, "to_layers": to_layers})
    return rows


def main():
    if sys.argv[1:2] == ["--torch-worker"]:
        torch_worker(sys.argv[2])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--steps", type=int, default=3, help="of each contender in a round")
    parser.add_argument("--threads", default=None, help="1,2: every one of these (default: 1 and all cores)")
    parser.add_argument("--python", default="/usr/bin/python3", help="whose PyTorch")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench" / "step.json")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="of the model gpt")
    options = parser.parse_intermixed_args()

    threads = options.threads.split(",") if options.threads else sorted({"1", str(len(os.sched_getaffinity(0)))})
    results = []
    for count in threads:
        rows = summary(measure(options, int(count)), int(count))
        results += rows
        print_table(f"a step of gpt {' '.join(options.settings)}".rstrip() + f", {count} thread(s), ms; "
                    f"medians of {options.rounds} rounds of {options.steps} steps",
                    ["", "median", "fastest", "to layers"],
                    [[row["contender"], f"{row['ms']:.1f}", f"{row['fastest_ms']:.1f}", f"{row['to_layers']:.2f}x"]
                     for row in rows])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"rounds": options.rounds, "steps": options.steps, "settings": options.settings,
                                       "results": results}, indent=2) + "\n")
    slower = [row for row in results if row["contender"] == "plain" and row["to_layers"] < 1]
    for row in slower:
        print(f"BUDGET: with {row['threads']} thread(s) the layers take longer than the plain loops")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())

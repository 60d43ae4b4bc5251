#!/usr/bin/env python3
"""What the PyTorch drop-in does to real training programs, as Markdown: the tables of docs/verification.md.

    scripts/bench.sh apply                      all of them: half an hour on one core
    scripts/bench.sh apply --only memory        or some, separated by commas

Sections:
  memory    the peak that `project` says of an exact run, and the peak of the same program under `actscope apply`; every
            example, 1 to 4 bits, every PyTorch; more than 1 percent apart is a failure
  time      a step of the example GPT under `actscope apply --bits 3` and without it, turn by turn
  training  where training the example GPT ends, exact and at 1 to 4 bits, from three seeds

A PyTorch that is not there is skipped, and said.
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

from step import has_torch, Process
from verification import progress, table, width_name

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "examples" / "pytorch"
CACHE = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
PYTHONS = ["/usr/bin/python3", os.path.join(CACHE, "actscope", "torch-2.13", "bin", "python")]
EXAMPLES = [["gpt.py"], ["bert.py"], ["swiglu.py"], ["cnn.py"], ["resnet.py"], ["resnet.py", "--activation", "silu"]]
BITS = [1, 2, 3, 4]
ALLOWED_PERCENT = 1
TRAINING = ["gpt.py", "--layers", "3", "--embed", "128", "--heads", "4", "--block", "64", "--steps", "300", "--test",
            "0.1", "--sample", "0"]
MIB = 2 ** 20


def torch_version(python):
    code = "import torch; print('.'.join(torch.__version__.split('+')[0].split('a')[0].split('.')[:2]))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def run(command, **environment):
    """Standard output of a program that must succeed."""
    progress(" ".join(command))
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment})
    progress("")
    if done.returncode:
        sys.exit(f"apply.py: {' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def example(python, words):
    return [python, str(PROGRAMS / words[0]), *words[1:]]


# ---- memory ----------------------------------------------------------------------------------------------------------

class Memory:
    """Peaks of one program, projected and measured."""

    def __init__(self, options, command):
        self.options, self.command = options, command

    def actscope(self, *arguments):
        # One thread, so that both runs have the same blocks on the same heap.
        return run([self.options.actscope, *arguments], OMP_NUM_THREADS="1")

    def projected(self, folder):
        """(exact peak, {bits: peak}) of an exact run."""
        trace = os.path.join(folder, "exact.act")
        self.actscope("record", "--quiet", "-o", trace, "--", *self.command)
        answer = json.loads(self.actscope("project", trace, "--bits", ",".join(map(str, BITS)), "--json"))
        return answer["peak_bytes"], {entry["bits"]: entry["peak_bytes"] for entry in answer["projection"]}

    def measured(self, folder, bits):
        trace = os.path.join(folder, f"{bits}.act")
        self.actscope("apply", "--quiet", "--bits", str(bits), "--record", trace, "--", *self.command)
        return json.loads(self.actscope("report", trace, "--format", "json"))["peak"]["bytes"]


def percent_off(measured, projected):
    return 100 * (measured - projected) / projected


def memory(options):
    steps = ["--steps", "3"]
    print(f"\n## Memory under apply\n\n    actscope record -o RUN -- python3 EXAMPLE {' '.join(steps)}\n"
          f"    actscope project RUN --bits {','.join(map(str, BITS))}\n"
          f"    actscope apply --bits B --record FEW -- python3 EXAMPLE {' '.join(steps)}\n    actscope report FEW")
    rows, worst = [], 0
    for words in EXAMPLES:
        for python, version in options.pythons:
            peaks = Memory(options, example(python, [*words, *steps]))
            with tempfile.TemporaryDirectory() as folder:
                exact, projected = peaks.projected(folder)
                measured = {bits: peaks.measured(folder, bits) for bits in BITS}
            off = {bits: percent_off(measured[bits], projected[bits]) for bits in BITS}
            worst = max(worst, *map(abs, off.values()))
            rows.append([" ".join(words), version, f"{exact / MIB:.1f}"]
                        + [f"{projected[bits] / MIB:.1f} / {measured[bits] / MIB:.1f} ({off[bits]:+.2f} %)"
                           for bits in BITS])
    table(["example", "PyTorch", "exact, MiB", "1 bit: projected / measured"] + [f"{bits} bits" for bits in BITS[1:]],
          rows)
    print(f"\nLargest difference: {worst:.2f} %, allowed {ALLOWED_PERCENT} %.")
    return worst <= ALLOWED_PERCENT


# ---- time ------------------------------------------------------------------------------------------------------------

def worker():
    """Answers "N" with the nanoseconds that one of N steps of the example took, by the clock and of the processor."""
    sys.path.insert(0, str(PROGRAMS))
    import common
    import gpt

    options = gpt.parse_options()
    _, optimizer, compute_loss = gpt.make_training(options, *common.read_text(options.text))
    for line in sys.stdin:
        steps = int(line)
        wall, own = time.perf_counter_ns(), time.process_time_ns()
        for _ in range(steps):
            loss, _ = compute_loss()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        print(json.dumps({"wall": (time.perf_counter_ns() - wall) / steps, "cpu": (time.process_time_ns() - own) / steps,
                          "loss": loss.item()}), flush=True)


def measure_steps(options, python, threads):
    """[(exact answer, few-bit answer)] of rounds, begun in turn by either, after one to warm up."""
    command = [python, __file__, "--worker", "--threads", str(threads)]
    contenders = {"exact": Process(command, threads),
                  "few": Process([options.actscope, "apply", "--quiet", "--bits", "3", "--", *command], threads)}
    rounds = []
    for turn in range(options.rounds + 1):
        progress(f"{threads} threads: round {turn} of {options.rounds}")
        order = ["exact", "few"] if turn % 2 else ["few", "exact"]
        answers = {name: contenders[name].ask(str(options.steps)) for name in order}
        rounds.append((answers["exact"], answers["few"]))
    for process in contenders.values():
        process.close()
    progress("")
    return rounds[1:]


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def times(options):
    print("\n## A step's time under apply\n\n    actscope apply --bits 3 -- python3 examples/pytorch/gpt.py")
    rows, fine = [], True
    for python, version in options.pythons:
        for threads in options.threads:
            rounds = measure_steps(options, python, threads)
            ratios = {kind: [few[kind] / exact[kind] for exact, few in rounds] for kind in ("wall", "cpu")}
            fine = fine and statistics.median(ratios["wall"]) <= 1
            rows.append([version, threads] + [f"{statistics.median(step[i]['wall'] for step in rounds) / 1e6:.1f}"
                                              for i in (0, 1)] + [quartiles(ratios["wall"]), quartiles(ratios["cpu"])])
    table(["PyTorch", "threads", "exact, ms", "3 bits, ms", "few-bit to exact, by the clock", "of processor time"], rows)
    print(f"\nMedians of {options.rounds} rounds of {options.steps} steps, exact and few-bit in turn; ratios are medians "
          "(quartiles) of the rounds' own.")
    return fine


# ---- training --------------------------------------------------------------------------------------------------------

LAST = 20  # steps over whose losses a run's end is averaged


def train(options, python, bits, seed):
    """(mean training loss of the last steps, loss of the text that was kept)"""
    command = example(python, [*TRAINING, "--seed", str(seed)])
    if bits:
        command = [options.actscope, "apply", "--quiet", "--bits", str(bits), "--", *command]
    lines = run(command, OMP_NUM_THREADS="1").splitlines()
    losses = [float(line.split()[3]) for line in lines if line.startswith("step ")]
    kept, = (float(line.split()[-1]) for line in lines if line.startswith("loss of the text's end"))
    return statistics.mean(losses[-LAST:]), kept


def spread(values, form=".4f"):
    return f"{statistics.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def training(options):
    python, version = options.pythons[-1]
    print(f"\n## Training under apply\n\n    actscope apply --bits B -- python3 examples/pytorch/{' '.join(TRAINING)} "
          "--seed S")
    ends = {bits: [train(options, python, bits, seed) for seed in range(1, options.seeds + 1)] for bits in [0, *BITS]}
    exact = [[run[i] for run in ends[0]] for i in (0, 1)]
    rows, within = [], True
    for bits, runs in ends.items():
        columns = [[run[i] for run in runs] for i in (0, 1)]
        differences = [spread([few - own for few, own in zip(columns[i], exact[i])], "+.4f") if bits else ""
                       for i in (0, 1)]
        inside = statistics.mean(columns[1]) <= max(exact[1])
        within = within and inside
        rows.append([width_name(bits), spread(columns[0]), differences[0], spread(columns[1]), differences[1],
                     "" if not bits else "yes" if inside else "no"])
    table(["", f"training loss, last {LAST} steps", "less exact's, same seed", "loss of text that was kept",
           "less exact's, same seed", "within"], rows)
    print(f"\nPyTorch {version}, seeds 1 to {options.seeds}: mean (least to largest). Within: the mean is not above the "
          "worst exact run's.")
    return within


RUN = {"memory": memory, "time": times, "training": training}


def main():
    if "--worker" in sys.argv:
        sys.argv.remove("--worker")
        worker()
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(RUN), help="sections, separated by commas")
    parser.add_argument("--pythons", default=":".join(PYTHONS), help="interpreters with a PyTorch, separated by colons")
    parser.add_argument("--rounds", type=int, default=41, help="time: turns of either")
    parser.add_argument("--steps", type=int, default=2, help="time: of either in a turn")
    parser.add_argument("--threads", default="1", help="time: every one of these, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="training: how many")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    options = parser.parse_args()
    for section in options.only.split(","):
        if section not in RUN:
            parser.error(f"no section {section}: there are {', '.join(RUN)}")
    options.actscope = str(options.build / "cli" / "actscope")
    options.threads = [int(count) for count in options.threads.split(",")]
    options.pythons = [(python, torch_version(python)) for python in options.pythons.split(":") if has_torch(python)]
    if not options.pythons:
        sys.exit("apply.py: SKIPPED: no PyTorch: apt-get install python3-torch, or scripts/make-torch-venv.sh")
    fine = [RUN[section](options) for section in options.only.split(",")]
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())

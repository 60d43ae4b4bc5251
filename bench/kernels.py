#!/usr/bin/env python3
"""What few-bit forward and backward cost: beside a plain copy, the paper's library's way, and torch's exact ones.

    scripts/bench.sh kernels                          every function, AVX-512 and AVX2, 3 bits; some minutes
    scripts/bench.sh kernels --types float32,bfloat16 --bits 1,2,3,4 --functions gelu,silu
    scripts/bench.sh kernels --large                  also a round trip of 2^31 + 4099 elements (6 GB of memory)

Sections:
  core    bench/fewbit_bench.c: copy, forward, backward, the codes alone, and a binary search and packing per element,
          as the paper's library does on a CPU, interleaved in one process
  torch   libfewbit and torch's exact forward and backward (one thread, preallocated outputs) and a copy, interleaved in
          one process
  fit     bench/quantizer_bench.c: what fitting 4 bits takes, by function, method and weight

Times are the thread's own CPU time; a ratio is the median of the rounds' own ratios. The budgets are the design's.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKWARD_BUDGET = 1.25
FIT_BUDGET_MS = 50
FORWARD_BUDGET = {"avx512": 2.5, "avx2": 4.0}


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_table(title, header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, *rows]:
        cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def environment(isa):
    """torch's kernels are its own choice, but for AVX2, where both are held to it."""
    result = dict(os.environ, OMP_NUM_THREADS="1", ACTSCOPE_FEWBIT_ISA=isa)
    return result | ({"ATEN_CPU_CAPABILITY": isa} if isa == "avx2" else {})


def present_isas(options):
    """Those asked for that this machine has; says which it lacks."""
    found = []
    for isa in options.isas:
        done = subprocess.run([options.bench, "-n", "64", "-r", "1", "gelu"], env=environment(isa), text=True,
                              capture_output=True, check=False)
        if done.returncode == 0:
            found.append(isa)
        else:
            print(f"SKIPPED {isa}: {done.stderr.strip()}")
    return found


# ---- core ------------------------------------------------------------------------------------------------------------

def bench_core(options, isa, kind, bits):
    progress(f"core: {isa}, {kind}, {bits} bits")
    command = [options.bench, "-n", str(options.elements), "-b", str(bits), "-t", kind, "-r", str(options.runs)]
    done = subprocess.run([*command, *options.functions], env=environment(isa), text=True, stdout=subprocess.PIPE,
                          check=True)
    progress("")
    return [json.loads(line) for line in done.stdout.splitlines()]


def show(entry, name):
    return f"{entry[name]['ns']:.3f}", f"{entry[name]['to_copy']:.2f}x"


def print_core(options, entries, isa, kind, bits):
    searched = kind == "float32"
    size = 4 if kind == "float32" else 2
    rows = []
    for entry in entries:
        row = [entry["function"], entry["intervals"], f"{entry['copy']['ns']:.3f}"]
        row += [*show(entry, "forward"), f"{2 * size / entry['forward']['ns']:.1f}"]
        row += [*show(entry, "backward"), f"{2 * size / entry['backward']['ns']:.1f}", show(entry, "encode")[0]]
        if searched:
            row.append(show(entry, "stochastic")[0])
            row.append(f"{entry['search_and_pack']['ns'] / entry['encode']['ns']:.0f}x")
            row.append(f"{entry['unpack_and_scale']['ns'] / entry['backward']['ns']:.1f}x")
        rows.append(row)
    print_table(f"core: {isa}, {kind}, {bits} bits, {options.elements} elements, ns an element, GB/s of x and y; "
                f"budget forward {FORWARD_BUDGET.get(isa, '-')}x, backward {BACKWARD_BUDGET}x a copy",
                ["", "m", "copy", "forward", "to copy", "GB/s", "backward", "to copy", "GB/s", "encode"]
                + (["stochastic", "search is", "unpack is"] if searched else []), rows)


# ---- torch -----------------------------------------------------------------------------------------------------------

def torch_exact(torch):
    """name -> (forward(x, y), backward(x, y, dy, dx)): torch's own kernels into arrays that are there already.
    Functions that torch composes of several have no entry; mish's and hardswish's backward have no form with an
    output given."""
    ops = torch.ops.aten
    selu_alpha, selu_scale = 1.6732632423543772, 1.0507009873554805

    def elu(alpha, scale, input_scale):
        return (lambda x, y: ops.elu.out(x, alpha, scale, input_scale, out=y),
                lambda x, y, dy, dx: ops.elu_backward.grad_input(dy, alpha, scale, input_scale, False, x,
                                                                 grad_input=dx))

    def gelu(form):
        return (lambda x, y: ops.gelu.out(x, approximate=form, out=y),
                lambda x, y, dy, dx: ops.gelu_backward.grad_input(dy, x, approximate=form, grad_input=dx))

    def clamp(low, high):
        return (lambda x, y: ops.hardtanh.out(x, low, high, out=y),
                lambda x, y, dy, dx: ops.hardtanh_backward.grad_input(dy, x, low, high, grad_input=dx))

    buffer = torch.empty(0)
    return {
        "gelu": gelu("none"), "gelu_tanh": gelu("tanh"),
        "silu": (lambda x, y: ops.silu.out(x, out=y),
                 lambda x, y, dy, dx: ops.silu_backward.grad_input(dy, x, grad_input=dx)),
        "mish": (lambda x, y: ops.mish.out(x, out=y), lambda x, y, dy, dx: ops.mish_backward(dy, x)),
        "softplus": (lambda x, y: ops.softplus.out(x, 1, 20, out=y),
                     lambda x, y, dy, dx: ops.softplus_backward.grad_input(dy, x, 1, 20, grad_input=dx)),
        "elu": elu(1, 1, 1), "celu": elu(1, 1, 1), "selu": elu(selu_alpha, selu_scale, 1),
        "sigmoid": (lambda x, y: ops.sigmoid.out(x, out=y),
                    lambda x, y, dy, dx: ops.sigmoid_backward.grad_input(dy, y, grad_input=dx)),
        "tanh": (lambda x, y: ops.tanh.out(x, out=y),
                 lambda x, y, dy, dx: ops.tanh_backward.grad_input(dy, y, grad_input=dx)),
        "logsigmoid": (lambda x, y: ops.log_sigmoid_forward.output(x, output=y, buffer=buffer),
                       lambda x, y, dy, dx: ops.log_sigmoid_backward.grad_input(dy, x, buffer, grad_input=dx)),
        "hardswish": (lambda x, y: ops.hardswish.out(x, out=y), lambda x, y, dy, dx: ops.hardswish_backward(dy, x)),
        "relu": (lambda x, y: ops.clamp_min.out(x, 0, out=y),
                 lambda x, y, dy, dx: ops.threshold_backward.grad_input(dy, y, 0, grad_input=dx)),
        "relu6": clamp(0, 6), "hardtanh": clamp(-1, 1),
        "leaky_relu": (lambda x, y: ops.leaky_relu.out(x, 0.01, out=y),
                       lambda x, y, dy, dx: ops.leaky_relu_backward.grad_input(dy, x, 0.01, False, grad_input=dx)),
        "hardsigmoid": (lambda x, y: ops.hardsigmoid.out(x, out=y),
                        lambda x, y, dy, dx: ops.hardsigmoid_backward.grad_input(dy, x, grad_input=dx)),
        "hardshrink": (lambda x, y: ops.hardshrink.out(x, 0.5, out=y),
                       lambda x, y, dy, dx: ops.hardshrink_backward.grad_input(dy, x, 0.5, grad_input=dx)),
        "softshrink": (lambda x, y: ops.softshrink.out(x, 0.5, out=y),
                       lambda x, y, dy, dx: ops.softshrink_backward.grad_input(dy, x, 0.5, grad_input=dx)),
        "threshold": (lambda x, y: ops.threshold.out(x, 0, 0, out=y),
                      lambda x, y, dy, dx: ops.threshold_backward.grad_input(dy, x, 0, grad_input=dx)),
    }


class Fewbit:
    """libfewbit through ctypes, for one function; a call's own cost is a microsecond."""

    def __init__(self, library, function, bits):
        self.library = ctypes.CDLL(str(library))
        for name in ["fewbit_forward", "fewbit_backward"]:
            getattr(self.library, name).argtypes = [ctypes.c_void_p, ctypes.c_int, *[ctypes.c_void_p] * 3,
                                                    ctypes.c_size_t]
        self.quantizer = ctypes.c_void_p()
        error = ctypes.create_string_buffer(640)
        if self.library.fewbit_quantizer_builtin(function.encode(), bits, ctypes.byref(self.quantizer), error) != 0:
            sys.exit(f"bench: {error.value.decode()}")

    def forward(self, x, y, codes):
        assert self.library.fewbit_forward(self.quantizer, 0, x.data_ptr(), y.data_ptr(), codes.data_ptr(),
                                           x.numel()) == 0

    def backward(self, codes, dy, dx):
        assert self.library.fewbit_backward(self.quantizer, 0, codes.data_ptr(), dy.data_ptr(), dx.data_ptr(),
                                            dy.numel()) == 0


def torch_worker(options):
    """Runs in a process of its own, one thread, ISA forced: prints JSON, name -> what -> ns of each round."""
    try:
        import torch
    except ImportError:
        print("{}")
        return
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    x, dy = torch.randn(options.elements), torch.randn(options.elements)
    y, dx = torch.zeros_like(x), torch.zeros_like(x)
    codes = torch.zeros(options.elements, dtype=torch.uint8)
    result = {}
    for name, (forward, backward) in torch_exact(torch).items():
        if options.functions and name not in options.functions:
            continue
        fewbit = Fewbit(options.library, name, options.bits[0])
        actions = {"copy": lambda: y.copy_(x), "torch forward": lambda: forward(x, y),
                   "forward": lambda: fewbit.forward(x, y, codes), "torch backward": lambda: backward(x, y, dy, dx),
                   "backward": lambda: fewbit.backward(codes, dy, dx)}
        times = {what: [] for what in actions}
        for number in range(options.runs + 1):
            for what, action in actions.items():
                begin = time.thread_time()
                action()
                if number > 0:
                    times[what].append((time.thread_time() - begin) * 1e9 / options.elements)
        result[name] = times
    print(json.dumps({"torch": torch.__version__, "functions": result}))


def bench_torch(options, isa):
    progress(f"torch: {isa}")
    command = [options.python, __file__, "--torch-worker", *sys.argv[1:]]
    done = subprocess.run(command, env=environment(isa), text=True, stdout=subprocess.PIPE, check=True)
    progress("")
    answer = json.loads(done.stdout.splitlines()[-1])
    if not answer:
        print("SKIPPED torch: not to be imported")
        return {}
    rows, result = [], {}
    for name, times in answer["functions"].items():
        ns = {what: statistics.median(values) for what, values in times.items()}
        ratio = {way: statistics.median(a / b for a, b in zip(times[way], times[f"torch {way}"]))
                 for way in ["forward", "backward"]}
        result[name] = {"ns": ns, "to_torch": ratio}
        rows.append([name, f"{ns['copy']:.3f}", f"{ns['torch forward']:.3f}", f"{ns['forward']:.3f}",
                     f"{ratio['forward']:.2f}x", f"{ns['torch backward']:.3f}", f"{ns['backward']:.3f}",
                     f"{ratio['backward']:.2f}x"])
    print_table(f"torch {answer['torch']} (exact) and libfewbit ({isa}, {options.bits[0]} bits): ns an element of "
                "float32, one thread; budget: no slower forward (1.25x where torch is at a copy's speed), faster backward",
                ["", "copy", "torch fwd", "few-bit fwd", "to torch", "torch bwd", "few-bit bwd", "to torch"], rows)
    return result


# ---- fit -------------------------------------------------------------------------------------------------------------

def bench_fit(options):
    done = subprocess.run([options.bench.parent / "quantizer_bench", "time", "4"], text=True, stdout=subprocess.PIPE,
                          check=True)
    print(f"\nfit of 4 bits, milliseconds; budget {FIT_BUDGET_MS}\n{done.stdout.rstrip()}")


# ---- main ------------------------------------------------------------------------------------------------------------

def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog="scripts/bench.sh kernels")
    parser.add_argument("--functions", default="", help="comma-separated; all of them by default")
    parser.add_argument("--isas", default="avx512,avx2" if os.uname().machine == "x86_64" else "neon")
    parser.add_argument("--types", default="float32")
    parser.add_argument("--bits", default="3")
    parser.add_argument("--elements", type=int, default=1 << 24)
    parser.add_argument("--runs", type=int, default=11, help="rounds, up to 101; round 0 is not counted")
    parser.add_argument("--large", action="store_true", help="a round trip of 2^31 + 4099 elements too")
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--bench", type=Path, default=ROOT / "build/release/bench/fewbit_bench", help="the program to run")
    parser.add_argument("--library", default=ROOT / "build/release/lib/libfewbit.so")
    parser.add_argument("--python", default="/usr/bin/python3", help="the Python that has torch")
    parser.add_argument("--torch-worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in ["functions", "isas", "types"]:
        setattr(options, name, [word for word in getattr(options, name).split(",") if word])
    options.bits = [int(bits) for bits in options.bits.split(",")]
    return options


def main():
    options = arguments()
    if options.torch_worker:
        torch_worker(options)
        return
    result = {"core": [], "torch": {}, "large": []}
    for isa in present_isas(options):
        for kind in options.types:
            for bits in options.bits:
                entries = bench_core(options, isa, kind, bits)
                print_core(options, entries, isa, kind, bits)
                result["core"] += entries
        if not options.no_torch:
            result["torch"][isa] = bench_torch(options, isa)
        if options.large:
            progress(f"large: {isa}")
            done = subprocess.run([options.bench, "-L"], env=dict(os.environ, ACTSCOPE_FEWBIT_ISA=isa), text=True,
                                  stdout=subprocess.PIPE, check=True)
            progress("")
            print(f"\nlarge: {isa}: {done.stdout.strip()}")
            result["large"].append(json.loads(done.stdout))
    bench_fit(options)
    folder = ROOT / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernels.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\nkept in {(folder / 'kernels.json').relative_to(ROOT)}")


if __name__ == "__main__":
    main()

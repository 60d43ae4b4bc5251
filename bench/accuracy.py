#!/usr/bin/env python3
"""How exact the forward is: the largest error of every function over all floats, beside torch's own float32 kernel.

    bench/accuracy.py [--build FOLDER] [--stride N] [--every LOW:HIGH] [--only gelu,silu] [--isa avx2,avx512] [--json]

Every Nth of the 2^32 floats is taken (the default 251; 1 takes all, ten minutes a function), infinities and NaN always,
and with --every also each one with LOW <= |x| <= HIGH. 2^-14:128 (a minute a function) is all that matters: nearer to 0
the functions are straight lines to half an ulp, or a cube, farther out constants, x or the same line.

An ulp is one unit in the last place of the real result. Two figures of it: over all floats, and over the middle, where
torch does not give up a tail (FUNCTIONS below). The absolute error is that of |x| <= 16. "wrong" counts results that
are NaN or infinite where they should not be, or the other way.
"""
import argparse
import ctypes
import json
import sys
from pathlib import Path

import numpy as np

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 1 << 20
INF = float("inf")
# name: (torch's function, the middle)
FUNCTIONS = {
    "gelu": (lambda v: F.gelu(v), (-1, INF)),
    "gelu_tanh": (lambda v: F.gelu(v, approximate="tanh"), (-1, INF)),
    "silu": (lambda v: F.silu(v), (-87, INF)),
    "mish": (lambda v: F.mish(v), (-87, INF)),
    "softplus": (lambda v: F.softplus(v), (-INF, INF)),
    "elu": (lambda v: F.elu(v), (-INF, -1)),
    "celu": (lambda v: F.celu(v), (-INF, -1)),
    "selu": (lambda v: F.selu(v), (-INF, -1)),
    "hardswish": (lambda v: F.hardswish(v), (-1e37, 1e37)),
    "logsigmoid": (lambda v: F.logsigmoid(v), (-INF, INF)),
    "sigmoid": (lambda v: torch.sigmoid(v), (-87, INF)),
    "tanh": (lambda v: torch.tanh(v), (-INF, INF)),
    "softsign": (lambda v: F.softsign(v), (-1e37, 1e37)),
    "tanhshrink": (lambda v: F.tanhshrink(v), (1, INF)),
    "relu": (lambda v: F.relu(v), (-INF, INF)),
    "relu6": (lambda v: F.relu6(v), (-INF, INF)),
    "leaky_relu": (lambda v: F.leaky_relu(v), (-INF, INF)),
    "hardtanh": (lambda v: F.hardtanh(v), (-INF, INF)),
    "hardsigmoid": (lambda v: F.hardsigmoid(v), (-INF, INF)),
    "hardshrink": (lambda v: F.hardshrink(v), (-INF, INF)),
    "softshrink": (lambda v: F.softshrink(v), (-INF, INF)),
    "threshold": (lambda v: F.threshold(v, 0.0, 0.0), (-INF, INF)),
}


class Accuracy(ctypes.Structure):
    _fields_ = [("ulp", ctypes.c_double), ("ulp_x", ctypes.c_double), ("absolute", ctypes.c_double),
                ("absolute_x", ctypes.c_double), ("wrong", ctypes.c_uint64), ("wrong_x", ctypes.c_double)]


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


class Meter:
    """The C library, and one chunk of floats at a time."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.x = np.empty(CHUNK, np.float32)
        self.y = np.empty(CHUNK, np.float32)
        self.real = np.empty(CHUNK, np.float64)
        self.n = ctypes.c_size_t(CHUNK)

    def function(self, name):
        return self.library.accuracy_function(name.encode())

    def load(self, function, first, stride):
        self.library.accuracy_fill(pointer(self.x), self.n, ctypes.c_uint64(first), ctypes.c_uint64(stride))
        if first == 0:
            self.x[1:6] = [INF, -INF, float("nan"), -0.0, 1e-45]
        self.library.accuracy_real(function, pointer(self.x), pointer(self.real), self.n)

    def forward(self, isa, function):
        return self.library.accuracy_forward(isa.encode(), function, pointer(self.x), pointer(self.y), self.n) == 0

    def judge(self, worst, y, low=-INF, high=INF):
        self.library.accuracy_worst(ctypes.byref(worst), pointer(self.x), pointer(self.real), pointer(y), self.n,
                                    ctypes.c_double(low), ctypes.c_double(high))


def number(text):
    """0.5, 2^-14"""
    base, _, exponent = text.partition("^")
    return float(base) ** float(exponent or 1)


def chunks_of(stride, every):
    """(first, stride) of each chunk"""
    chunks = [(chunk * CHUNK * stride, stride) for chunk in range(-(-(1 << 32) // (CHUNK * stride)))]
    if every:
        low, high = (int(np.float32(number(bound)).view(np.uint32)) for bound in every.split(":"))
        chunks += [(sign + first, 1) for sign in (0, 1 << 31) for first in range(low, high + 1, CHUNK)]
    return chunks


def measure(meter, name, isas, chunks, progress):
    """{"torch" or an ISA: (over all, in the middle)}"""
    call, (low, high) = FUNCTIONS[name]
    function = meter.function(name)
    found = {who: (Accuracy(), Accuracy()) for who in (["torch"] if torch else []) + isas}
    for done, chunk in enumerate(chunks):
        meter.load(function, *chunk)
        for who, (whole, middle) in found.items():
            if who == "torch":
                y = call(torch.from_numpy(meter.x)).numpy()
            else:
                meter.forward(who, function)
                y = meter.y
            meter.judge(whole, y)
            if (low, high) != (-INF, INF):
                meter.judge(middle, y, low, high)
        if progress and done % 16 == 0:
            print(f"\r{name} {100 * done // len(chunks)}% ", end="", file=sys.stderr, flush=True)
    if progress:
        print("\r\033[K", end="", file=sys.stderr)
    return {who: (whole, whole if (low, high) == (-INF, INF) else middle) for who, (whole, middle) in found.items()}


def as_record(accuracy):
    return {field: getattr(accuracy, field) for field, _ in Accuracy._fields_}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build")
    parser.add_argument("--stride", type=int, default=251)
    parser.add_argument("--every", metavar="LOW:HIGH", help="for instance 2^-14:128")
    parser.add_argument("--only", default=",".join(FUNCTIONS))
    parser.add_argument("--isa", default="avx2,avx512" if sys.platform == "linux" else "ref")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    if torch:
        torch.set_num_threads(1)
    meter = Meter(options.build / "bench" / "libfewbit_accuracy.so")
    isas = [isa for isa in options.isa.split(",") if meter.forward(isa, meter.function("relu"))]
    if not options.json:
        print(f"{'':12}{'':8}{'ulp':>10} {'at':>14}{'in the middle':>15} {'at':>14}{'absolute':>11}{'wrong':>7}")
    for name in options.only.split(","):
        found = measure(meter, name, isas, chunks_of(options.stride, options.every), sys.stderr.isatty())
        if options.json:
            print(json.dumps({"function": name, "stride": options.stride, "every": options.every,
                              "middle": [str(v) for v in FUNCTIONS[name][1]],
                              **{who: {"all": as_record(w), "middle": as_record(m)} for who, (w, m) in found.items()}}),
                  flush=True)
            continue
        for who, (whole, middle) in found.items():
            print(f"{name:12}{who:8}{whole.ulp:10.4g} {whole.ulp_x:14.8g}{middle.ulp:15.4g} {middle.ulp_x:14.8g}"
                  f"{whole.absolute:11.3g}{whole.wrong:7d}", flush=True)


if __name__ == "__main__":
    main()

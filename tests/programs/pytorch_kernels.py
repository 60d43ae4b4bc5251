#!/usr/bin/env python3
"""actscope's layers beside PyTorch's: the same numbers in, results and gradients out, and how far each is from PyTorch
in float64.

    pytorch_kernels.py --program layers_op --actscope actscope --folder FOLDER GROUP

Prints a JSON list, an entry for every result and gradient: case, array, ours and torch (errors, of the whole array
relative to its norm and of the worst entry relative to the largest), threads (the same bits with one thread and with
three); and for every case an entry with the bytes held for backward.
"""
import argparse
import ctypes
import json
import os
import subprocess
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_truth  # noqa: E402

INTEGERS = ("index", "target")
PARAMETERS = ("w", "b", "weight", "bias", "table", "row")
STATE = ("running",)


# ---- files -----------------------------------------------------------------------------------------------------------

def write(folder, name, tensor):
    tensor = tensor.detach().to(torch.int32 if name in INTEGERS else torch.float32).contiguous()
    with open(os.path.join(folder, name + ".raw"), "wb") as file:
        file.write(ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()))


def read(folder, name, shape, dtype=torch.float32):
    with open(os.path.join(folder, name + ".raw"), "rb") as file:
        data = bytearray(file.read())
    return torch.frombuffer(data, dtype=dtype).reshape(shape) if data else torch.empty(shape, dtype=dtype)


# ---- errors ----------------------------------------------------------------------------------------------------------

def error(got, exact):
    """[of the whole, of the worst entry], relative to the norm and to the largest entry of what is exact."""
    away, exact = (got.double() - exact).flatten(), exact.flatten()
    norm, largest = exact.norm().item(), exact.abs().max().item()
    whole, worst = away.norm().item(), away.abs().max().item()
    return [whole / norm if norm else whole, worst / largest if largest else worst]


class Case:
    """One op: its arrays, its settings for the program, and the same in PyTorch as a function of the arrays.

    same_bytes: True if the op must hold for backward what autograd holds for the function; or how many bytes."""

    def __init__(self, name, op, arrays, function, settings=None, same_bytes=True):
        self.name, self.op, self.function, self.settings = name, op, function, settings or {}
        self.arrays = {key: value if key in INTEGERS else value.float() for key, value in arrays.items()}
        self.same_bytes = same_bytes

    def torch(self, dtype, dy=None):
        """(y, gradients by name, arrays that changed, bytes held)."""
        arrays = {}
        for key, value in self.arrays.items():
            arrays[key] = value.clone() if key in INTEGERS else value.to(dtype, copy=True)
            arrays[key].requires_grad_(key not in INTEGERS and key not in STATE)
        y = self.function(**arrays)
        resident = [value for key, value in arrays.items() if key in INTEGERS + PARAMETERS + STATE]
        held = sum(block["bytes"] for block in pytorch_truth.saved_blocks([y], resident))
        y.backward(torch.ones_like(y) if dy is None else dy.to(dtype).reshape(y.shape))
        gradients = {key: value.grad for key, value in arrays.items() if value.requires_grad}
        return y.detach(), gradients, {key: arrays[key] for key in STATE if key in arrays}, held

    def ours(self, program, folder, dy, shape, threads="1"):
        for key, value in self.arrays.items():
            write(folder, key, value)
        if dy is not None:
            write(folder, "dy", dy)
        shapes = [f"{key}:{','.join(map(str, value.shape))}" for key, value in self.arrays.items()]
        settings = [f"{key}={value}" for key, value in self.settings.items()]
        result = subprocess.run([program, self.op, folder, *shapes, *settings], capture_output=True, text=True,
                                check=False, env={**os.environ, "OMP_NUM_THREADS": threads})
        if result.returncode:
            sys.exit(f"{self.name}: {result.stderr}")
        said = dict(line.split(maxsplit=1) if " " in line else (line, "") for line in result.stdout.splitlines())
        if tuple(map(int, said["shape"].split())) != tuple(shape):
            sys.exit(f"{self.name}: shape {said['shape']} instead of {tuple(shape)}")
        gradients = {key: read(folder, "d" + key, value.shape) for key, value in self.arrays.items()
                     if key not in INTEGERS + STATE}
        state = {key: read(folder, key, self.arrays[key].shape) for key in STATE if key in self.arrays}
        return read(folder, "y", shape), gradients, state, int(said["saved"])

    def compare(self, program, folder):
        y, _, _, held = self.torch(torch.float32)
        dy = torch.randn(y.shape) if y.numel() > 1 else None
        exact, single = self.torch(torch.float64, dy), self.torch(torch.float32, dy)
        ours = self.ours(program, folder, dy, y.shape)
        again = self.ours(program, folder, dy, y.shape, threads="3")
        arrays = [("y", exact[0], single[0], ours[0], again[0])]
        for index, mark in ((1, "d"), (2, "")):
            arrays += [(mark + key, exact[index][key], single[index][key], ours[index][key], again[index][key])
                       for key in exact[index]]
        entries = [{"case": self.name, "array": name, "ours": error(mine, true), "torch": error(theirs, true),
                    "threads": torch.equal(mine, other)} for name, true, theirs, mine, other in arrays]
        wanted = held if self.same_bytes is True else self.same_bytes
        return entries + [{"case": self.name, "held": ours[3], "torch_held": wanted}]


# ---- the ops in PyTorch ----------------------------------------------------------------------------------------------

def linear_cases():
    randn = torch.randn
    yield Case("linear", "linear", {"x": randn(7, 5, 33), "w": randn(19, 33), "b": randn(19)},
               lambda x, w, b: F.linear(x, w, b))
    yield Case("linear_one_row", "linear", {"x": randn(1, 3), "w": randn(4, 3), "b": randn(4)},
               lambda x, w, b: F.linear(x, w, b))
    yield Case("linear_no_bias", "linear", {"x": randn(300, 257), "w": randn(129, 257)},
               lambda x, w: F.linear(x, w))
    yield Case("embedding", "embedding", {"index": torch.randint(11, (4 * 9,)), "table": randn(11, 13)},
               lambda index, table: F.embedding(index, table), same_bytes=0)  # the batch is none of it
    yield Case("add", "add", {"x": randn(3, 5, 7), "z": randn(3, 5, 7)}, lambda x, z: x + z)
    yield Case("add_rows", "add", {"x": randn(4, 5, 7), "z": randn(5, 7)}, lambda x, z: x + z)
    yield Case("mul", "mul", {"x": randn(3, 5, 7), "z": randn(3, 5, 7)}, lambda x, z: x * z)
    yield Case("reshape", "reshape", {"x": randn(3, 5, 7)}, lambda x: x.reshape(3, 35))
    yield Case("patches", "patches_to_tokens", {"x": randn(3, 5, 4, 6)}, lambda x: x.flatten(2).transpose(1, 2))
    yield Case("prepend", "prepend", {"x": randn(3, 5, 7), "row": randn(7)},
               lambda x, row: torch.cat([row.expand(3, 1, 7), x], dim=1))
    yield Case("take_row", "take_row", {"x": randn(3, 5, 7)}, lambda x: x[:, 2], {"t": 2})


def loss_cases():
    for classes in (2, 65, 1000):
        rows = 30
        target = torch.randint(classes, (rows,))
        target[::4] = -100
        yield Case(f"cross_entropy_{classes}", "cross_entropy", {"x": 3 * torch.randn(rows, classes), "target": target},
                   lambda x, target: F.cross_entropy(x, target, ignore_index=-100),
                   same_bytes=4 * rows * classes)  # torch holds one number more, the sum of weights


def rms_norm(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def norm_cases():
    randn = torch.randn
    for shape in ((6, 64), (3, 5, 33), (2, 3, 2), (40, 768)):
        width, rows = shape[-1], torch.Size(shape[:-1]).numel()
        x, affine = 3 + 2 * randn(shape), {"weight": 1 + randn(width) / 4, "bias": randn(width)}
        name = "x".join(map(str, shape))
        yield Case(f"layernorm_{name}", "layernorm", {"x": x, **affine},
                   lambda x, weight, bias, width=width: F.layer_norm(x, (width,), weight, bias, 1e-5))
        yield Case(f"rmsnorm_{name}", "rmsnorm", {"x": x, "weight": affine["weight"]},
                   lambda x, weight: rms_norm(x, weight, 1e-5), same_bytes=4 * (x.numel() + rows))
    for shape in ((5, 3, 7, 9), (2, 64, 8, 8), (3, 4, 1, 1)):
        channels = shape[1]
        arrays = {"x": 1 + 2 * randn(shape), "weight": 1 + randn(channels) / 4, "bias": randn(channels),
                  "running": torch.stack([randn(channels), randn(channels).abs() + 0.5])}
        name = "x".join(map(str, shape))
        for training in (True, False):
            yield Case(f"batchnorm_{name}{'' if training else '_evaluation'}", "batchnorm2d", arrays,
                       lambda x, weight, bias, running, training=training: F.batch_norm(
                           x, running[0], running[1], weight, bias, training, 0.1, 1e-5),
                       {"training": int(training)}, same_bytes=4 * (arrays["x"].numel() + 2 * channels))


def image_cases():
    randn = torch.randn
    for name, shape, out, kernel, stride, padding, bias in (
            ("3x3", (3, 5, 9, 11), 7, 3, 1, 1, True), ("3x3_stride", (2, 16, 13, 13), 32, 3, 2, 1, False),
            ("1x1", (4, 24, 7, 7), 9, 1, 1, 0, False), ("1x1_stride", (4, 24, 7, 7), 9, 1, 2, 0, True),
            ("7x7", (2, 3, 32, 32), 8, 7, 2, 3, False), ("patches", (2, 3, 16, 24), 10, 8, 8, 0, True),
            ("whole", (2, 4, 5, 5), 6, 5, 1, 0, True), ("uneven", (1, 2, 8, 10), 3, 4, 3, 2, True)):
        arrays = {"x": randn(shape), "w": randn(out, shape[1], kernel, kernel) / kernel}
        if bias:
            arrays["b"] = randn(out)
        yield Case(f"conv_{name}", "conv2d", arrays,
                   lambda x, w, b=None, stride=stride, padding=padding: F.conv2d(x, w, b, stride, padding),
                   {"stride": stride, "padding": padding})
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1), (5, 3, 2)):
        yield Case(f"maxpool_{kernel}_{stride}_{padding}", "maxpool2d", {"x": randn(3, 4, 11, 14)},
                   lambda x, k=kernel, s=stride, p=padding: F.max_pool2d(x, k, s, p),
                   {"kernel": kernel, "stride": stride, "padding": padding})
    for kernel, stride in ((2, 2), (3, 2), (5, 1)):
        yield Case(f"avgpool_{kernel}_{stride}", "avgpool2d", {"x": randn(3, 4, 11, 14)},
                   lambda x, k=kernel, s=stride: F.avg_pool2d(x, k, s), {"kernel": kernel, "stride": stride})
    yield Case("global_avgpool", "global_avgpool", {"x": randn(3, 24, 7, 5)}, lambda x: x.mean((2, 3)),
               same_bytes=4 * 3 * 24 * 7 * 5)  # as up to PyTorch 1.13; later ones keep the shape only


def rotated(x):
    """Rotary positions as LLaMA's programs of today have them: pairs (i, i + d / 2). x (B, heads, T, d)."""
    length, half = x.shape[-2], x.shape[-1] // 2
    angle = torch.arange(length, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(half).double() / half)
    cos, sin = (torch.cat([f(angle), f(angle)], dim=1).to(x.dtype) for f in (torch.cos, torch.sin))
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-right, left], dim=-1) * sin


def attention(x, heads, key_heads=0, causal=False, rope=False):
    """softmax(q k^T / sqrt(d)) v by heads, written out; x: queries, keys and values side by side."""
    key_heads = key_heads or heads
    batch, length, whole = x.shape
    depth = whole // (heads + 2 * key_heads)
    parts = x.split([heads * depth, key_heads * depth, key_heads * depth], dim=-1)
    q, k, v = (part.reshape(batch, length, -1, depth).transpose(1, 2) for part in parts)
    if rope:
        q, k = rotated(q), rotated(k)
    k, v = (part.repeat_interleave(heads // key_heads, dim=1) for part in (k, v))
    scores = q @ k.transpose(-2, -1) / depth ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(length, length, dtype=torch.bool).triu(1), float("-inf"))
    return (F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(batch, length, heads * depth)


def bytes_of_attention(batch, length, depth, heads, key_heads=0, **_):
    """Queries, keys and values, and the probabilities. PyTorch's formula above holds these and the mask of causal, a byte
    for each pair of tokens; turned and repeated ones it holds several times over, which one op need not."""
    return 4 * batch * (length * depth * (heads + 2 * (key_heads or heads)) + heads * length * length)


def attention_cases():
    for name, batch, length, depth, options in (
            ("plain", 3, 17, 8, {"heads": 4}), ("causal", 2, 65, 16, {"heads": 3, "causal": True}),
            ("one_token", 3, 1, 8, {"heads": 2, "causal": True}), ("rope", 2, 33, 10, {"heads": 2, "rope": True}),
            ("grouped", 2, 19, 6, {"heads": 6, "key_heads": 2, "causal": True, "rope": True}),
            ("one_key_head", 2, 20, 8, {"heads": 4, "key_heads": 1}),
            ("long", 1, 200, 32, {"heads": 2, "causal": True})):
        groups = options["heads"] + 2 * options.get("key_heads", options["heads"])
        yield Case(f"attention_{name}", "attention", {"x": torch.randn(batch, length, groups * depth)},
                   lambda x, options=options: attention(x, **options), {k: int(v) for k, v in options.items()},
                   same_bytes=bytes_of_attention(batch, length, depth, **options))


# What torch.nn.functional has under another name than ours, or with other defaults.
ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "threshold": lambda x: F.threshold(x, 0, 0),
    **{name: getattr(F, name) for name in (
        "silu", "mish", "softplus", "elu", "celu", "selu", "hardswish", "logsigmoid", "softsign", "tanhshrink", "relu",
        "relu6", "leaky_relu", "hardtanh", "hardsigmoid", "hardshrink", "softshrink")},
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
}
# Composed of several nodes in PyTorch, or with a buffer beside x.
COMPOSED = ("softsign", "tanhshrink", "logsigmoid")


def activation_cases():
    for name, function in ACTIVATIONS.items():
        x = torch.cat([2 * torch.randn(40, 25), 12 * torch.randn(4, 25)])
        yield Case(name, "activation", {"x": x}, lambda x, function=function: function(x + 0), {"function": name},
                   same_bytes=4 * x.numel() if name in COMPOSED else True)


# ---- what PyTorch cannot be asked for directly -----------------------------------------------------------------------

class Dropout(Case):
    """Which elements go is chance; all else follows from them."""

    def __init__(self, p, seed):
        super().__init__(f"dropout_{p}", "dropout", {"x": torch.randn(100, 123)}, None, {"p": p, "seed": seed})
        self.p = torch.tensor(p).item()  # as float32 has it

    def compare(self, program, folder):
        x, dy = self.arrays["x"], torch.randn(self.arrays["x"].shape)
        y, gradients, _, held = self.ours(program, folder, dy, x.shape)
        again = self.ours(program, folder, dy, x.shape, threads="3")
        kept = (y != 0).double()
        sigmas = (kept.mean().item() - (1 - self.p)) * (x.numel() / (self.p * (1 - self.p))) ** 0.5
        scale = kept / (1 - self.p)
        rows = (("y", y, again[0], x), ("dx", gradients["x"], again[1]["x"], dy))
        return [{"case": self.name, "array": name, "ours": error(got, given.double() * scale),
                 "torch": error(given * scale.float(), given.double() * scale), "threads": torch.equal(got, other)}
                for name, got, other, given in rows] + [
                    {"case": self.name, "sigmas": sigmas, "held": held, "torch_held": (x.numel() + 7) // 8}]


class FewBit(Case):
    """dx = dy times the level of the interval that x is in, as `actscope quantize` prints them; y as without codes."""
    actscope = None

    def __init__(self, function, bits):
        x = torch.cat([2 * torch.randn(40, 25), 12 * torch.randn(4, 25)])
        super().__init__(f"{function}_{bits}_bits", "activation", {"x": x}, None, {"function": function, "bits": bits})

    def levels(self):
        command = [self.actscope, "quantize", self.settings["function"], "--bits", str(self.settings["bits"]), "--json"]
        quantizer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        breakpoints = torch.tensor(quantizer["breakpoints"], dtype=torch.float32)
        by_interval = torch.tensor(quantizer["levels"], dtype=torch.float32)[torch.tensor(quantizer["codes"])]
        return by_interval[torch.bucketize(self.arrays["x"], breakpoints, right=True)]

    def compare(self, program, folder):
        x, bits = self.arrays["x"], self.settings["bits"]
        dy = torch.randn(x.shape)
        y, gradients, _, held = self.ours(program, folder, dy, x.shape)
        self.settings["bits"] = 0
        exact = self.ours(program, folder, dy, x.shape)
        self.settings["bits"] = bits
        wanted = self.levels().double() * dy.double()
        return [{"case": self.name, "array": "dx", "ours": error(gradients["x"], wanted),
                 "torch": error(wanted.float(), wanted), "threads": torch.equal(y, exact[0])},
                {"case": self.name, "held": held, "torch_held": (bits * x.numel() + 7) // 8}]


def dropout_cases():
    for seed, p in enumerate((0.1, 0.5, 0.9)):
        yield Dropout(p, seed)


def few_bit_cases():
    for bits in (1, 2, 3, 4, 8):
        yield FewBit("gelu", bits)
    for name in ("silu", "tanh", "softplus", "hardswish"):
        yield FewBit(name, 3)


def control_cases():
    """Nearly the right formula: errors that the comparison must find."""
    x = torch.randn(40, 64)
    affine = {"weight": torch.ones(64), "bias": torch.zeros(64)}
    yield Case("gelu_in_tanh_form", "activation", {"x": x}, lambda x: F.gelu(x, approximate="tanh"),
               {"function": "gelu"})
    yield Case("layernorm_another_epsilon", "layernorm", {"x": x, **affine},
               lambda x, weight, bias: F.layer_norm(x, (64,), weight, bias, 1e-6), {"epsilon": 1e-5})
    yield Case("attention_scale_off", "attention", {"x": torch.randn(2, 9, 24)},
               lambda x: attention(x * 1.00001, 2), {"heads": 2})
    yield Case("linear_in_bfloat16_weights", "linear", {"x": x, "w": torch.randn(8, 64)},
               lambda x, w: F.linear(x, w.bfloat16().to(x.dtype)))


GROUPS = {"linear": linear_cases, "loss": loss_cases, "norms": norm_cases, "images": image_cases,
          "attention": attention_cases, "activations": activation_cases, "dropout": dropout_cases,
          "few_bit": few_bit_cases, "controls": control_cases}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--actscope", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("group", choices=sorted(GROUPS))
    options = parser.parse_args()
    torch.manual_seed(7)
    FewBit.actscope = options.actscope
    entries = []
    for case in GROUPS[options.group]():
        entries += case.compare(options.program, options.folder)
    json.dump(entries, sys.stdout)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The models of pytorch_models.py, run with activations that really keep packed codes instead of their input.

    pytorch_fewbit.py --model gpt --bits 2 [...]       --bits 0 runs them as they are

Only the bytes matter here: levels are the derivative's mean on equal intervals, no optimal quantizer. Forward and
backward work slice by slice into buffers of their final size, so that the temporaries stay far below a percent of the
peak that is measured.
"""
import argparse
import os
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_models  # noqa: E402

SLICE = 16384  # elements at a time; a multiple of 8, so that every slice begins at a whole byte of the codes
LOW, HIGH = -4.0, 4.0


def make_table(function, bits):
    """Breakpoints (2^bits - 1) and levels (2^bits) of the function's derivative."""
    cells = torch.linspace(LOW, HIGH, (64 << bits) + 1, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        derivative, = torch.autograd.grad(function(cells).sum(), cells)
    levels = derivative[:-1].view(1 << bits, 64).mean(dim=1).float()
    return torch.linspace(LOW, HIGH, (1 << bits) + 1)[1:-1].contiguous(), levels


def pack(codes, bits, out):
    """Eight codes become `bits` bytes: code i of a group takes bits [i * bits, (i + 1) * bits) of its word."""
    word = torch.zeros(codes.numel() // 8, dtype=torch.int64)
    for i in range(8):
        word |= codes[i::8].long() << (i * bits)
    for j in range(bits):
        out[j::bits] = (word >> (8 * j)) & 255


def unpack(packed, bits):
    word = torch.zeros(packed.numel() // bits, dtype=torch.int64)
    for j in range(bits):
        word |= packed[j::bits].long() << (8 * j)
    return torch.stack([(word >> (i * bits)) & ((1 << bits) - 1) for i in range(8)], dim=1).view(-1)


def slices(count):
    return [(begin, min(begin + SLICE, count)) for begin in range(0, count, SLICE)]


def encode(x, breakpoints, bits):
    flat = x.reshape(-1)  # a view: the models' activations are contiguous
    packed = torch.empty((flat.numel() + 7) // 8 * bits, dtype=torch.uint8)
    for begin, end in slices(flat.numel()):
        codes = torch.bucketize(flat[begin:end], breakpoints, out_int32=True)
        codes = F.pad(codes, (0, -codes.numel() % 8))
        pack(codes, bits, packed[begin // 8 * bits:(end + 7) // 8 * bits])
    return packed


def decode_multiply(packed, dy, levels, bits):
    flat = dy.reshape(-1)
    dx = torch.empty_like(flat)
    for begin, end in slices(flat.numel()):
        codes = unpack(packed[begin // 8 * bits:(end + 7) // 8 * bits], bits)[:end - begin]
        torch.mul(flat[begin:end], levels[codes], out=dx[begin:end])
    return dx.view(dy.shape)


class FewBit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, function, breakpoints, levels, bits):
        ctx.levels, ctx.bits = levels, bits
        ctx.save_for_backward(encode(x, breakpoints, bits))
        return function(x)

    @staticmethod
    def backward(ctx, dy):
        packed, = ctx.saved_tensors
        return decode_multiply(packed, dy, ctx.levels, ctx.bits), None, None, None, None


def few_bit(function, bits):
    breakpoints, levels = make_table(function, bits)
    return lambda x, *_, **__: FewBit.apply(x, function, breakpoints, levels, bits)


def patch_activations(bits):
    """To be called before a model is made: some layers look their activation up when they are built."""
    F.gelu, F.silu = few_bit(F.gelu, bits), few_bit(F.silu, bits)


def check_packing():
    for bits in (1, 2, 3, 4):
        codes = torch.randint(1 << bits, (8 * 37,))
        packed = torch.empty(37 * bits, dtype=torch.uint8)
        pack(codes, bits, packed)
        if not torch.equal(unpack(packed, bits), codes):
            sys.exit(f"pytorch_fewbit.py: {bits}-bit codes do not survive packing")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    pytorch_models.add_options(parser)
    parser.add_argument("--bits", type=int, choices=(0, 1, 2, 3, 4), required=True)
    options = parser.parse_args()
    check_packing()
    if options.bits:
        patch_activations(options.bits)
    pytorch_models.train(options)


if __name__ == "__main__":
    main()

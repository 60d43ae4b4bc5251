#!/usr/bin/env python3
"""Fits the polynomials of kernels/vmath_*.h and writes kernels/vmath_tables.h (to standard output).

    python3 kernels/tools/fit_vmath.py > kernels/vmath_tables.h

Needs numpy only; with another LAPACK a last digit may come out otherwise, to no effect. Each fit is a minimax one
(Lawson's reweighted least squares on Chebyshev points, in double), whose coefficients are then rounded to float32 one
after another from the constant up, the others refitted after each, so that rounding costs next to nothing. The error
that comes out, in units of 2^-24 of the value, is printed as a comment.
"""
import math
import sys
import textwrap

import numpy as np


def minimax(target, weight, lo, hi, powers, points=400, rounds=120):
    """Coefficients of x^p, p in powers, float32 values as floats, and the largest weighted error."""
    nodes = 0.5 * (lo + hi) + 0.5 * (hi - lo) * np.cos(np.pi * (np.arange(points) + 0.5) / points)
    values = np.array([target(x) for x in nodes])
    weights = np.array([weight(x) for x in nodes])
    scale = max(abs(lo), abs(hi))
    fixed = {}
    while True:
        free = [p for p in powers if p not in fixed]
        rest = values - sum((c * nodes**p for p, c in fixed.items()), np.zeros_like(nodes))
        if not free:
            return [fixed[p] for p in powers], float(np.max(np.abs(rest * weights)))
        basis = np.stack([(nodes / scale) ** p for p in free], axis=1) * weights[:, None]
        lawson = np.full(points, 1.0 / points)
        best, best_error = None, math.inf
        for _ in range(rounds):
            root = np.sqrt(lawson)
            solution = np.linalg.lstsq(basis * root[:, None], rest * weights * root, rcond=None)[0]
            residual = np.abs(basis @ solution - rest * weights)
            if residual.max() < best_error:
                best, best_error = solution, residual.max()
            lawson = lawson * residual
            lawson = lawson / lawson.sum() if lawson.sum() > 0 else np.full(points, 1.0 / points)
        lowest = free[0]
        fixed[lowest] = float(np.float32(best[0] / scale**lowest))


def c_float(x):
    text = np.format_float_scientific(np.float32(x), unique=True, trim="0")
    return text + "f"


def print_values(opening, values, closing):
    """The values in braces, as many to a line as fit."""
    print(textwrap.fill(opening + ", ".join(c_float(v) for v in values) + closing, 120, subsequent_indent="     ",
                        initial_indent="    " if opening == "{" else ""))


def polynomial(name, comment, target, weight, lo, hi, powers):
    coefficients, error = minimax(target, weight, lo, hi, powers)
    print(f"/* {comment} Error {error * 2**24:.3f} / 2^24. */")
    print_values(f"static const float {name}[{len(powers)}] = {{", coefficients, "};")
    print()


# ---- one polynomial each ---------------------------------------------------------------------------------------------

def series(coefficients, x):
    return sum(c * x**i for i, c in enumerate(coefficients))


def exp_tail(r):
    """(e^r - 1 - r) / r^2"""
    if abs(r) < 0.1:
        return series([1 / math.factorial(i + 2) for i in range(12)], r)
    return (math.expm1(r) - r) / (r * r)


# ---- piecewise -------------------------------------------------------------------------------------------------------

def gelu_small(t):
    """t Phi(-t)"""
    return t * 0.5 * math.erfc(t / math.sqrt(2))


def gelu_far(t):
    """Phi(-t) e^(t^2/2)"""
    return 0.5 * math.erfc(t / math.sqrt(2)) * math.exp(t * t / 2)


TANH_ONE = 9.25  # tanh is 1 in float32 from 9.02 on
UP = 40  # VMATH_UP


def tanhshrink_cubic(t):
    """(t - tanh t) / t^3"""
    if t < 0.25:
        s = t * t
        return series([1 / 3, -2 / 15, 17 / 315, -62 / 2835, 1382 / 155925, -21844 / 6081075, 929569 / 638512875,
                       -6404582 / 10854718875, 443861162 / 1856156927625], s)
    return (t - math.tanh(t)) / t**3


def intervals(first, per_octave, count):
    """Boundaries of the pieces in t = v - first, and the index of each: v's bits >> shift, modulo count."""
    shift = 23 - int(math.log2(per_octave))
    bits = int(np.float32(first).view(np.uint32))
    assert bits % (1 << shift) == 0
    edges = [float(np.uint32(bits + (i << shift)).view(np.float32)) - first for i in range(count + 1)]
    return edges, [((bits >> shift) + i) % count for i in range(count)]


def print_table(name, comment, count, columns, table, worst, constants):
    print(textwrap.fill(f"/* {comment} Error {worst * 2**24:.3f} / 2^24. */", 120, subsequent_indent=" * "))
    for key, value in constants.items():
        print(f"#define {name.upper()}_{key}_{count} {c_float(value)}")
    print(f"static const float {name}_{count}[{len(columns)}][{count}] __attribute__((aligned(64))) = {{")
    for column, values in zip(columns, table):
        print(f"    /* {column} */")
        print_values("{", values, "},")
    print("};")
    print()


def piecewise(name, comment, fit_piece, first, per_octave, count, columns, **constants):
    edges, index = intervals(first, per_octave, count)
    table = np.zeros((len(columns), count))
    worst = 0.0
    for i in range(count):
        row, error = fit_piece(edges[i], edges[i + 1])
        worst = max(worst, error)
        table[:, index[i]] = row
    print_table(name, comment, count, columns, table, worst, {"FIRST": first, **constants})


def minimax_sum(value, part, lo, hi, powers):
    """A polynomial for part, with an error relative to value."""
    return minimax(part, lambda d: 1 / value(d), lo, hi, powers)


def gelu_far_piece(degree):
    def fit(lo, hi):
        hi = min(hi, 14.875)
        centre = float(np.float32(0.5 * (lo + hi)))
        coefficients, error = minimax_sum(lambda d: gelu_far(centre + d), lambda d: gelu_far(centre + d), lo - centre,
                                          hi - centre, range(degree + 1))
        return [centre] + coefficients, error
    return fit


def gelu_near(count, step, degree):
    """Pieces centred at i step, for S(t) = t Phi(-t); the first has no constant, for small t."""
    table = np.zeros((degree + 1, count))
    worst = 0.0
    for i in range(count):
        centre = i * step
        skip = 1 if i == 0 else 0
        coefficients, error = minimax_sum(lambda d: gelu_small(centre + d), lambda d: gelu_small(centre + d),
                                          0.0 if i == 0 else -step / 2, step / 2, range(skip, degree + 1))
        table[skip:, i] = coefficients
        worst = max(worst, error)
    print_table("vmath_gelu_near", f"t Phi(-t), 0 <= t <= {(count - 0.5) * step}, by degree {degree} around the nearest"
                f" multiple of {step}.", count, [f"c{i}" for i in range(degree + 1)], table, worst,
                {"LIMIT": (count - 0.5) * step, "ROUND": step * 2**23})


def shifted(value, linear, slope, degree, lo, hi):
    """centre, shift, coefficients: value(t) = slope (linear(t) - shift) + polynomial, the shift a multiple of 2^-14
    that leaves the polynomial as little as can be. The piece at 0 is centred there, and is 0 there."""
    if lo == 0.0:
        coefficients, error = minimax_sum(value, lambda t: value(t) - slope * linear(t), 0.0, hi, range(1, degree + 1))
        return [0.0, 0.0, 0.0] + coefficients, error
    centre = float(np.float32(0.5 * (lo + hi)))
    shift = round((linear(centre) - slope * value(centre)) * 2**14) / 2**14
    coefficients, error = minimax_sum(lambda d: value(centre + d),
                                      lambda d: value(centre + d) - slope * (linear(centre + d) - shift),
                                      lo - centre, hi - centre, range(degree + 1))
    return [centre, shift] + coefficients, error


def tanh_piece(degree, knee):
    def fit(lo, hi):
        return shifted(math.tanh, lambda t: min(t, knee), 1, degree, lo, min(hi, TANH_ONE))
    return fit


def tanhshrink_piece(degree, knee):
    def fit(lo, hi):
        if lo >= knee:
            return shifted(lambda t: t - math.tanh(t), lambda t: t, 1, degree, lo, min(hi, TANH_ONE))
        centre = float(np.float32(0.5 * (lo + hi)))
        cubic = lambda d: tanhshrink_cubic(centre + d)
        coefficients, error = minimax_sum(cubic, cubic, lo - centre, hi - centre, range(degree + 1))
        return [centre, 0.0] + coefficients, error
    return fit


def log1p_piece(degree):
    def fit(lo, hi):
        row, error = shifted(math.log1p, lambda u: u, 1, degree, lo, min(hi, 1.0))
        return row[:1] + [value * 2.0**UP for value in row[1:]], error
    return fit


def main():
    print("/* Coefficients of kernels/vmath_*.h. Written by kernels/tools/fit_vmath.py: change that, not this. */")
    print("#ifndef ACTSCOPE_KERNELS_VMATH_TABLES_H")
    print("#define ACTSCOPE_KERNELS_VMATH_TABLES_H")
    print()
    print("/* clang-format off */")
    print(f"#define VMATH_TANH_ONE {c_float(TANH_ONE)}")
    print()
    half = math.log(2) / 2 * 1.0001
    polynomial("vmath_exp_coefficients", "e^r = 1 + r + r^2 (c0 + c1 r + ...), |r| <= log(2) / 2.", exp_tail,
               lambda r: r * r / math.exp(r), -half, half, range(5))
    polynomial("vmath_expm1_coefficients", "e^r - 1 = r + r^2 (c0 + c1 r + ...), |r| <= log(2) / 2.", exp_tail,
               lambda r: r * r / abs(math.expm1(r)), -half, half, range(5))
    names = [f"c{i}" for i in range(9)]
    for count, octave, far, near, tanh, shrink, log, first, knee, shrink_knee, log_first in (
            (8, 2, 7, (0.5, 6), 8, 7, 5, 0.75, 1.25, 0.75, 0.09375),
            (32, 8, 4, (0.125, 5), 5, 4, 3, 0.625, 1.375, 0.875, 0.0703125)):
        print(f"#if {'VF_LANES != 16' if count == 8 else 'VF_LANES == 16'}")
        print()
        piecewise("vmath_gelu_far", "Phi(-t) e^(t^2/2) by degree %d in t - centre." % far, gelu_far_piece(far), 1.0,
                  octave, count, ["centre"] + names[:far + 1])
        gelu_near(count, *near)
        piecewise("vmath_tanh", "tanh t = (min(t, knee) - shift) + polynomial in t - centre.", tanh_piece(tanh, knee),
                  first, octave, count, ["centre", "shift"] + names[:tanh + 1], KNEE=knee)
        piecewise("vmath_tanhshrink", "t - tanh t = t^3 polynomial, from the knee on (t - shift) + polynomial.",
                  tanhshrink_piece(shrink, shrink_knee), first, octave, count, ["centre", "shift"] + names[:shrink + 1],
                  KNEE=first + shrink_knee)
        piecewise("vmath_log1p", f"2^{UP} log(1 + u) = (2^{UP} u - shift) + polynomial in u - centre.",
                  log1p_piece(log), log_first, octave, count, ["centre", "shift"] + names[:log + 1])
        print("#endif")
        print()
    print("/* clang-format on */")
    print()
    print("#endif")


if __name__ == "__main__":
    sys.exit(main())

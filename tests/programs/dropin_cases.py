"""What the checks of actscope.torch share: every function with torch's own beside it, a reference in double, and the
gradient that the quantizer's published table says."""
import contextlib
import math

import torch
import torch.nn.functional as F

import actscope
import actscope.torch as ft

TORCH_2 = int(torch.__version__.split(".")[0]) >= 2


# name -> (torch's function of x and inplace, arguments of actscope's functional, the library's name, its parameters)
CASES = {
    "gelu": (lambda x, i: F.gelu(x), {}, "gelu", {}),
    "gelu_tanh": (lambda x, i: F.gelu(x, approximate="tanh"), {"approximate": "tanh"}, "gelu_tanh", {}),
    "silu": (lambda x, i: F.silu(x, i), {}, "silu", {}),
    "mish": (lambda x, i: F.mish(x, i), {}, "mish", {}),
    "softplus": (lambda x, i: F.softplus(x), {}, "softplus", {}),
    "softplus_2": (lambda x, i: F.softplus(x, 2, 10), {"beta": 2, "threshold": 10}, "softplus",
                   {"beta": 2, "threshold": 10}),
    "elu": (lambda x, i: F.elu(x, 1.0, i), {}, "elu", {}),
    "elu_2": (lambda x, i: F.elu(x, 0.5, i), {"alpha": 0.5}, "elu", {"alpha": 0.5}),
    "celu": (lambda x, i: F.celu(x, 1.0, i), {}, "celu", {}),
    "celu_2": (lambda x, i: F.celu(x, 2.0, i), {"alpha": 2.0}, "celu", {"alpha": 2.0}),
    "selu": (lambda x, i: F.selu(x, i), {}, "selu", {}),
    "hardswish": (lambda x, i: F.hardswish(x, i), {}, "hardswish", {}),
    "logsigmoid": (lambda x, i: F.logsigmoid(x), {}, "logsigmoid", {}),
    "softsign": (lambda x, i: F.softsign(x), {}, "softsign", {}),
    "tanhshrink": (lambda x, i: F.tanhshrink(x), {}, "tanhshrink", {}),
    "relu6": (lambda x, i: F.relu6(x, i), {}, "relu6", {}),
    "leaky_relu": (lambda x, i: F.leaky_relu(x, 0.01, i), {}, "leaky_relu", {}),
    "leaky_relu_2": (lambda x, i: F.leaky_relu(x, 0.2, i), {"negative_slope": 0.2}, "leaky_relu",
                     {"negative_slope": 0.2}),
    "hardtanh": (lambda x, i: F.hardtanh(x, -1.0, 1.0, i), {}, "hardtanh", {}),
    "hardtanh_2": (lambda x, i: F.hardtanh(x, -0.5, 2.0, i), {"min_val": -0.5, "max_val": 2.0}, "hardtanh",
                   {"min_val": -0.5, "max_val": 2.0}),
    "hardsigmoid": (lambda x, i: F.hardsigmoid(x, i), {}, "hardsigmoid", {}),
    "hardshrink": (lambda x, i: F.hardshrink(x), {}, "hardshrink", {}),
    "hardshrink_2": (lambda x, i: F.hardshrink(x, 1.5), {"lambd": 1.5}, "hardshrink", {"lambd": 1.5}),
    "softshrink": (lambda x, i: F.softshrink(x), {}, "softshrink", {}),
    "threshold": (lambda x, i: F.threshold(x, 0.3, -2.0, i), {"threshold": 0.3, "value": -2.0}, "threshold",
                  {"threshold": 0.3, "value": -2.0}),
    "relu": (lambda x, i: F.relu(x, i), {}, "relu", {}),
    "sigmoid": (lambda x, i: x.sigmoid_() if i else torch.sigmoid(x), {}, "sigmoid", {}),
    "tanh": (lambda x, i: x.tanh_() if i else torch.tanh(x), {}, "tanh", {}),
}
INPLACE = ("silu", "mish", "elu", "celu", "selu", "hardswish", "relu6", "leaky_relu", "hardtanh", "hardsigmoid",
           "threshold", "relu", "sigmoid", "tanh")


def tanhshrink(x):
    """x - tanh x in double: by its series where the difference cancels."""
    series = x ** 3 / 3 - 2 * x ** 5 / 15 + 17 * x ** 7 / 315 - 62 * x ** 9 / 2835
    return torch.where(x.abs() < 0.02, series, x - torch.tanh(x))


def elu(x, alpha=1.0, scale=1.0, width=1.0):
    return scale * torch.where(x > 0, x, alpha * torch.expm1(x / width))


# f in double where torch's own formula loses its tail even there.
REFERENCES = {
    "gelu": lambda x: 0.5 * x * torch.erfc(-x * math.sqrt(0.5)),
    "gelu_tanh": lambda x: x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)),
    "tanhshrink": tanhshrink,
    "elu": elu, "elu_2": lambda x: elu(x, 0.5), "celu": elu, "celu_2": lambda x: elu(x, 2.0, 1.0, 2.0),
    "selu": lambda x: elu(x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946),
}
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def reference(case, x):
    """f(x) in double."""
    return REFERENCES[case](x.double()) if case in REFERENCES else CASES[case][0](x.double(), False)


def few_bit(case, x, bits, inplace=False):
    """The case through patch() and torch's own name."""
    with ft.patch(bits, functions="all"):
        return CASES[case][0](x, inplace)


def functional(case, x, bits, **more):
    _, arguments, name, _ = CASES[case]
    return getattr(ft.functional, "gelu" if name == "gelu_tanh" else name)(x, bits=bits, **arguments, **more)


def table(case, bits):
    """(breakpoints, level of each interval) of the case's quantizer, float32, from the library."""
    _, _, name, params = CASES[case]
    made = actscope.Quantizer.fit(name, bits, **params) if params else actscope.Quantizer.builtin(name, bits)
    return torch.tensor(made.breakpoints), torch.tensor(made.levels)[torch.tensor(made.codes, dtype=torch.long)]


def expected_gradient(case, bits, x, dy):
    """level dy, from the published table: interval i has i breakpoints <= x; NaN is in interval 0."""
    breakpoints, levels = table(case, bits)
    interval = torch.bucketize(x.detach().float(), breakpoints, right=True)
    interval = torch.where(torch.isnan(x.detach()), torch.zeros_like(interval), interval)
    return (levels[interval] * dy.float()).to(dy.dtype)


def same(left, right):
    """Equal to the bit but for which NaN."""
    return left.shape == right.shape and left.dtype == right.dtype and bool(((left == right) | (left != left)
                                                                              & (right != right)).all())


def inputs(elements=4099):
    """Normal numbers, and what is special: kinks, signed zeros, infinities, NaN, huge and denormal."""
    torch.manual_seed(3)
    special = [0.0, -0.0, 0.3, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, 2.0, 1e-40, -1e-40, 1e30, -1e30, math.inf,
               -math.inf, math.nan]
    return torch.cat([torch.tensor(special), 3 * torch.randn(elements - len(special))])


@contextlib.contextmanager
def kept():
    """The tensors that autograd packs meanwhile."""
    packed = []

    def pack(tensor):
        packed.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield packed


@contextlib.contextmanager
def raises(kind, *words):
    try:
        yield
    except kind as error:
        for word in words:
            assert word in str(error), f"{word!r} is not in: {error}"
        return
    raise AssertionError(f"no {kind.__name__}")

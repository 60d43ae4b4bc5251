"""The functions that few-bit codes can serve: how torch calls them, and what torch itself keeps for their backward."""
import functools
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F

from actscope import fewbit

# What torch keeps (walked and hooked on 1.13 and 2.13, tests/e2e/test_dropin.py): the input, which mostly nobody else
# holds, so that codes in its place save memory; or the result, which the next Linear or Conv mostly holds as well, so
# that codes only come on top. An in-place function keeps its result, or a clone of the input, which is the input's
# case.
INPUT, RESULT = "input", "result"

# Whose layout the gradient has where dy and x differ in theirs. TensorIterator goes by its first operand that is not
# expanded: dy for most of torch's kernels, x for some; tanhshrink's formula negates dy first, which ends an expansion.
BY_GRADIENT, BY_INPUT, BY_NEGATED = "gradient", "input", "negated"


class Setting(NamedTuple):
    """How to quantize: bits an element, "value" or "interval", and how much each x counts (None: the default)."""
    bits: int
    method: str = fewbit.DEFAULT_METHOD
    weight: Optional[str] = None


def make_setting(bits, method=fewbit.DEFAULT_METHOD, weight=None):
    fewbit.check_setting(bits, method, weight)
    return Setting(bits, method, weight)


@functools.lru_cache(maxsize=256)
def _quantizer_or_none(name, setting, params):
    try:
        return fewbit.quantizer(name, setting.bits, setting.method, setting.weight, params)
    except ValueError:  # the setting was checked when it was made: torch takes parameters that quantizers do not
        return None


class Function:
    """One of torch's functions. Arguments after the input are `params`, then `inplace` where torch has it."""

    def __init__(self, name, module=None, params=(), inplace=False, keeps=INPUT, keeps_inplace=INPUT, copies=1,
                 contiguous=False, gradient_layout=BY_GRADIENT, required=0):
        self.name = name
        self.module = module            # of torch.nn
        self.params = params            # (name, default) each
        self.inplace = inplace          # torch.nn.functional's takes inplace=
        self.keeps, self.keeps_inplace = keeps, keeps_inplace
        self.copies = copies            # arrays of the input's size that torch keeps
        self.contiguous = contiguous    # torch's result is contiguous whatever the input
        self.gradient_layout = gradient_layout
        self.required = required        # how many params torch has no default for
        self.defaults = tuple(default for _, default in params)
        self.names = tuple(param for param, _ in params)
        self._cached = {}  # (setting, params) of the last few calls: faster than lru_cache's tuples of tuples

    def saves_memory(self, inplace):
        """Whether torch keeps what nobody else holds, as a rule."""
        return (self.keeps_inplace if inplace else self.keeps) == INPUT

    def quantizer(self, setting, params):
        """None if the parameters are not ones that can be quantized."""
        key = setting, params
        found = self._cached.get(key)
        if found is None:
            found = self._find(setting, params)
            if found is not None:
                if len(self._cached) >= 64:
                    self._cached = {}
                self._cached[key] = found
        return found

    def _find(self, setting, params):
        if self.name == "gelu":
            name = {"none": "gelu", "tanh": "gelu_tanh"}.get(params[0])
            return name and _quantizer_or_none(name, setting, ())
        if not all(isinstance(value, (int, float)) for value in params):
            return None
        given = () if params == self.defaults else tuple(zip(self.names, map(float, params)))
        return _quantizer_or_none(self.name, setting, given)

    def exact(self, x, params, inplace):
        """What torch does."""
        if self.name in ("sigmoid", "tanh"):  # torch.nn.functional's are deprecated
            return getattr(torch, self.name)(x)
        if self.name == "gelu":
            return F.gelu(x, approximate=params[0])
        return getattr(F, self.name)(x, *params, **({"inplace": True} if inplace else {}))


def _function(name, module, *args, **kwargs):
    return name, Function(name, module, *args, **kwargs)


FUNCTIONS = dict((
    _function("gelu", "GELU", (("approximate", "none"),)),
    _function("silu", "SiLU", inplace=True),
    _function("mish", "Mish", inplace=True),
    _function("softplus", "Softplus", (("beta", 1.0), ("threshold", 20.0))),
    _function("elu", "ELU", (("alpha", 1.0),), inplace=True, keeps_inplace=RESULT),
    _function("celu", "CELU", (("alpha", 1.0),), inplace=True, keeps_inplace=RESULT),
    _function("selu", "SELU", inplace=True, keeps_inplace=RESULT),
    _function("hardswish", "Hardswish", inplace=True),
    _function("logsigmoid", "LogSigmoid", copies=2, contiguous=True),
    _function("softsign", "Softsign", copies=2),
    _function("tanhshrink", "Tanhshrink", gradient_layout=BY_NEGATED),
    _function("relu6", "ReLU6", inplace=True),
    _function("leaky_relu", "LeakyReLU", (("negative_slope", 0.01),), inplace=True, keeps_inplace=RESULT,
              gradient_layout=BY_INPUT),
    _function("hardtanh", "Hardtanh", (("min_val", -1.0), ("max_val", 1.0)), inplace=True),
    _function("hardsigmoid", "Hardsigmoid", inplace=True),
    _function("hardshrink", "Hardshrink", (("lambd", 0.5),)),
    _function("softshrink", "Softshrink", (("lambd", 0.5),)),
    _function("threshold", "Threshold", (("threshold", 0.0), ("value", 0.0)), inplace=True, gradient_layout=BY_INPUT,
              required=2),
    _function("relu", "ReLU", inplace=True, keeps=RESULT, keeps_inplace=RESULT, gradient_layout=BY_INPUT),
    _function("sigmoid", "Sigmoid", keeps=RESULT, keeps_inplace=RESULT),
    _function("tanh", "Tanh", keeps=RESULT, keeps_inplace=RESULT),
))

# What patch() and convert() replace unless told otherwise: where torch keeps the input. Of these, in-place calls that
# keep the result are left alone, too (Function.saves_memory).
DEFAULT_FUNCTIONS = tuple(name for name, function in FUNCTIONS.items() if function.keeps == INPUT)

_ALIASES = {"swish": "silu", "gelu_tanh": "gelu", "gelu-tanh": "gelu", "log_sigmoid": "logsigmoid",
            "leakyrelu": "leaky_relu", "hard_swish": "hardswish", "hard_tanh": "hardtanh"}


def choose(functions):
    """(names, chosen): the functions meant by None (the default ones), "all", "gelu,silu" or a list of names, and
    whether they were asked for by name, so that even those are replaced where nothing is gained as a rule."""
    if functions is None:
        return DEFAULT_FUNCTIONS, False
    if isinstance(functions, str):
        if functions == "all":
            return tuple(FUNCTIONS), True
        functions = [name.strip() for name in functions.split(",") if name.strip()]
    names = []
    for name in functions:
        name = _ALIASES.get(name, name)
        if name not in FUNCTIONS:
            raise ValueError(f"actscope: no function {name!r}: there are {', '.join(FUNCTIONS)}")
        names.append(name)
    return tuple(dict.fromkeys(names)), True

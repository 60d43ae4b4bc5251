"""torch.nn.functional's activations with few-bit gradients: the same names and arguments, then bits=, method=, weight=.

    y = actscope.torch.functional.gelu(x, approximate="tanh", bits=2)
"""
import inspect

import torch

from actscope import fewbit
from actscope.torch import core
from actscope.torch.functions import FUNCTIONS, make_setting

_SETTING = (("bits", 3), ("method", fewbit.DEFAULT_METHOD), ("weight", None))


def _bind(function, args, kwargs):
    """(params, inplace) of a call as torch.nn.functional has it."""
    if not args and not kwargs and not function.required:
        return function.defaults, False
    names = function.names + (("inplace",) if function.inplace else ())
    if len(args) > len(names):
        raise TypeError(f"{function.name}() takes at most {1 + len(names)} positional arguments")
    given = dict(zip(names, args))
    for name, value in kwargs.items():
        if name not in names or name in given:
            raise TypeError(f"{function.name}() got an unexpected argument {name!r}")
        given[name] = value
    if any(name not in given for name in function.names[:function.required]):
        raise TypeError(f"{function.name}() needs {' and '.join(function.names[:function.required])}")
    return tuple(given.get(*param) for param in function.params), bool(given.get("inplace", False))


_settings = {}


def _setting(bits, method, weight):
    """make_setting(), but checked once."""
    try:
        return _settings[bits, method, weight]
    except KeyError:
        made = _settings[bits, method, weight] = make_setting(bits, method, weight)
        return made


def _make(function):
    def call(input, *args, bits=3, method=fewbit.DEFAULT_METHOD, weight=None, **kwargs):
        params, inplace = _bind(function, args, kwargs)
        return core.run(function, input, params, inplace, _setting(bits, method, weight), None, function.exact,
                        (input, params, inplace), {})

    kind = inspect.Parameter
    parameters = [kind("input", kind.POSITIONAL_OR_KEYWORD)]
    for i, (name, default) in enumerate(function.params):
        default = kind.empty if i < function.required else default
        parameters.append(kind(name, kind.POSITIONAL_OR_KEYWORD, default=default))
    parameters += [kind("inplace", kind.POSITIONAL_OR_KEYWORD, default=False)] * function.inplace
    parameters += [kind(name, kind.KEYWORD_ONLY, default=default) for name, default in _SETTING]
    call.__signature__ = inspect.Signature(parameters)
    call.__name__ = call.__qualname__ = function.name
    call.__doc__ = f"torch.nn.functional.{function.name}, keeping `bits` bits an element for backward."
    return call


for _name, _entry in FUNCTIONS.items():
    globals()[_name] = _make(_entry)


class _Stepwise:
    """f with f(0) = 0 whose derivative is levels[i] where exactly i breakpoints are <= x: exact with codes, as there is
    nothing to approximate."""

    def __init__(self, breakpoints, levels):
        # Any name will do: only codes are asked of this quantizer, never f.
        self.quantizer = fewbit.Quantizer.from_table("relu", breakpoints, levels)
        self.breakpoints = torch.tensor(self.quantizer.breakpoints)
        self.levels = torch.tensor(self.quantizer.levels)
        points, slopes = self.breakpoints.double(), self.levels.double()
        # f(x) = level x + offset: offsets make neighbours meet, then f(0) is taken off.
        jumps = (slopes[:-1] - slopes[1:]) * points
        offsets = torch.cat([jumps.new_zeros(1), jumps.cumsum(0)])
        self.offsets = (offsets - offsets[int((points <= 0).sum())]).float()

    def value(self, x):
        """y by torch's operators, differentiable, at a full input's cost."""
        interval = torch.bucketize(x.detach(), self.breakpoints.to(x), right=True)
        return self.levels.to(x)[interval] * x + self.offsets.to(x)[interval]


class _StepwiseFewBit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, steps):
        x = x.contiguous()
        codes = torch.empty(steps.quantizer.code_bytes(x.numel()), dtype=torch.uint8)
        steps.quantizer.encode(core.TYPES[x.dtype], x.data_ptr(), codes.data_ptr(), x.numel())
        ctx.save_for_backward(codes)
        ctx.function, ctx.quantizer, ctx.strides = FUNCTIONS["relu"], steps.quantizer, None
        ctx.set_materialize_grads(False)
        return steps.value(x)

    @staticmethod
    def backward(ctx, dy):
        return core.FewBit.backward(ctx, dy)[0], None


def _run_stepwise(x, steps):
    differentiable = x.requires_grad and torch.is_grad_enabled()
    if core.is_compiling() or core.thread.exact or not differentiable or core.refusal(x, False, True) is not None:
        return steps.value(x)
    return _StepwiseFewBit.apply(x, steps)


def stepwise(input, breakpoints, levels):
    """f with f(0) = 0 and the steps f'(x) = levels[i] where exactly i of the ascending breakpoints are <= x. As many
    bits an element are kept as the levels need, and the gradient is exact. For many calls make a Stepwise module."""
    return _run_stepwise(input, _Stepwise(breakpoints, levels))


__all__ = [*FUNCTIONS, "stepwise"]

"""torch.nn's activation modules with few-bit gradients: the same names and arguments, then bits=, method=, weight=.

Each is a subclass of torch's, has no parameters or buffers, and remembers its setting in one plain attribute, so that
state_dict is torch's and pickling works. GELU(bits=3), Softplus(beta=2, bits=4), ...
"""
import copy
import inspect

import torch

from actscope import fewbit
from actscope.torch import core
from actscope.torch.functional import _run_stepwise, _Stepwise
from actscope.torch.functions import FUNCTIONS, make_setting


class FewBitModule:
    """What every few-bit module adds to torch's."""
    function = None  # of FUNCTIONS

    @property
    def bits(self):
        return self.few_bit.bits

    def forward(self, input):
        if type(input) is torch.fx.Proxy:  # a leaf of the graph, as torch.nn's modules are: it goes on keeping few bits
            return input.tracer.create_proxy("call_module", input.tracer.path_of_module(self), (input,), {})
        function = self.function
        if function.names:
            params = tuple(getattr(self, name) for name in function.names)
        else:
            params = ()
        inplace = function.inplace and self.inplace
        return core.run(function, input, params, inplace, self.few_bit, None, function.exact, (input, params, inplace),
                        {})

    def extra_repr(self):
        own = super().extra_repr()
        return (own + ", " if own else "") + f"bits={self.few_bit.bits}"

    def __prepare_scriptable__(self):
        """What torch.jit.script compiles in its place: torch's own module, so that what it saves runs anywhere."""
        own = copy.copy(self)
        own.__class__ = next(base for base, ours in MODULES.items() if isinstance(self, ours))
        del own.few_bit
        return own


def _make(function):
    base = getattr(torch.nn, function.module)

    def init(self, *args, bits=3, method=fewbit.DEFAULT_METHOD, weight=None, **kwargs):
        base.__init__(self, *args, **kwargs)
        self.few_bit = make_setting(bits, method, weight)

    kind = inspect.Parameter
    own = [parameter for parameter in inspect.signature(base.__init__).parameters.values()
           if parameter.kind not in (kind.VAR_POSITIONAL, kind.VAR_KEYWORD)]
    added = [kind("bits", kind.KEYWORD_ONLY, default=3),
             kind("method", kind.KEYWORD_ONLY, default=fewbit.DEFAULT_METHOD),
             kind("weight", kind.KEYWORD_ONLY, default=None)]
    init.__signature__ = inspect.Signature(own + added)
    text = f"torch.nn.{function.module}, keeping `bits` bits an element for backward."
    return type(function.module, (FewBitModule, base),
                {"__init__": init, "__doc__": text, "__module__": __name__, "function": function})


MODULES = {}  # torch's class -> ours
for _function in FUNCTIONS.values():
    globals()[_function.module] = MODULES[getattr(torch.nn, _function.module)] = _make(_function)


class Stepwise(torch.nn.Module):
    """f with f(0) = 0 and f'(x) = levels[i] where exactly i of the ascending breakpoints are <= x. Keeps as many bits
    an element as the levels need; the gradient is exact."""

    def __init__(self, breakpoints, levels):
        super().__init__()
        self.breakpoints, self.levels = tuple(map(float, breakpoints)), tuple(map(float, levels))
        self._steps = _Stepwise(self.breakpoints, self.levels)

    def forward(self, input):
        return _run_stepwise(input, self._steps)

    def __getstate__(self):
        return {name: value for name, value in self.__dict__.items() if name != "_steps"}

    def __setstate__(self, state):
        super().__setstate__(state)
        self._steps = _Stepwise(self.breakpoints, self.levels)

    def extra_repr(self):
        return f"breakpoints={list(self.breakpoints)}, levels={list(self.levels)}"


__all__ = [*(function.module for function in FUNCTIONS.values()), "Stepwise"]

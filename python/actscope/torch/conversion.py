"""convert(): few-bit activations in a model that exists; revert(): torch's again."""
import warnings

import torch
import torch.nn.functional as F

from actscope import fewbit
from actscope.torch import functional
from actscope.torch.functions import choose, FUNCTIONS, make_setting
from actscope.torch.modules import FewBitModule, MODULES
from actscope.torch.patching import Replacement

# Builtin functions that models keep in attributes (TransformerEncoderLayer's `activation`, `self.act = F.gelu`), and
# torch.nn.functional's own.
_HELD = {id(held): name for name in FUNCTIONS
         for held in (getattr(F, name, None), getattr(torch, name, None)) if held is not None}
_HELD[id(F.logsigmoid)] = "logsigmoid"


class FewBitFunction:
    """A function of torch.nn.functional with a setting, in a module's attribute in place of torch's own."""

    def __init__(self, name, original, setting):
        self.name, self.original, self.setting = name, original, setting

    def __call__(self, input, *args, **kwargs):
        return getattr(functional, self.name)(input, *args, bits=self.setting.bits, method=self.setting.method,
                                              weight=self.setting.weight, **kwargs)

    def __repr__(self):
        return f"{self.name}(bits={self.setting.bits})"


def _function_of(value):
    """The name of the function that an attribute holds, or None."""
    if isinstance(value, FewBitFunction):
        return value.name
    if isinstance(value, Replacement):
        return None if value.inplace else value.function.name
    return _HELD.get(id(value))


def _convert_module(module, names, named, setting):
    base = _torch_class(module)
    if base is None:
        return 0
    function = MODULES[base].function
    if function.name not in names or not (named or function.saves_memory(function.inplace and module.inplace)):
        return 0
    module.__class__ = MODULES[base]
    module.few_bit = setting
    return 1


def _torch_class(module):
    """torch.nn's class of an activation module, converted or not; None for anything else, subclasses included: what
    their forward does is their own."""
    kind = type(module)
    if kind in MODULES:
        return kind
    return next((base for base, ours in MODULES.items() if ours is kind), None)


def _convert_attributes(module, names, named, setting):
    count = 0
    for key, value in list(vars(module).items()):
        name = _function_of(value)
        if name in names and (named or FUNCTIONS[name].saves_memory(False)):
            original = value.original if isinstance(value, (FewBitFunction, Replacement)) else value
            setattr(module, key, FewBitFunction(name, original, setting))
            count += 1
    return count


def _check_model(model, what):
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"actscope: {what}: a torch.nn.Module is needed, not {type(model).__name__}")


def convert(model, bits=3, functions=None, method=fewbit.DEFAULT_METHOD, weight=None):
    """Has the activation modules of a model keep `bits` bits an element for backward; returns the model.

    In place: the modules stay the same objects with their hooks and names (their class becomes actscope.torch's, a
    subclass of torch's), state_dict is untouched, and revert() undoes it. Also functions that modules hold in
    attributes, as torch's TransformerEncoderLayer does. Calls of torch.nn.functional inside of a forward method are
    patch()'s. `functions` as for patch(). Convert again for other bits."""
    _check_model(model, "convert")
    setting = make_setting(bits, method, weight)
    names, named = choose(functions)
    count = 0
    for module in model.modules():
        if not isinstance(module, torch.jit.ScriptModule):
            count += _convert_module(module, names, named, setting) + _convert_attributes(module, names, named, setting)
    if count == 0:
        warnings.warn(f"actscope: convert: {type(model).__name__} has no module of {', '.join(names)}: nothing was "
                      "converted. Calls of torch.nn.functional inside of forward are replaced by patch()", stacklevel=2)
    return model


def revert(model):
    """Undoes convert(), and makes torch's modules of actscope.torch's own; returns the model."""
    _check_model(model, "revert")
    for module in model.modules():
        if isinstance(module, FewBitModule):
            base = _torch_class(module)
            if base is not None:
                module.__class__ = base
                del module.few_bit
        for key, value in list(vars(module).items()):
            if isinstance(value, FewBitFunction):
                setattr(module, key, value.original)
    return model

"""patch(): torch's own names replaced while a context is open, so that a program needs no change.

What is replaced lies as deep as Python reaches: torch._C._nn.silu rather than torch.nn.functional.silu, which calls it.
Modules of torch.nn, torch.nn.functional, and whoever took a reference to one of its Python functions earlier, all end
up there. Builtin functions that were taken earlier (`self.act = F.gelu` in a model built before) cannot be reached;
convert() does, and TransformerEncoderLayer, which does so itself, is looked after here.
"""
import contextlib
import importlib
import threading
import types

import torch

from actscope import fewbit
from actscope.torch import core
from actscope.torch.functions import choose, FUNCTIONS, make_setting

# Where each function can be called by: owner, name. A trailing underscore means in place.
_NN, _F, _TORCH, _VF, _TENSOR = ("torch._C._nn", "torch.nn.functional", "torch", "torch._VF", "torch.Tensor")
_PLACES = {
    "gelu": ((_NN, "gelu gelu_"), (_F, "gelu")),
    "silu": ((_NN, "silu silu_"),),
    "mish": ((_NN, "mish mish_"),),
    "softplus": ((_NN, "softplus"), (_F, "softplus")),
    "elu": ((_NN, "elu elu_"), (_F, "elu_")),
    "celu": ((_TORCH, "celu celu_"), (_F, "celu_")),
    "selu": ((_TORCH, "selu selu_"), (_F, "selu_")),
    "hardswish": ((_NN, "hardswish hardswish_"),),
    "logsigmoid": ((_NN, "log_sigmoid"), (_F, "logsigmoid")),
    "softsign": ((_F, "softsign"),),
    "tanhshrink": ((_F, "tanhshrink"),),
    "relu6": ((_NN, "relu6 relu6_"),),
    "leaky_relu": ((_NN, "leaky_relu leaky_relu_"), (_F, "leaky_relu_")),
    "hardtanh": ((_NN, "hardtanh hardtanh_"), (_F, "hardtanh_")),
    "hardsigmoid": ((_NN, "hardsigmoid hardsigmoid_"),),
    "hardshrink": ((_TORCH, "hardshrink"), (_F, "hardshrink"), (_TENSOR, "hardshrink")),
    "softshrink": ((_NN, "softshrink"), (_F, "softshrink")),
    "threshold": ((_TORCH, "threshold threshold_"), (_VF, "threshold threshold_"), (_F, "threshold_")),
    "relu": ((_TORCH, "relu relu_"), (_F, "relu_"), (_TENSOR, "relu relu_")),
    "sigmoid": ((_TORCH, "sigmoid sigmoid_"), (_TENSOR, "sigmoid sigmoid_"), ("torch.special", "expit")),
    "tanh": ((_TORCH, "tanh tanh_"), (_TENSOR, "tanh tanh_")),
}

_lock = threading.RLock()
_installed = {}     # function name -> how many open patches want it
_places = {}        # (owner, name) -> what is in place there
_reusable = {}      # (owner, name) -> the replacement made last time
_by_original = {}   # id of a replaced builtin -> its replacement
_everyones = ()     # open patches in the order of entry: those of other threads count where a thread has none


# ---- what stands in for a function of torch --------------------------------------------------------------------------

class _ModuleReference:
    """Pickles as a module, which pickle itself cannot do."""

    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        return importlib.import_module, (self.name,)


class Replacement:
    """Stands in for one of torch's functions; passes on to it wherever no patch is open.

    A model may keep it (`self.act = F.gelu`): it is pickled as the name it stands for, so that the pickle needs no
    actscope."""

    def __init__(self, owner, name, original, function):
        self.owner, self.name, self.original, self.function = owner, name, original, function
        self.inplace = name.endswith("_")
        self.__name__ = self.__qualname__ = name
        self.__module__ = getattr(original, "__module__", None) or owner
        self.__doc__ = original.__doc__
        self.__wrapped__ = original

    def __call__(self, *args, **kwargs):
        if core.is_compiling():
            return self._compiled(args, kwargs)
        current = _current()
        if current is None or not current.wants(self.function, self.inplace):
            return self.original(*args, **kwargs)
        bound = self._bind(args, kwargs)
        if bound is None:
            return self.original(*args, **kwargs)
        return core.run(self.function, bound[0], bound[1], self.inplace, current.setting, current.counts, self.original,
                        args, kwargs)

    def _compiled(self, args, kwargs):
        current = None if core.is_dynamo() else _current()
        if current is None or not current.wants(self.function, self.inplace):
            return self.original(*args, **kwargs)
        return core.run_compiled(current.counts, self.original, args, kwargs)

    def _bind(self, args, kwargs):
        """(x, params), or None for a call that is not plain: torch's function knows what to make of it."""
        function = self.function
        if len(args) == 1 and not kwargs and not self.function.required:
            return args[0], function.defaults
        given = dict(zip(("input",) + function.names, args))
        if len(args) > 1 + len(function.names) or len(given) + len(kwargs) <= function.required:
            return None
        for name, value in kwargs.items():
            name = "input" if name == "self" else name
            if name in given or (name != "input" and name not in function.names):
                return None
            given[name] = value
        if "input" not in given:
            return None
        return given["input"], tuple(given.get(*param) for param in function.params)

    # Tables by function (a subclass's __torch_function__) that were made before a patch must find this by torch's, too.

    def __eq__(self, other):
        return (other is self or other is self.original
                or isinstance(other, Replacement) and other.original is self.original)

    def __hash__(self):
        return hash(self.original)

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self):
        if self.owner == _TENSOR:
            return getattr, (torch.Tensor, self.name)
        return getattr, (_ModuleReference(self.owner), self.name)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return f"<actscope few-bit {self.owner}.{self.name}>"


def _current():
    own = core.thread.patches
    if own:
        return own[-1]
    others = _everyones
    return others[-1] if others else None


# ---- putting in place, taking back -----------------------------------------------------------------------------------

def _owner(path):
    if path == _TENSOR:
        return torch.Tensor
    return torch._C._nn if path == _NN else importlib.import_module(path) if path != _VF else torch._VF


def _know_to_script(replacement, original):
    """torch.jit.script looks functions up by identity, in a table that has to be made before any of them is
    replaced."""
    try:
        from torch.jit import _builtins
        operator = _builtins._find_builtin(original)
        if operator is not None:
            _builtins._register_builtin(replacement, operator)
    except (ImportError, AttributeError):
        pass


def _put(path, name, function):
    owner = _owner(path)
    original = getattr(owner, name, None)
    if original is None:
        return  # a torch without it
    if isinstance(original, Replacement):  # left behind by somebody who had replaced it in the meantime
        _places[path, name] = owner, original, True
        return
    replacement = _reusable.get((path, name))
    if replacement is None or replacement.original is not original:
        replacement = Replacement(path, name, original, function)
        _know_to_script(replacement, original)
        _reusable[path, name] = replacement
    own = name in vars(owner)
    _places[path, name] = owner, replacement, own
    if path != _TENSOR:
        _by_original[id(original)] = replacement
    setattr(owner, name, replacement)


def _take_back(path, name):
    owner, replacement, own = _places.pop((path, name), (None, None, None))
    if owner is None:
        return
    _by_original.pop(id(replacement.original), None)
    if vars(owner).get(name) is not replacement:
        return  # somebody else has replaced it since, and will put back ours, which then passes on
    if own:
        setattr(owner, name, replacement.original)
    else:
        delattr(owner, name)


def _each_place(function_name):
    for path, names in _PLACES[function_name]:
        for name in names.split():
            yield path, name


class _Activation:
    """Stands before the attribute `activation` of torch's transformer layers, which take F.gelu when they are made: a
    model made before the patch has torch's, and gets the replacement instead while a patch is open."""

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        state = vars(layer)
        if "activation" in state:
            return _by_original.get(id(state["activation"]), state["activation"])
        try:
            return state["_modules"]["activation"]
        except KeyError:
            raise AttributeError("activation") from None

    def __set__(self, layer, value):
        vars(layer)["activation"] = value

    def __delete__(self, layer):
        if vars(layer).pop("activation", None) is None:
            raise AttributeError("activation")


_LAYERS = (torch.nn.TransformerEncoderLayer, torch.nn.TransformerDecoderLayer)
_activation = _Activation()


def _watch_layers(watch):
    for layer in _LAYERS:
        present = vars(layer).get("activation")
        if watch and present is None:
            layer.activation = _activation
        elif not watch and present is _activation:
            del layer.activation


def _install(names):
    for name in names:
        _installed[name] = _installed.get(name, 0) + 1
        if _installed[name] == 1:
            for path, place in _each_place(name):
                _put(path, place, FUNCTIONS[name])
    if _installed:
        _watch_layers(True)


def _uninstall(names):
    for name in names:
        _installed[name] -= 1
        if _installed[name] == 0:
            del _installed[name]
            for path, place in _each_place(name):
                _take_back(path, place)
    if not _installed:
        _watch_layers(False)


def _without_last(items, item):
    for i in reversed(range(len(items))):
        if items[i] is item:
            return items[:i] + items[i + 1:]
    return items


class patch(contextlib.ContextDecorator):
    """While open, torch's activations keep `bits` bits an element for backward: torch.nn.functional, torch.nn's
    modules, torch.* and methods of Tensor.

    functions: None for those where torch keeps its input (DEFAULT_FUNCTIONS); "all", "gelu,relu" or a list for exactly
    those: relu, tanh and sigmoid keep their result, which the next layer mostly holds as well, so that codes only come
    on top. Backward may run outside, unless torch.utils.checkpoint computes activations again in it.

    Patches nest, the innermost counting; a thread's own count before those that other threads have opened, which count
    for threads that have none (so that DataParallel's threads follow). May be used again and again, as a decorator,
    too. After the last one torch is as it was."""

    def __init__(self, bits=3, functions=None, method=fewbit.DEFAULT_METHOD, weight=None):
        self.setting = make_setting(bits, method, weight)
        self.functions, self._named = choose(functions)
        self._wanted = frozenset(self.functions)
        self.counts = core.Counts()

    def __repr__(self):
        return f"<actscope.torch.patch: {self.setting.bits} bits for {', '.join(self.functions)}>"

    def wants(self, function, inplace):
        return function.name in self._wanted and (self._named or function.saves_memory(inplace))

    def report(self):
        """What was replaced so far: {"replaced": {"gelu": calls}, "bytes_exact": what torch would have kept for these
        calls, "bytes_codes": what is kept, "fallbacks": {reason: calls}}. Calls that need no gradient do not count."""
        return self.counts.report()

    def __enter__(self):
        global _everyones
        with _lock:
            _install(self.functions)
            _everyones += (self,)
        core.thread.patches += (self,)
        return self

    def __exit__(self, *_):
        global _everyones
        core.thread.patches = _without_last(core.thread.patches, self)
        with _lock:
            _everyones = _without_last(_everyones, self)
            _uninstall(self.functions)
        return False


_applied = None


def apply_to_process(bits=3, functions=None, method=None, weight=None):
    """patch() for the rest of the process, for `actscope apply`; a second call returns the first one's patch."""
    global _applied
    with _lock:
        if _applied is None:
            _applied = patch(bits, functions, method or fewbit.DEFAULT_METHOD, weight)
            _applied.__enter__()
        return _applied

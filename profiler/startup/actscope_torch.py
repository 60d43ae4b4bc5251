"""The Python half of the autograd probe: tells the preload library what only Python knows.

* which storages are parameters and buffers of modules (frozen parameters and buffers get no gradient, so that autograd
  alone cannot tell them from activations);
* the version of torch;
* the rank in a distributed job, where the environment does not say it (torch.multiprocessing.spawn);
* the layer whose forward pass is under way, with `record --layers` (actscope_layers.py);
* where the preload library's own symbols do not see autograd's saves (or with `record --probe=hooks`), every save and
  release, by torch.autograd.graph.saved_tensors_hooks, and where backward begins and ends.

Nothing here raises into the program: what goes wrong is given up quietly.
"""
import ctypes
import functools
import importlib.util
import os
import weakref

_FORWARD, _BACKWARD = 1, 2
_PARAMETER, _BUFFER = 1, 2


def _quietly(function):
    """A call that never raises: the profiled program must not see our errors."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            return None

    return call


class _Library:
    """The preload library's functions, found among the symbols of the process itself."""

    def __init__(self):
        process = ctypes.CDLL(None)
        u64, u32 = ctypes.c_uint64, ctypes.c_uint32
        self.saves_seen = self._function(process.actscope_probe_saves_seen, u64)
        self.lesson = self._function(process.actscope_probe_lesson, None, ctypes.c_int)
        self.save = self._function(process.actscope_probe_save, None, u64, u64, u64, u64, u32)
        self.release = self._function(process.actscope_probe_release, None, u64)
        self.resident = self._function(process.actscope_probe_resident, None, u64, u64, u32, ctypes.c_char_p)
        self.phase = self._function(process.actscope_probe_phase, None, u32, ctypes.c_int)
        self.meta = self._function(process.actscope_probe_meta, None, ctypes.c_char_p, ctypes.c_char_p)
        self.rank = self._function(process.actscope_probe_rank, None, ctypes.c_int32, u32)

    @staticmethod
    def _function(function, result, *arguments):
        function.restype, function.argtypes = result, arguments
        return function


class _Modules:
    """Every torch.nn.Module of the process, and which of their tensors have been reported."""

    def __init__(self, library, torch):
        self.library = library
        self.torch = torch
        self.alive = weakref.WeakSet()
        self.grown = False
        self.backwards = 0
        self._wrap(torch.nn.Module, "__init__")
        self._wrap(torch.nn.Module, "__setstate__")  # copies and unpickled modules have no __init__

    def _wrap(self, owner, name):
        original = getattr(owner, name)
        note = self._note

        @functools.wraps(original)
        def wrapper(module, *args, **kwargs):
            result = original(module, *args, **kwargs)
            note(module)
            return result

        setattr(owner, name, wrapper)

    def _note(self, module):
        try:
            self.alive.add(module)
            self.grown = True
        except Exception:
            pass

    @_quietly
    def before_backward(self):
        """Reports again when modules were made, and at backward 1, 2, 4, 8 ...: tensors are hardly ever replaced."""
        self.backwards += 1
        if self.grown or self.backwards & (self.backwards - 1) == 0:
            self.grown = False
            for module in list(self.alive):
                self._report(module._parameters, _PARAMETER)
                self._report(module._buffers, _BUFFER)

    def _report(self, tensors, role):
        for name, tensor in tensors.items():
            if tensor is not None and tensor.device.type == "cpu" and tensor.layout == self.torch.strided:
                data, size = _storage(tensor)
                if data:
                    self.library.resident(data, size, role, name.encode())


def _storage(tensor):
    """Address and bytes of a tensor's storage, in torch 1.13 and 2.x."""
    if hasattr(tensor, "untyped_storage"):
        storage = tensor.untyped_storage()
        return storage.data_ptr(), storage.nbytes()
    storage = tensor.storage()
    return storage.data_ptr(), storage.nbytes()


class _Packed:
    """What autograd keeps in place of a tensor: the tensor itself, and a word when it lets go."""

    __slots__ = ("tensor", "token", "release")

    def __init__(self, tensor, token, release):
        self.tensor, self.token, self.release = tensor, token, release

    def __del__(self):
        try:
            self.release(self.token)
        except Exception:  # the interpreter is being torn down
            pass


class _Hooks:
    """Saves and releases by saved_tensors_hooks, for the thread that imports torch."""

    def __init__(self, library, torch):
        self.library = library
        self.tokens = 0
        self.dtypes = self._dtype_numbers(torch)
        self.strided = torch.strided
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, self._unpack)
        self.hooks.__enter__()

    @staticmethod
    def _dtype_numbers(torch):
        names = "uint8 int8 int16 int32 int64 float16 float32 float64 complex32 complex64 complex128 bool"
        numbers = {getattr(torch, name): i for i, name in enumerate(names.split()) if hasattr(torch, name)}
        numbers[torch.bfloat16] = 15
        return numbers

    def _pack(self, tensor):
        try:
            if tensor.device.type != "cpu" or tensor.layout != self.strided:
                return tensor
            data, size = _storage(tensor)
            self.tokens += 1
            self.library.save(self.tokens, data, size, tensor.numel(), self.dtypes.get(tensor.dtype, 255))
            return _Packed(tensor, self.tokens, self.library.release)
        except Exception:
            return tensor

    @staticmethod
    def _unpack(packed):
        return packed.tensor if isinstance(packed, _Packed) else packed


def _symbols_see_saves(library, torch):
    """Has one tensor saved for backward, and asks the preload library whether it noticed. It is large enough that the library
    learns from it how tensors are laid out (PROBE_LEARN_BYTES)."""
    before = library.saves_seen()
    library.lesson(1)
    try:
        with torch.enable_grad():
            torch.ones(1024, dtype=torch.float32, requires_grad=True).exp()
    finally:
        library.lesson(0)
    return library.saves_seen() > before


def _wrap_backward(torch, modules, library, mark_phases):
    original = torch.autograd.backward

    @functools.wraps(original)
    def backward(*args, **kwargs):
        modules.before_backward()
        if not mark_phases:
            return original(*args, **kwargs)
        library.phase(_BACKWARD, 1)
        try:
            return original(*args, **kwargs)
        finally:
            library.phase(_BACKWARD, 0)

    torch.autograd.backward = backward


@_quietly
def _wrap_distributed(torch, library):
    """Tells the rank when the process has joined its job."""
    distributed = torch.distributed
    if not distributed.is_available():
        return
    original = distributed.init_process_group

    @_quietly
    def tell():
        library.rank(distributed.get_rank(), distributed.get_world_size())

    @functools.wraps(original)
    def init_process_group(*args, **kwargs):
        result = original(*args, **kwargs)
        tell()
        return result

    distributed.init_process_group = init_process_group


@_quietly
def _install_layers(torch, library):
    """The part of `record --layers`, in a file of its own that nobody else pays for."""
    file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "actscope_layers.py")
    spec = importlib.util.spec_from_file_location("_actscope_layers", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.install(torch, library.meta)


@_quietly
def install(torch):
    """Called by the start-up file when torch has been imported."""
    library = _Library()
    library.meta(b"framework", ("pytorch " + str(torch.__version__)).encode())
    modules = _Modules(library, torch)
    probe = os.environ.get("ACTSCOPE_PROBE", "auto")
    with_hooks = probe == "hooks" or (not _symbols_see_saves(library, torch) and probe == "auto")
    if with_hooks:
        library.meta(b"probe", b"hooks")
        torch._actscope_hooks = _Hooks(library, torch)
    _wrap_backward(torch, modules, library, mark_phases=with_hooks)
    _wrap_distributed(torch, library)
    if os.environ.get("ACTSCOPE_LAYERS") == "1":
        _install_layers(torch, library)

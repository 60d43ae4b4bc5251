"""libfewbit by ctypes: where the library is, and quantizers as Python objects. Knows nothing of torch.

ctypes releases the GIL while a function of the library runs, so that threads compute side by side.
"""
import ctypes
import ctypes.util
import functools
import os
import shutil
import sysconfig
import threading
import weakref

FLOAT32, BFLOAT16, FLOAT16 = 0, 1, 2
BITS_MAX = 8
METHODS = ("value", "interval")
DEFAULT_METHOD = METHODS[0]

# Below it the kernels run on the calling thread alone (kernels/run.h); OpenMP's number of threads does not matter.
PARALLEL_ELEMENTS = 131072

_SONAME = "libfewbit.so.0"
_USAGE, _INPUT = -2, -3


class FewBitError(RuntimeError):
    """What libfewbit refuses to do, in its own words."""


# ---- the library -----------------------------------------------------------------------------------------------------

class _Error(ctypes.Structure):
    _fields_ = [("message", ctypes.c_char * 640)]


class _Param(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_double)]


class _Options(ctypes.Structure):
    """fewbit_options"""
    _fields_ = [("function", ctypes.c_char_p), ("bits", ctypes.c_uint), ("method", ctypes.c_int),
                ("weight", ctypes.c_char_p), ("params", _Param * 2), ("value", ctypes.c_void_p),
                ("derivative", ctypes.c_void_p), ("context", ctypes.c_void_p)]


def _candidates():
    """Where libfewbit may be, the likeliest first: told, installed around us, built around us, beside the program
    `actscope`, and where the system keeps libraries."""
    told = os.environ.get("ACTSCOPE_FEWBIT_LIBRARY")
    if told:
        yield told
        return  # who names one does not want another
    package = os.path.dirname(os.path.abspath(__file__))
    folders = [os.path.join(package, *[".."] * 3),                               # PREFIX/lib/actscope/python/actscope
               os.path.join(package, "..", "..", "build", "release", "lib")]     # SOURCE/python/actscope
    program = shutil.which("actscope")
    if program:
        beside = os.path.join(os.path.dirname(os.path.realpath(program)), "..")  # PREFIX/bin, or build/release/cli
        folders += [os.path.join(beside, "lib"), os.path.join(beside, "lib64")]
        if sysconfig.get_config_var("MULTIARCH"):
            folders.append(os.path.join(beside, "lib", sysconfig.get_config_var("MULTIARCH")))
    for folder in folders:
        path = os.path.normpath(os.path.join(folder, _SONAME))
        if os.path.exists(path):
            yield path
    yield _SONAME
    found = ctypes.util.find_library("fewbit")  # last of all: it runs ldconfig, and the compiler if there is one
    if found:
        yield found


def _load():
    tried = []
    for path in _candidates():
        try:
            return ctypes.CDLL(path), path
        except OSError as error:
            tried.append(str(error))
    raise FewBitError("actscope: libfewbit was not found: " + "; ".join(tried) + ". Build and install actscope "
                      "(cmake --install build/release), or name the library in ACTSCOPE_FEWBIT_LIBRARY")


def _declare(library):
    c = ctypes
    quantizer, error = c.c_void_p, c.POINTER(_Error)
    unsigned, count = c.c_uint, c.POINTER(c.c_uint)
    for name, result, arguments in (
            ("status_message", c.c_char_p, (c.c_int,)),
            ("version", c.c_char_p, ()),
            ("quantizer_builtin", c.c_int, (c.c_char_p, unsigned, c.POINTER(quantizer), error)),
            ("quantizer_fit", c.c_int, (c.POINTER(_Options), c.POINTER(quantizer), error)),
            ("quantizer_load", c.c_int, (c.c_char_p, c.c_char_p, unsigned, c.POINTER(quantizer), error)),
            ("quantizer_from_table", c.c_int, (c.c_char_p, c.POINTER(c.c_double), c.c_char_p, unsigned,
                                               c.POINTER(c.c_double), unsigned, c.POINTER(quantizer), error)),
            ("quantizer_free", None, (quantizer,)),
            ("quantizer_function", c.c_char_p, (quantizer,)),
            ("quantizer_bits", unsigned, (quantizer,)),
            ("quantizer_levels", c.POINTER(c.c_float), (quantizer, count)),
            ("quantizer_breakpoints", c.POINTER(c.c_float), (quantizer, count)),
            ("quantizer_codes", c.POINTER(c.c_ubyte), (quantizer, count)),
            ("quantizer_error", c.c_double, (quantizer,)),
            ("quantizer_isa", c.c_char_p, (quantizer,)),
            ("forward", c.c_int, (quantizer, c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_size_t)),
            ("encode", c.c_int, (quantizer, c.c_int, c.c_void_p, c.c_void_p, c.c_size_t)),
            ("activate", c.c_int, (quantizer, c.c_int, c.c_void_p, c.c_void_p, c.c_size_t)),
            ("backward", c.c_int, (quantizer, c.c_int, c.c_void_p, c.c_void_p, c.c_void_p, c.c_size_t))):
        function = getattr(library, "fewbit_" + name)
        function.restype, function.argtypes = result, arguments


_library = None
_library_path = ""
_library_lock = threading.Lock()


def library():
    """The library, loaded when first asked for."""
    global _library, _library_path
    if _library is None:
        with _library_lock:
            if _library is None:
                loaded, _library_path = _load()
                _declare(loaded)
                _library = loaded
    return _library


def library_path():
    """The file that library() was loaded from."""
    library()
    return _library_path


def use_threads(count):
    """Has the kernels that the calling thread runs share the work among so many threads.

    Nothing to do where the caller's OpenMP is ours: its number is set already. Some wheels of PyTorch bring an OpenMP
    of their own, which ours would ignore."""
    try:
        loaded = library()
        if loaded.omp_get_max_threads() != count:
            loaded.omp_set_num_threads(ctypes.c_int(count))
    except AttributeError:  # built without OpenMP
        pass


def _check(status):
    if status:
        raise FewBitError("actscope: " + library().fewbit_status_message(status).decode())


# ---- quantizers ------------------------------------------------------------------------------------------------------

class Quantizer:
    """2^bits levels that stand for f', and the stretches of x that get each. Immutable; any thread may use it.

    Made by builtin(), fit(), load() or from_table(), never directly."""

    __slots__ = ("function", "bits", "_handle", "_forward", "_encode", "_activate", "_backward", "__weakref__")

    def __init__(self, handle):
        loaded = library()
        self._handle = handle
        self.function = loaded.fewbit_quantizer_function(handle).decode()
        self.bits = loaded.fewbit_quantizer_bits(handle)
        self._forward, self._encode = loaded.fewbit_forward, loaded.fewbit_encode
        self._activate, self._backward = loaded.fewbit_activate, loaded.fewbit_backward
        # At exit the process gives everything back, and a backward pass on another thread may still be at work.
        weakref.finalize(self, loaded.fewbit_quantizer_free, handle).atexit = False

    @classmethod
    def _make(cls, function, *arguments):
        handle, error = ctypes.c_void_p(), _Error()
        status = function(*arguments, ctypes.byref(handle), ctypes.byref(error))
        if status:
            message = (error.message or library().fewbit_status_message(status)).decode("utf-8", "replace")
            raise (ValueError if status in (_USAGE, _INPUT) else FewBitError)("actscope: " + message)
        return cls(handle)

    @classmethod
    def builtin(cls, function, bits):
        """The library's own table: default parameters, method and weight."""
        return cls._make(library().fewbit_quantizer_builtin, function.encode(), bits)

    @classmethod
    def fit(cls, function, bits, method=DEFAULT_METHOD, weight=None, **params):
        """The best there is for these options; params are torch's ("beta", "alpha", "negative_slope" ...)."""
        check_setting(bits, method)
        if len(params) > 2:
            raise ValueError(f"actscope: {function} has no {len(params)} parameters")
        options = _Options(function=function.encode(), bits=bits, method=METHODS.index(method),
                           weight=None if weight is None else os.fsencode(weight))
        for i, (name, value) in enumerate(params.items()):
            options.params[i] = _Param(name.encode(), float(value))
        return cls._make(library().fewbit_quantizer_fit, ctypes.byref(options))

    @classmethod
    def load(cls, path, function=None, bits=0):
        """From what `actscope quantize -o FILE` writes, or a .npz of the paper's library (function and bits needed)."""
        return cls._make(library().fewbit_quantizer_load, os.fsencode(path), function and function.encode(), bits)

    @classmethod
    def from_table(cls, function, breakpoints, levels, codes=None):
        """From ascending breakpoints and levels; interval i has level codes[i] (None: level i)."""
        intervals = len(breakpoints) + 1
        if (intervals if codes is None else len(codes)) != intervals or (codes is None and len(levels) != intervals):
            raise ValueError("actscope: a table has one level, or one code, for each interval between breakpoints")
        doubles = ctypes.c_double * max(len(breakpoints), 1)
        return cls._make(library().fewbit_quantizer_from_table, function.encode(), doubles(*breakpoints),
                         None if codes is None else bytes(codes), intervals,
                         (ctypes.c_double * len(levels))(*levels), len(levels))

    def _list(self, function):
        count = ctypes.c_uint()
        values = function(self._handle, ctypes.byref(count))
        return values[:count.value]

    @property
    def levels(self):
        return self._list(library().fewbit_quantizer_levels)

    @property
    def breakpoints(self):
        return self._list(library().fewbit_quantizer_breakpoints)

    @property
    def codes(self):
        """The number of each interval's level."""
        return self._list(library().fewbit_quantizer_codes)

    @property
    def error(self):
        return library().fewbit_quantizer_error(self._handle)

    @property
    def isa(self):
        return library().fewbit_quantizer_isa(self._handle).decode()

    def code_bytes(self, elements):
        return (elements * self.bits + 7) // 8

    # Addresses are plain integers, as Tensor.data_ptr() returns them; y may be x, and dx may be dy.

    def forward(self, dtype, x, y, codes, elements):
        _check(self._forward(self._handle, dtype, x, y, codes, elements))

    def encode(self, dtype, x, codes, elements):
        _check(self._encode(self._handle, dtype, x, codes, elements))

    def activate(self, dtype, x, y, elements):
        _check(self._activate(self._handle, dtype, x, y, elements))

    def backward(self, dtype, codes, dy, dx, elements):
        _check(self._backward(self._handle, dtype, codes, dy, dx, elements))

    def __repr__(self):
        return f"<actscope.Quantizer {self.function}, {self.bits} bits, {len(self.levels)} levels>"


def check_setting(bits, method=DEFAULT_METHOD, weight=None):
    """Raises ValueError for what no function could be quantized with."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= BITS_MAX:
        raise ValueError(f"actscope: bits={bits!r}: give a whole number from 1 to {BITS_MAX}")
    if method not in METHODS:
        raise ValueError(f"actscope: method={method!r}: there are {' and '.join(METHODS)}")
    if weight is not None:
        Quantizer.fit("relu", 1, weight=weight)  # which takes no time, and the library knows what a weight is


@functools.lru_cache(maxsize=256)
def quantizer(function, bits, method=DEFAULT_METHOD, weight=None, params=()):
    """One quantizer for all who want the same; params are pairs (name, value). Bounded, so that a program which changes
    a parameter in every step does not fill the memory: whoever uses an old one keeps it alive."""
    if method == DEFAULT_METHOD and weight is None and not params:
        return Quantizer.builtin(function, bits)
    return Quantizer.fit(function, bits, method, weight, **dict(params))

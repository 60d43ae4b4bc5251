"""Lines of Python for `record --python-stacks`: tells the preload library of this interpreter, once it has been tested.

The preload library reads frames out of the interpreter's own structures, by offsets that depend on the version and on how
it was built. So before anything is read while the program runs, what it reads of frames here is compared with what Python
says of them. If that differs in one of them, there are no lines of Python, and the trace says why.
"""
import atexit
import os
import sys

ctypes = None  # imported by install

_OFFSETS_BYTES = 568  # of _PyRuntime, as far as the preload library reads it
_REFUSALS = {
    1: "this build of Python is not known (those of 3.9 to 3.13 are)",
    2: "the kernel here does not tell whether memory can be read",
    4: "another Python has come before in this process",
}


class _Library:
    """The preload library's functions. They are called with the interpreter's lock held: frames stay what they are."""

    def __init__(self):
        process = ctypes.PyDLL(None)
        pointer, u64, text = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p
        self._prepare = process.actscope_python_prepare
        self._prepare.argtypes = (ctypes.c_uint32, pointer, u64, pointer, pointer, pointer, text)
        self._look = process.actscope_python_look
        self._look.restype, self._look.argtypes = ctypes.c_int64, (ctypes.POINTER(pointer),)
        self.deaths = process.actscope_python_deaths
        self.deaths.restype = u64
        self.enable = process.actscope_python_enable
        self.meta = process.actscope_probe_meta
        self.meta.argtypes = (text, text)
        self._looks = pointer()

    def prepare(self, offsets, folder):
        """0, or why not. offsets: by those that the interpreter gives itself."""
        api = ctypes.pythonapi

        def address(name):
            return ctypes.cast(getattr(api, name), ctypes.c_void_p).value

        runtime = ctypes.addressof(ctypes.c_char.in_dll(api, "_PyRuntime")) if offsets else None
        evaluate = address("_PyEval_EvalFrameDefault") if hasattr(api, "_PyEval_EvalFrameDefault") else None
        return self._prepare(sys.hexversion, runtime, _OFFSETS_BYTES, address("PyGILState_GetThisThreadState"),
                             id(type(_truth.__code__)), evaluate, os.fsencode(folder))

    def look(self):
        """(file, function, line) of this thread's frames, the caller's first; None if they cannot be read."""
        size = self._look(ctypes.byref(self._looks))
        if size < 0:
            return None
        words = ctypes.string_at(self._looks, size).decode("utf-8", "replace").split("\0")[:-1]
        return [(words[i], words[i + 1], int(words[i + 2])) for i in range(3, len(words), 3)]


def _text(text, most):
    """As the preload library writes it: halves of pairs are no UTF-8, and long texts are cut."""
    text = "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text)
    return text if len(text.encode()) < most else None


def _truth(frame):
    """The same of this frame and those that called it, by Python itself."""
    frames = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        frames.append((_text(code.co_filename, 4000), _text(name, 500), frame.f_lineno or 0))
        frame = frame.f_back
    return frames


class _Trial:
    """Compares, in all kinds of frames."""

    def __init__(self, library):
        self.library = library
        self.passed = 0
        self.failed = 0

    def check(self, *_):
        read = self.library.look()
        truth = _truth(sys._getframe(1))
        same = read is not None and len(read) == len(truth) + 1 and all(
            (f is None or f == file) and (n is None or n == name) and t == line
            for (file, name, line), (f, n, t) in zip(read[1:], truth))
        self.passed += same
        self.failed += not same
        return self.passed

    def run(self):
        self.calls(3)
        self.generators()
        self.callbacks()
        self.texts()
        self.deaths()
        return not self.failed and self.passed > 40

    def calls(self, depth):
        self.check(
            depth,
            [
                self.check(n)
                for n in range(2)
            ],
        )
        if depth:
            (lambda: self.calls(
                depth - 1))()
        try:
            raise KeyError
        except KeyError:
            self.check()
        finally:
            self.check()

    def generators(self):
        def inner():
            self.check()
            yield
            self.check()

        def outer():
            yield from inner()
            yield self.check()

        async def leaf():
            self.check()

        async def root():
            await leaf()
            self.check()

        for _ in outer():
            self.check()
        try:
            root().send(None)
        except StopIteration:
            self.check()

    def callbacks(self):
        class Here:
            seen = self.check()

            def __init__(this):
                self.check()

            def __call__(this, *_):
                return self.check()

            @property
            def value(this):
                return self.check()

        for _ in range(24):  # until the interpreter has made its own of the call
            here = Here()
        sorted([3, 1, 2], key=here)
        list(map(self.check, range(2)))
        here.value  # noqa: B018 (a call of Python from C)
        max(here() for _ in range(2))

    def texts(self):
        """File names and functions of one, two and four bytes a character, and lines far down and far apart."""
        for file in ("<\xe9>", "/\u65e5\u672c/x.py", "\U0001f600.py", "\udc80.py", "", "x" * 5000):
            names = {"check": self.check}
            exec(compile("\n" * 299 + "def gr\xf6\xdfe():\n  check(\n1\n,2)\n" + "\n" * 1000 + "gr\xf6\xdfe()\n"
                         + "exec('def \u540d():\\n check()\\n\u540d()')", file, "exec"), names)

    def deaths(self):
        code = compile("pass", "<death>", "exec")
        before = self.library.deaths()
        del code
        self.failed += self.library.deaths() <= before


def _test(library, folder):
    """None, or why there are no lines of Python."""
    if sys.implementation.name != "cpython":
        return "%s is not CPython" % sys.implementation.name
    reason = None
    for offsets in (True, False) if sys.version_info >= (3, 13) else (False,):
        refusal = library.prepare(offsets, folder)
        if refusal == 0 and _Trial(library).run():
            return None
        reason = _REFUSALS.get(refusal, "what is read of this build's frames is not what it says of them")
    return reason


def _is_first():
    """Is this the process's first interpreter? One that was taken down before, or another that runs beside this one, has left
    ctypes mapped; and in some versions of Python importing it a second time breaks the process."""
    if "_ctypes" in sys.modules:
        return True
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        return not any("/_ctypes." in line for line in maps)


def install(folder):
    """Called by the start-up file, before the program."""
    global ctypes
    if not _is_first():
        return
    import ctypes

    library = _Library()
    version = "%d.%d.%d" % sys.version_info[:3]
    reason = _test(library, folder)
    if reason:
        library.meta(b"python_off", ("Python " + version + ": " + reason).encode())
        return
    library.meta(b"python", version.encode())
    atexit.register(library.enable, 0)  # runs last of all: what the interpreter takes down then is not looked at
    library.enable(1)

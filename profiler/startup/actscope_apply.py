"""The Python half of `actscope apply`: puts few-bit gradients into the program when it has imported torch, and tells
what was replaced when the process ends.

Each process leaves one JSON file, PID.json, in the folder that ACTSCOPE_APPLY_REPORT names; `actscope apply` adds them
up:

    {"pid": 1, "python": "/usr/bin/python3", "torch": "2.13.0", "state": "applied", "ended": true,
     "report": {"replaced": {"gelu": 40}, "bytes_exact": 0, "bytes_codes": 0, "fallbacks": {}}}

state: applied; failed, with "error"; no_import, where the program has not imported torch; no_torch, where there is
none. A process that a signal kills cannot tell at its end; so the file is written at its beginning, too, and, at most
once a second, when a backward pass begins.
"""
import atexit
import functools
import json
import os
import sys
import time

_EMPTY = {"replaced": {}, "bytes_exact": 0, "bytes_codes": 0, "fallbacks": {}}
_WRITE_EVERY_S = 1.0


class _Process:
    """What this process has to tell."""

    def __init__(self, folder):
        self.folder = folder
        self.pid = os.getpid()
        self.state, self.error, self.torch = None, None, None
        self.applied = None  # the drop-in's patch, which counts
        self.before = _EMPTY  # what the parent had counted when this process was forked off
        self.forked = False
        self.written_at = 0.0

    def report(self):
        return _difference(self.applied.report(), self.before) if self.applied is not None else _EMPTY

    def write(self, ended):
        """A child of fork that has replaced nothing, as a data loader's worker, has nothing to tell."""
        report = self.report()
        if self.forked and not report["replaced"] and not report["fallbacks"]:
            return
        facts = {"pid": os.getpid(), "python": sys.executable or "", "torch": self.torch, "state": self._state(ended),
                 "error": self.error, "ended": ended, "report": report}
        path = os.path.join(self.folder, f"{os.getpid()}.json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(facts, file)
        os.replace(path + ".new", path)
        self.written_at = time.monotonic()

    def _state(self, ended):
        if self.state is not None:
            return self.state
        if ended and "torch" not in sys.modules:
            import importlib.util

            if importlib.util.find_spec("torch") is None:
                return "no_torch"
        return "no_import"


def _difference(report, before):
    """What has been added since: a child of fork begins with its parent's counts."""

    def counts(key):
        added = {name: count - before[key].get(name, 0) for name, count in report[key].items()}
        return {name: count for name, count in added.items() if count}

    return {"replaced": counts("replaced"), "fallbacks": counts("fallbacks"),
            "bytes_exact": report["bytes_exact"] - before["bytes_exact"],
            "bytes_codes": report["bytes_codes"] - before["bytes_codes"]}


def _quietly(function):
    """A call that never raises: the program must not see our errors."""

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except Exception:
            return None

    return call


# ---- the end of a process --------------------------------------------------------------------------------------------

def _tell_at_exit(process):
    write = _quietly(process.write)
    counted = [_EMPTY]  # by the process that forks, right before

    def before_fork():
        counted[0] = process.applied.report() if process.applied is not None else _EMPTY

    def in_child():
        process.pid, process.forked, process.before = os.getpid(), True, counted[0]
        counts = getattr(process.applied, "counts", None)
        if hasattr(counts, "_lock"):
            import threading

            counts._lock = threading.Lock()  # another thread may have held it, which is not there any more

    os.register_at_fork(before=_quietly(before_fork), after_in_child=_quietly(in_child))
    atexit.register(write, True)
    return write


@_quietly
def _tell_at_exit_of_workers(write):
    """Processes of multiprocessing end without atexit, but with finalizers of their own."""
    from multiprocessing import util

    util.register_after_fork(write, lambda _: util.Finalize(None, write, args=(True,), exitpriority=0))


def _write_while_training(torch, process, write):
    """At a pass's begin, so that a process that is killed has told of the steps before."""
    original = torch.autograd.backward

    @functools.wraps(original)
    def backward(*args, **kwargs):
        if time.monotonic() - process.written_at > _WRITE_EVERY_S:
            write(False)
        return original(*args, **kwargs)

    torch.autograd.backward = backward


# ---- putting it in ---------------------------------------------------------------------------------------------------

def _import_package():
    """actscope.torch of this installation, with its library, whatever of that name the program has on its path, which
    stays as it is."""
    folder = os.environ["ACTSCOPE_APPLY_PACKAGE"]
    sys.path.insert(0, folder)
    try:
        import actscope.fewbit
        import actscope.torch

        actscope.fewbit.library()  # now, and not in the program's first call, if it is not there
    finally:
        sys.path.remove(folder)
    return actscope.torch


def _apply():
    get = os.environ.get
    return _import_package()._apply(int(get("ACTSCOPE_APPLY_BITS")), get("ACTSCOPE_APPLY_FUNCTIONS"),
                                    get("ACTSCOPE_APPLY_METHOD"), get("ACTSCOPE_APPLY_WEIGHT"))


def prepare():
    """Called before the program begins; what it returns is called with torch when that has been imported."""
    process = _Process(os.environ["ACTSCOPE_APPLY_REPORT"])
    write = _tell_at_exit(process)
    write(False)

    def install(torch):
        process.torch = str(torch.__version__)
        try:
            process.applied = _apply()
            process.state = "applied"
            _tell_at_exit_of_workers(write)
            _write_while_training(torch, process, write)
        except Exception as error:  # the program runs on with exact gradients: it was asked for, so it is said at once
            words = str(error) or type(error).__name__
            process.error = words[len("actscope: "):] if words.startswith("actscope: ") else words
            process.state = "failed"
            print(f"actscope: nothing is replaced in pid {os.getpid()}: {process.error}", file=sys.stderr)
        write(False)

    return install

"""Allocates blocks in all kinds of frames, and says from which: the truth that `record --python-stacks` is held against.

    python_lines.py TRUTH CASE...

A block is made in the line that asks for its size: `keep(bytearray(here()))`. here() gives each block a size of its own and
notes the frames that call it, by Python's own account. All blocks live until the last one, which is the peak. TRUTH is then
a JSON list of {"bytes": asked for, "frames": [[file, line, function], ...]}, innermost first.
"""
import asyncio
import contextlib
import functools
import gc
import importlib.util
import json
import os
import re
import signal
import sys
import threading
import weakref

STEP = 1 << 4  # sizes are this far apart: none is another's, whatever a kind of object adds to it
KEPT, TRUTH = [], []
_lock = threading.RLock()  # garbage may be collected inside here(), and have a __del__ that calls it


def name_of(code):
    return getattr(code, "co_qualname", code.co_name)


def frames_from(frame):
    frames = []
    while frame is not None:
        frames.append([frame.f_code.co_filename, frame.f_lineno, name_of(frame.f_code)])
        frame = frame.f_back
    return frames


def here(extra=1):
    """The size to ask for; extra: what is added to it (a bytearray ends with a NUL)."""
    with _lock:
        size = 8192 + STEP * len(TRUTH)
        TRUTH.append({"bytes": size + extra, "frames": frames_from(sys._getframe(1))})
    return size


def keep(block):
    KEPT.append(block)
    return block


# ---- cases -----------------------------------------------------------------------------------------------------------

def functions():
    def inner(n):
        keep(bytearray(here()))
        if n:
            inner(n - 1)

    inner(3)
    (lambda: keep(bytearray(here())))()
    keep(
        [
            bytearray(here()),
            bytearray(here()),
        ]
    )


def comprehensions():
    keep([bytearray(here()) for _ in range(3)])
    keep({n: bytearray(here()) for n in range(2)})
    keep(list(bytearray(here()) for _ in range(2)))
    keep([[bytearray(here()) for _ in range(2)] for _ in range(2)])


def generators():
    def leaf():
        keep(bytearray(here()))
        yield 1
        got = yield 2
        keep(bytearray(here()))
        yield got

    def chain():
        yield from leaf()
        keep(bytearray(here()))

    for _ in chain():
        keep(bytearray(here()))
    one = leaf()
    next(one)
    next(one)
    one.send(5)
    with contextlib.suppress(ValueError):
        two = leaf()
        next(two)
        two.throw(ValueError)


def classes():
    class Node:
        made = keep(bytearray(here()))

        def __init__(self, depth):
            self.block = keep(bytearray(here()))
            self.child = Node(depth - 1) if depth else None

        @property
        def value(self):
            return keep(bytearray(here()))

        @staticmethod
        def fixed():
            return keep(bytearray(here()))

        def __call__(self, *_):
            return keep(bytearray(here()))

        def __add__(self, other):
            return keep(bytearray(here()))

        def __getattr__(self, name):
            return keep(bytearray(here()))

    for _ in range(20):  # until the interpreter has made calls of its own of these
        node = Node(2)
        node.value
        node.fixed()
        node()
        node + node
        node.missing


def decorators():
    def noted(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            keep(bytearray(here()))
            return function(*args, **kwargs)

        return wrapper

    @noted
    @noted
    def plain(n):
        keep(bytearray(here()))
        return n

    @functools.lru_cache(maxsize=None)
    def cached(n):
        return plain(n)

    @contextlib.contextmanager
    def scope():
        keep(bytearray(here()))
        yield
        keep(bytearray(here()))

    cached(1)
    functools.partial(plain)(2)
    with scope():
        cached(3)


def callbacks():
    keep(sorted([3, 1, 2], key=lambda n: keep(bytearray(here())) and n))
    keep(list(map(lambda n: bytearray(here()), range(2))))
    re.sub("a", lambda match: keep(bytearray(here())) and "b", "aa")
    functools.reduce(lambda a, b: keep(bytearray(here())), range(4))


def exceptions():
    def fail(n):
        try:
            keep(bytearray(here()))
            if n:
                fail(n - 1)
            raise ValueError(n)
        except KeyError:
            pass
        finally:
            keep(bytearray(here()))

    try:
        fail(3)
    except ValueError as error:
        keep(bytearray(here()))
        keep(error.__traceback__)


def collected():
    class Gone:
        def __del__(self):
            keep(bytearray(here()))

    class Other:
        pass

    one = Gone()
    one.self = one
    del one
    gc.collect()
    two = Other()
    keep(weakref.ref(two, lambda ref: keep(bytearray(here()))))
    del two


def executed():
    for number, file in enumerate(["<made>", "/tmp/gr\xf6\xdfe.py", "\u65e5\u672c.py", "\U0001f600.py"]):
        text = "\n" * (10 ** number) + "def f():\n  keep(bytearray(here()))\nf()\n"
        exec(compile(text, file, "exec"), {"keep": keep, "here": here})
    for number in range(50):  # code that dies, and other code that may come to lie where it was
        text = "\n" * (number % 7) + f"def f{number}():\n  keep(bytearray(here()))\nf{number}()\n"
        exec(compile(text, f"<run {number}>", "exec"), {"keep": keep, "here": here})
        eval(compile("keep(bytearray(here()))", f"<expression {number}>", "eval"))


def recursion():
    def down(n):
        if n == 0:
            return keep(bytearray(here()))
        return down(n - 1)

    def by_c(n):
        return keep(bytearray(here())) if n == 0 else max(map(by_c, [n - 1]), key=id)

    sys.setrecursionlimit(5000)
    down(1000)
    by_c(100)


def threads():
    def work(n):
        def deeper(m):
            keep(bytearray(here()))
            return deeper(m - 1) if m else None

        for _ in range(5):
            deeper(n)

    running = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def tasks():
    async def leaf(n):
        keep(bytearray(here()))
        await asyncio.sleep(0)
        keep(bytearray(here()))
        return n

    async def numbers():
        for n in range(2):
            keep(bytearray(here()))
            yield n

    async def root():
        await asyncio.gather(leaf(1), leaf(2))
        async for _ in numbers():
            keep(bytearray(here()))
        await asyncio.get_running_loop().run_in_executor(None, lambda: keep(bytearray(here())))

    asyncio.run(root())


def signals():
    signal.signal(signal.SIGUSR1, lambda *_: keep(bytearray(here())))
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(100):  # a signal's handler runs between two instructions
        pass


def traced():
    def watch(frame, event, argument):
        if event == "call" and frame.f_code.co_name == "seen":
            keep(bytearray(here()))
        return watch

    def seen():
        keep(bytearray(here()))

    sys.settrace(watch)
    seen()
    sys.settrace(None)
    sys.setprofile(lambda frame, event, argument: None)
    seen()
    sys.setprofile(None)


def imported():
    path = os.path.join(os.path.dirname(sys.argv[1]), "python_lines_module.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write("from __main__ import here, keep\n\nkeep(bytearray(here()))\n")
    spec = importlib.util.spec_from_file_location("python_lines_module", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def arrays():
    """numpy, whose own functions are in Python in part."""
    import numpy

    def made():
        keep(numpy.empty(here(0), numpy.uint8))
        keep(numpy.zeros(here(0), numpy.uint8))
        keep(numpy.ones(here(0), numpy.uint8))
        keep(numpy.full(here(0), 3, numpy.uint8))

    made()
    keep([numpy.empty(here(0), numpy.uint8) for _ in range(3)])


def tensors():
    import torch

    class Inner(torch.nn.Module):
        def forward(self, n):
            return keep(torch.empty(here(0), dtype=torch.uint8))

    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.ModuleList(Inner() for _ in range(2))

        def forward(self, n):
            for module in self.inner:
                module(n)
            return keep(torch.full((here(0),), 1, dtype=torch.uint8))

    for _ in range(3):
        Outer()(1)
    with torch.no_grad():
        keep(torch.nn.Parameter(torch.empty(here(0), dtype=torch.uint8), requires_grad=False))


def training():
    """Notes where each output was made: by size and line, which is what saved activations are found by."""
    import torch

    def noted(tensor):
        frames = frames_from(sys._getframe(1))
        TRUTH.append({"bytes": tensor.numel() * tensor.element_size(), "frames": frames, "output": True})
        return tensor

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(64, 1000)
            self.second = torch.nn.Sequential(torch.nn.Linear(1000, 500), torch.nn.SiLU())
            self.last = torch.nn.Linear(500, 30)

        def body(self, x):
            return noted(torch.nn.functional.gelu(x))

        def forward(self, x):
            x = noted(self.first(x))
            x = self.body(x)
            x = noted(self.second(x))
            x = noted(torch.tanh(x))
            return noted(self.last(x))

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    for _ in range(3):
        del TRUTH[:]  # of the last step
        optimizer.zero_grad()
        loss = net(torch.randn(100, 64)).square().sum()
        loss.backward()
        optimizer.step()


def greenlets():
    import greenlet

    def work(n):
        def deeper(m):
            keep(bytearray(here()))
            greenlet.getcurrent().parent.switch()
            keep(bytearray(here()))
            if m:
                deeper(m - 1)

        deeper(n)

    running = [greenlet.greenlet(work) for _ in range(4)]
    for n, one in enumerate(running):
        one.switch(n)
    while running:
        running = [one for one in running if not one.dead]
        for one in running:
            one.switch()
            keep(bytearray(here()))


def finish(truth):
    keep(bytearray(64 << 20))  # the peak
    with open(truth, "w", encoding="utf-8") as file:
        json.dump(TRUTH, file)


def main():
    truth, *cases = sys.argv[1:]
    for case in cases:
        globals()[case]()
    finish(truth)


if __name__ == "__main__":
    main()

"""Threads, the GIL, the life of quantizers, forks, a patch for the whole process."""
import gc
import subprocess
import sys
import threading
import weakref

import torch
import torch.nn as nn
import torch.nn.functional as F

import actscope
import actscope.torch as ft
from actscope import fewbit
from dropin_cases import kept, raises
from dropin_patch import names


def check_threads():
    """Threads that were started inside a patch follow it, as DataParallel's do; a thread's own patch counts for it;
    exact() is the thread's alone; and entering in parallel leaves torch as it was."""
    before = names()
    leaf = torch.randn(100000, requires_grad=True)
    wrong, barrier = [], threading.Barrier(4)

    def expect(wanted):
        """The width in use, seen in what is saved; None: exact."""
        with kept() as packed:
            y = F.gelu(leaf * 1)
        y.sum().backward()
        codes = [t.numel() for t in packed if t.dtype == torch.uint8]
        got = codes[0] * 8 // 100000 if codes else None
        if got != wanted:
            wrong.append((got, wanted))

    def work(bits):
        barrier.wait()
        for _ in range(20):
            with ft.patch(bits):
                expect(bits)
                with ft.exact():
                    expect(None)
                with ft.patch(8):
                    expect(8)
                expect(bits)

    def run_all(target, arguments):
        threads = [threading.Thread(target=target, args=(argument,)) for argument in arguments]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    run_all(work, (1, 2, 4, 5))
    assert not wrong, wrong[:5]
    assert names() == before
    with ft.patch(3) as patch:
        run_all(expect, (3, 3, 3, 3))
        assert patch.report()["replaced"] == {"gelu": 4}, patch.report()
        run_all(work, (1, 2, 4, 5))
        expect(3)
    assert not wrong, wrong[:5]
    assert names() == before
    kinds = []
    with ft.exact():
        run_all(lambda bits: kinds.append(type(ft.GELU(bits=bits)(leaf).grad_fn).__name__), (2,))
    assert kinds == ["FewBitBackward"], kinds


def check_parallel():
    """torch.nn.parallel's threads (parallel_apply without a GPU), forward and backward at once."""
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 1)) for _ in range(4)]
    parts = [torch.randn(256, 32) for _ in range(4)]

    def run(index, results):
        models[index].zero_grad()
        models[index](parts[index]).sum().backward()
        results[index] = [parameter.grad.clone() for parameter in models[index].parameters()]

    with ft.patch(2):
        alone, together = {}, {}
        for index in range(4):
            run(index, alone)
        for _ in range(5):
            threads = [threading.Thread(target=run, args=(index, together)) for index in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for index in range(4):
                assert all(torch.equal(left, right) for left, right in zip(alone[index], together[index]))


def check_gil():
    """The kernels run without the GIL: while one thread is inside, another counts."""
    torch.set_num_threads(1)
    x = torch.randn(40_000_000, requires_grad=True)
    inside, counted = [], [0]
    stop = threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1

    quantizer = actscope.Quantizer.builtin("gelu", 3)
    codes, y = torch.empty(quantizer.code_bytes(x.numel()), dtype=torch.uint8), torch.empty(x.shape)
    counter = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    counter.start()
    try:
        sys.setswitchinterval(0.5)  # nobody is asked to let go: only who does by himself
        begin = counted[0]
        quantizer.forward(fewbit.FLOAT32, x.data_ptr(), y.data_ptr(), codes.data_ptr(), x.numel())
        inside.append(counted[0] - begin)
    finally:
        sys.setswitchinterval(interval)
        stop.set()
        counter.join()
    assert inside[0] > 100, inside


def check_omp_threads():
    """The kernels use as many threads as torch is told to."""
    for count in (1, 2):
        torch.set_num_threads(count)
        x = torch.randn(fewbit.PARALLEL_ELEMENTS * 4, requires_grad=True)
        ft.functional.gelu(x).sum().backward()
        assert fewbit.library().omp_get_max_threads() == count
    # (where torch has an OpenMP of its own, nothing but this tells ours)
    fewbit.use_threads(3)
    assert fewbit.library().omp_get_max_threads() == 3


def check_quantizers():
    """Quantizers are shared, freed when nobody uses them, and harmless at exit."""
    assert fewbit.quantizer("gelu", 3) is fewbit.quantizer("gelu", 3)
    assert fewbit.quantizer("gelu", 3) is not fewbit.quantizer("gelu", 2)
    made = actscope.Quantizer.builtin("gelu", 3)
    assert len(made.levels) == 8 and len(made.codes) == len(made.breakpoints) + 1 and made.bits == 3
    gone = weakref.ref(made)
    del made
    gc.collect()
    assert gone() is None
    # a backward pass keeps the quantizer that it needs, even one that the cache has dropped
    x = torch.randn(50, requires_grad=True)
    y = ft.functional.leaky_relu(x, 0.123, bits=1)
    for i in range(300):
        ft.functional.leaky_relu(x, 0.2 + i / 1000, bits=1)
    gc.collect()
    y.sum().backward()
    assert torch.equal(x.grad, torch.where(x > 0, torch.ones(50), torch.full((50,), 0.123)))
    with raises(ValueError, "gelo"):
        actscope.Quantizer.builtin("gelo", 3)
    table_ = actscope.Quantizer.from_table("gelu", [0.0], [0.25, 0.75])
    assert table_.levels == [0.25, 0.75] and table_.bits == 1
    # exit with a graph, a patch and a daemon thread alive
    code = ("import threading, torch, actscope.torch as ft, torch.nn.functional as F\n"
            "p = ft.patch(3); p.__enter__()\n"
            "x = torch.randn(1000, requires_grad=True); y = F.gelu(x)\n"
            "q = y.grad_fn.quantizer; d = x.detach(); z = torch.empty(1000); c = torch.empty(375, dtype=torch.uint8)\n"
            "def work():\n"  # (torch itself aborts at exit while a daemon thread is in backward)
            "    while True: q.forward(0, d.data_ptr(), z.data_ptr(), c.data_ptr(), 1000)\n"
            "threading.Thread(target=work, daemon=True).start()\n"
            "import time; time.sleep(0.2)\n")
    for _ in range(2):
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert result.returncode == 0 and not result.stderr, result.stderr


def check_fork():
    """A process forked before the first kernel computes; data loaders' workers do too."""
    x = torch.randn(1000)
    with ft.patch(3):
        loader = torch.utils.data.DataLoader([x] * 4, num_workers=2, collate_fn=lambda items: F.gelu(items[0]))
        for batch in loader:
            assert torch.allclose(batch, F.gelu(x))


def check_apply():
    """What `actscope apply` calls: for the whole process, once."""
    first = ft._apply(3, "gelu,silu", None, None)
    assert ft._apply(2, None, "value", None) is first
    x = torch.randn(80, requires_grad=True)
    F.gelu(x), nn.Mish()(x)
    worker = threading.Thread(target=lambda: F.silu(x))
    worker.start()
    worker.join()
    assert first.report() == {"replaced": {"gelu": 1, "silu": 1}, "bytes_exact": 640, "bytes_codes": 60,
                              "fallbacks": {}}

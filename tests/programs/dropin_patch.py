"""patch(): what it reaches, and that torch is as it was afterwards."""
import torch
import torch.nn as nn
import torch.nn.functional as F

import actscope.torch as ft
from dropin_cases import raises


def names():
    """Everything that a patch may touch: functions of torch's by where they are found, and by which of them are
    owned."""
    owners = (torch._C._nn, F, torch, torch._VF, torch.Tensor, torch.special, nn.TransformerEncoderLayer,
              nn.TransformerDecoderLayer)
    spoken = {name for case in ft.FUNCTIONS for name in (case, case + "_")} | {"log_sigmoid", "expit", "activation"}
    return {(str(owner), name): id(vars(owner)[name]) for owner in owners for name in spoken if name in vars(owner)}


def check_patch_restores():
    """Names are torch's own again after the last patch, whatever the nesting, errors, threads, or other people's
    patches."""
    before = names()
    gelu = F.gelu
    with ft.patch(3, functions="all"):
        assert F.gelu is not gelu and names() != before
        with ft.patch(1):
            pass
        assert F.gelu is not gelu
    assert names() == before
    with raises(KeyError):
        with ft.patch(2):
            raise KeyError("x")
    assert names() == before
    one = ft.patch(2)
    with one, one:
        with one:
            pass
        assert F.gelu is not gelu
    assert names() == before
    first, second = ft.patch(2), ft.patch(3, functions=["tanh", "gelu"])
    first.__enter__(), second.__enter__(), first.__exit__(None, None, None)
    assert F.gelu is not gelu and F.silu is not None
    x = torch.randn(3, requires_grad=True)
    assert "FewBit" in type(F.gelu(x).grad_fn).__name__ and "FewBit" not in type(F.silu(x).grad_fn).__name__
    second.__exit__(None, None, None)
    assert names() == before

    @ft.patch(2)
    def decorated():
        return type(F.gelu(x).grad_fn).__name__
    assert "FewBit" in decorated() and names() == before
    with ft.patch(2):  # somebody replaces it, and puts it back later
        inner = F.gelu

        def outer(*args, **kwargs):
            return inner(*args, **kwargs)
        F.gelu = outer
    assert F.gelu is outer and "FewBit" not in type(F.gelu(x).grad_fn).__name__
    with ft.patch(2):
        assert "FewBit" in type(F.gelu(x).grad_fn).__name__
    F.gelu = inner
    with ft.patch(2):
        assert "FewBit" in type(F.gelu(x).grad_fn).__name__
    assert F.gelu is gelu
    assert names() == before


# Every way to call a function. (Names are looked up when called: a reference taken now would miss the patch.)
WAYS = {
    "gelu": [lambda t: F.gelu(t), lambda t: F.gelu(input=t), lambda t: F.gelu(t, approximate="tanh"), nn.GELU(),
             lambda t: torch._C._nn.gelu(t)],
    "silu": [F.silu, nn.SiLU(), lambda t: F.silu(t * 1, inplace=True)],
    "mish": [F.mish, nn.Mish()],
    "softplus": [lambda t: F.softplus(t), nn.Softplus(), lambda t: F.softplus(t, beta=2)],
    "elu": [F.elu, nn.ELU(), nn.ELU(0.5), lambda t: F.elu(t, alpha=0.3)],
    "celu": [F.celu, nn.CELU(), lambda t: torch.celu(t)],
    "selu": [F.selu, nn.SELU(), lambda t: torch.selu(t)],
    "hardswish": [F.hardswish, nn.Hardswish()],
    "logsigmoid": [lambda t: F.logsigmoid(t), nn.LogSigmoid()],
    "softsign": [lambda t: F.softsign(t), nn.Softsign()],
    "tanhshrink": [lambda t: F.tanhshrink(t), nn.Tanhshrink()],
    "hardtanh": [F.hardtanh, nn.Hardtanh(-2, 2), lambda t: F.hardtanh(t * 1, inplace=True), nn.ReLU6()],
    "relu6": [F.relu6],
    "leaky_relu": [F.leaky_relu, nn.LeakyReLU(0.3)],
    "hardsigmoid": [F.hardsigmoid, nn.Hardsigmoid()],
    "hardshrink": [lambda t: t.hardshrink(0.3), nn.Hardshrink()],
    "softshrink": [lambda t: F.softshrink(t, 0.2), nn.Softshrink()],
    "threshold": [lambda t: F.threshold(t, 0.1, 0.2), nn.Threshold(0.1, 0.2), lambda t: torch.threshold(t, 0.1, 0.2)],
    "relu": [F.relu, nn.ReLU(), lambda t: torch.relu(t), lambda t: t.relu(), lambda t: (t * 1).relu_(),
             lambda t: nn.ReLU(inplace=True)(t * 1)],
    "sigmoid": [lambda t: torch.sigmoid(t), nn.Sigmoid(), lambda t: t.sigmoid(), lambda t: (t * 1).sigmoid_(),
                lambda t: torch.special.expit(t)],
    "tanh": [lambda t: torch.tanh(t), nn.Tanh(), lambda t: t.tanh(), lambda t: torch.tanh_(t * 1)],
}


def check_patch_reaches():
    """Every way to call: functions, modules, methods, in place, by keyword; which are replaced by default, and by
    name."""
    x = torch.randn(7, requires_grad=True)
    def calls(functions):
        counts = {}
        with ft.patch(2, functions) as patch:
            for name, list_ in WAYS.items():
                for way in list_:
                    before = sum(patch.report()["replaced"].values())
                    way(x).sum().backward()
                    counts[name] = counts.get(name, 0) + sum(patch.report()["replaced"].values()) - before
        return counts

    everything = calls("all")
    assert everything == {name: len(list_) for name, list_ in WAYS.items()}, everything
    default = calls(None)
    wanted = {name: 0 if name in ("relu", "sigmoid", "tanh") else len(list_) for name, list_ in WAYS.items()}
    assert default == wanted, default
    only = calls("tanh, gelu")  # tanhshrink calls tanh
    assert {name for name, count in only.items() if count} == {"tanh", "gelu", "tanhshrink"}, only
    assert ft.patch(functions=["swish"]).functions == ("silu",)
    # in place, what torch keeps of leaky_relu, elu, celu and selu is the result
    with ft.patch(2) as patch:
        for function in (F.leaky_relu, F.elu, F.celu, F.selu):
            function(x * 1, inplace=True)
    assert patch.report()["replaced"] == {}, patch.report()
    with ft.patch(2, "leaky_relu,elu,celu,selu") as patch:
        for function in (F.leaky_relu, F.elu, F.celu, F.selu):
            function(x * 1, inplace=True)
    assert sum(patch.report()["replaced"].values()) == 4


def check_patch_report():
    x = torch.randn(1001, requires_grad=True)
    with ft.patch(3) as patch:
        F.gelu(x), F.gelu(x), F.softsign(x)
    F.gelu(x)
    assert patch.report() == {"replaced": {"gelu": 2, "softsign": 1}, "bytes_exact": 4 * 1001 * (2 + 2),
                              "bytes_codes": 3 * -(-1001 * 3 // 8), "fallbacks": {}}, patch.report()

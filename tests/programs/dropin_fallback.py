"""Where the kernels do not reach: other types and devices, transforms, compilers, autocast."""
import contextlib
import io
import math
import os
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

import actscope.torch as ft
from actscope.torch import core
from dropin_cases import raises, TORCH_2


def check_fallback():
    """float64, devices without kernels, subclasses: torch's exact gradient, one warning a reason."""
    class Tagged(torch.Tensor):
        pass

    values = {"float64": lambda: torch.randn(50, dtype=torch.float64), "meta": lambda: torch.randn(5, device="meta"),
              "subclass": lambda: torch.randn(50).as_subclass(Tagged)}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with ft.patch(1) as patch:
            for value in values.values():
                for _ in range(3):
                    for function in (F.gelu, F.silu, nn.Mish(), ft.ELU(bits=1)):
                        x = value().requires_grad_()
                        y = function(x)
                        got, = torch.autograd.grad(y.sum(), x)
                        with ft.exact():
                            wanted, = torch.autograd.grad(function(x).sum(), x)
                        assert got.is_meta or torch.equal(got, wanted)
                        assert "FewBit" not in type(y.grad_fn).__name__
            for quiet in (torch.randn(3, dtype=torch.float64), torch.randint(5, (3,))):  # no gradient, no loss
                torch.sigmoid(quiet)
        report = patch.report()
    ours = [str(warning.message) for warning in said if "actscope" in str(warning.message)]
    assert len(ours) == 3, ours
    for word in ("a subclass", "on meta", "of float64"):
        assert sum(word in text for text in ours) == 1, (word, ours)
    assert report["fallbacks"] == {"tensors of float64": 9, "tensors on meta": 9, "a subclass of Tensor": 9}, report
    assert report["replaced"] == {} and report["bytes_codes"] == 0
    assert all(os.path.basename(warning.filename) == os.path.basename(__file__) for warning in said
               if "actscope" in str(warning.message)) or not TORCH_2
    # the imaginary part of a conjugate is a view of numbers with the other sign
    view = torch.randn(5, dtype=torch.complex64, requires_grad=True).conj().imag
    assert view.is_neg()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ft.patch(1):
            assert torch.allclose(F.gelu(view), 0.5 * view * (1 + torch.erf(view * math.sqrt(0.5))), atol=1e-6)
    # parameters that no quantizer is made for: torch has its way, and the word
    x = torch.randn(5, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ft.patch(1):
            for y in (F.leaky_relu(x, math.inf), F.softplus(x, torch.tensor(2.0))):
                assert "FewBit" not in type(y.grad_fn).__name__
    with ft.patch(1), raises(TypeError):
        F.gelu()
    with ft.patch(1), raises(TypeError):
        F.gelu("x")
    with ft.patch(1), raises(RuntimeError):
        F.gelu(x, approximate="sine")


def check_transforms():
    """torch.func (functorch in 1.13), forward mode, tracing, scripting, fx: exact, as without the patch."""
    if TORCH_2:
        from torch.func import grad, jvp, vmap
    else:
        from functorch import grad, jvp, vmap
    x = torch.randn(4, 5)
    wanted = torch.autograd.grad(F.gelu(x.requires_grad_()).sum(), x)[0]
    x = x.detach()
    # (torch.jit.script takes softsign and tanhshrink, functions in Python, for foreign ones: it runs them, but does not
    # save)
    own = nn.Sequential(nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Hardtanh(), nn.LogSigmoid(), nn.Hardshrink(),
                        nn.Threshold(0.1, 0.2), nn.CELU(), nn.Softsign(), nn.Tanhshrink(), nn.Tanh(), nn.ReLU())
    result = own(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ft.patch(1, functions="all"):
            assert torch.equal(grad(lambda t: F.gelu(t).sum())(x), wanted)
            assert torch.allclose(vmap(F.gelu)(x), F.gelu(x), atol=1e-6)
            assert torch.equal(vmap(grad(lambda t: F.gelu(t).sum()))(x), wanted)
            assert torch.allclose(jvp(F.gelu, (x,), (torch.ones_like(x),))[1], wanted)
            with torch.autograd.forward_ad.dual_level():
                dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
                assert torch.allclose(torch.autograd.forward_ad.unpack_dual(F.gelu(dual)).tangent, wanted)
            traced = torch.jit.trace(own, x)
            assert "PythonOp" not in str(traced.inlined_graph)
            scripted = torch.jit.script(own)
            symbolic = torch.fx.symbolic_trace(own)
        for made in (traced, scripted, symbolic, torch.jit.script(own)):
            assert torch.allclose(made(x), result, atol=1e-6)
    buffer = io.BytesIO()
    with ft.patch(1):
        torch.jit.save(torch.jit.script(own[:8]), buffer)
    assert b"actscope" not in buffer.getvalue()


def check_compile():
    """torch.compile gets torch's own functions: exact gradients in one graph, no error, inside and outside of a
    patch."""
    if not TORCH_2:
        return

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.gelu, self.softplus = nn.Linear(8, 8), nn.GELU(), nn.Softplus()

        def forward(self, x):
            return F.silu(self.softplus(self.gelu(self.linear(x)))) + torch.tanh(x)

    model, x = Model(), torch.randn(4, 8, requires_grad=True)
    wanted, = torch.autograd.grad(model(x).sum(), x)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with ft.patch(1, functions="all") as patch:
            compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
            got, = torch.autograd.grad(compiled(x).sum(), x)
    assert torch.allclose(got, wanted, atol=1e-6)
    assert patch.report()["replaced"] == {} and "torch.compile" in patch.report()["fallbacks"], patch.report()
    assert sum("torch.compile" in str(warning.message) for warning in said) == 1
    assert torch.allclose(torch.autograd.grad(compiled(x).sum(), x)[0], wanted, atol=1e-6)
    torch._dynamo.reset()
    core._warned.clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        compiled = torch.compile(ft.convert(model, 1), backend="aot_eager", fullgraph=True)
        for _ in range(2):
            assert torch.allclose(torch.autograd.grad(compiled(x).sum(), x)[0], wanted, atol=1e-6)
    assert sum("torch.compile" in str(warning.message) for warning in said) == 1


def check_autocast():
    """Under autocast results have torch's types, and backward ends in the parameters' own."""
    model = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 32), nn.Softplus(),
                          nn.Linear(32, 4), nn.Mish())
    x = torch.randn(8, 16)
    kinds = []
    for layer in model:
        layer.register_forward_hook(lambda module, given, result: kinds.append(result.dtype))

    def run(convert):
        kinds.clear()
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16), convert:
            loss = model(x).float().square().mean()
        loss.backward()
        return list(kinds), [parameter.grad.clone() for parameter in model.parameters()]

    if not TORCH_2:
        model[-1] = nn.Softplus()  # torch 1.13 has no mish of bfloat16
        model[-1].register_forward_hook(lambda module, given, result: kinds.append(result.dtype))
    exact_kinds, exact = run(contextlib.nullcontext())
    with ft.patch(8) as patch:
        few_kinds, few = run(contextlib.nullcontext())
    assert exact_kinds == few_kinds, (exact_kinds, few_kinds)
    assert torch.bfloat16 in few_kinds
    assert sum(patch.report()["replaced"].values()) == 4
    for left, right in zip(exact, few):
        assert left.dtype == right.dtype == torch.float32
        # 8 bits: what differs is bfloat16's rounding, 2^-9 a step
        assert float(F.cosine_similarity(left.flatten(), right.flatten(), 0)) > 0.999

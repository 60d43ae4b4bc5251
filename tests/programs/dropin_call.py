"""One call of a few-bit activation: result, gradient, what is kept, layouts, in place, second order."""
import math
import warnings
import weakref

import torch
import torch.nn as nn
import torch.nn.functional as F

import actscope
import actscope.torch as ft
from dropin_cases import (CASES, DTYPES, expected_gradient, few_bit, functional, INPLACE, inputs, kept, raises,
                          reference, same)


def check_gradient():
    """dx is level times dy to the bit: every function, 1 to 4 bits, both methods' default, three types, by patch, by
    functional and by module."""
    for case, (_, arguments, name, _) in CASES.items():
        for bits in (1, 2, 3, 4):
            for dtype in DTYPES:
                x = inputs().to(dtype).requires_grad_()
                dy = torch.randn(x.shape).to(dtype)
                wanted = expected_gradient(case, bits, x, dy)
                for call in (few_bit, functional):
                    y = call(case, x, bits)
                    assert type(y.grad_fn).__name__ == "FewBitBackward", (case, call, y.grad_fn)
                    got, = torch.autograd.grad(y, x, dy)
                    assert same(got, wanted), (case, bits, dtype, call.__name__)
            kind = ft.FUNCTIONS["gelu" if name == "gelu_tanh" else name].module
            module = getattr(ft, kind)(bits=bits, **arguments)
            x = inputs().requires_grad_()
            dy = torch.randn(x.shape)
            got, = torch.autograd.grad(module(x), x, dy)
            assert same(got, expected_gradient(case, bits, x, dy)), (kind, bits)


def check_settings():
    """bits 5 to 8, method and weight reach the quantizer."""
    x = inputs().requires_grad_()
    dy = torch.ones_like(x)
    for options in ({"bits": 5}, {"bits": 8}, {"bits": 3, "method": "interval"}, {"bits": 2, "weight": "uniform:-4:4"}):
        made = actscope.Quantizer.fit("silu", options["bits"], options.get("method", "value"), options.get("weight"))
        levels = torch.tensor(made.levels)[torch.tensor(made.codes, dtype=torch.long)]
        interval = torch.bucketize(x.detach(), torch.tensor(made.breakpoints), right=True)
        interval[torch.isnan(x.detach())] = 0
        for y in (ft.functional.silu(x, **options), ft.SiLU(**options)(x)):
            assert same(torch.autograd.grad(y, x, dy)[0], levels[interval]), options
    for wrong in ({"bits": 0}, {"bits": 9}, {"bits": 2.5}, {"bits": True}, {"method": "best"}, {"weight": "uniform:3"}):
        for make in (ft.patch, ft.GELU, lambda **options: ft.functional.gelu(x, **options),
                     lambda **options: ft.convert(nn.GELU(), **options)):
            with raises(ValueError, "actscope: "):
                make(**wrong)
    with raises(ValueError, "gelu, silu"):
        ft.patch(functions="gelo")
    with raises(TypeError, "unexpected"):
        ft.functional.gelu(x, beta=3)
    with raises(TypeError, "needs threshold"):
        ft.functional.threshold(x)


def check_forward():
    """y is as near to f in double as torch's own y: the largest error in units of the last place is not above torch's
    or 4 (what docs/exact-forward.md promises of every function; softplus with beta 2 loses |beta x| ulp in its tail, as
    torch does), and the mean error not above 1.1 times torch's, or half a unit of the last place of the mean |y|."""
    x = torch.cat([torch.linspace(-12, 12, 200001), torch.randn(100000), -torch.logspace(-30, 1, 5000)])
    for case, (function, _, _, _) in CASES.items():
        truth = reference(case, x)
        unit = torch.clamp(truth.abs(), min=2.0 ** -126) * 2.0 ** -23  # at least half a unit of the last place
        errors = []
        for y in (functional(case, x.clone().requires_grad_(), 3), functional(case, x, 3), function(x, False)):
            errors.append((y.detach().double() - truth).abs())
        for error in errors[:2]:
            worst, torchs = float((error / unit).max()), float((errors[2] / unit).max())
            allowed = 24 if case == "softplus_2" else 4
            assert worst <= max(torchs, allowed), f"{case}: {worst} ulp, torch {torchs}"
            mean = max(1.1 * float(errors[2].mean()), float(unit.mean()) / 2)
            assert float(error.mean()) <= mean, f"{case}: mean {error.mean()}, torch {errors[2].mean()}"
        assert torch.equal(errors[0], errors[1]), f"{case}: with and without gradient"


def check_forward_half():
    """bfloat16 and float16: f in double, rounded once, or the number beside it; torch has no float16 on the CPU before
    2."""
    for dtype in DTYPES[1:]:
        x = (3 * torch.randn(20000)).to(dtype)
        for case in CASES:
            truth = reference(case, x)
            y = functional(case, x.clone().requires_grad_(), 2)
            assert y.dtype == dtype
            unit = torch.clamp(truth.abs(), min=float(torch.finfo(dtype).tiny)) * float(torch.finfo(dtype).eps)
            # rounded to nearest: half a unit; float32 before it adds a hair
            assert float(((y.detach().double() - truth).abs() / unit).max()) <= 0.51, (case, dtype)


def check_kept():
    """The graph holds ceil(n bits / 8) bytes of codes, nothing else, and lets the input go."""
    for case in CASES:
        for elements in (1, 7, 1000, 4096):
            for bits in (1, 2, 3, 4, 8):
                leaf = torch.randn(elements, requires_grad=True)
                x = leaf * 1
                with kept() as packed:
                    y = few_bit(case, x, bits)
                codes = -(-elements * bits // 8)
                assert [(t.dtype, t.numel()) for t in packed] == [(torch.uint8, codes)], (case, packed)
                assert packed[0].storage().nbytes() == codes
                gone = weakref.ref(x)
                del x
                assert gone() is None, f"{case}: something still holds the input"
                assert not any(isinstance(value, torch.Tensor) for value in vars(y.grad_fn).values()), case
                y.sum().backward()
                assert leaf.grad is not None


def check_keeps():
    """What torch itself keeps is as the table in actscope/torch/functions.py says: the default set rests on it."""
    for name, function in ft.FUNCTIONS.items():
        own = CASES[name][0]
        for inplace in (False, True) if name in INPLACE else (False,):
            x = torch.randn(512, requires_grad=True) * 1
            address = x.data_ptr()
            with kept() as packed:
                y = own(x, inplace)
            full = [t for t in packed if t.numel() == 512]
            if inplace:
                result = any(t.data_ptr() == address for t in full)
            else:
                result = any(t.data_ptr() == y.data_ptr() for t in full)
            # tanhshrink's formula keeps tanh x, which is no result of its own and held by no one else: as good as an
            # input
            says = function.keeps_inplace if inplace else function.keeps
            assert result == (says == "result"), (name, inplace, says)
            assert inplace or len({t.data_ptr() for t in full}) == function.copies, (name, len(full))


def check_no_grad():
    """Without need of a gradient nothing is kept, and the result is the same."""
    x = torch.randn(1000)
    leaf = x.clone().requires_grad_()
    for case in CASES:
        y = few_bit(case, leaf, 2)
        with kept() as packed:
            with torch.no_grad():
                quiet = few_bit(case, leaf, 2)
            plain = few_bit(case, x, 2)
            with torch.inference_mode():
                inferred = few_bit(case, x, 2)
        assert not packed, case
        assert quiet.grad_fn is None and plain.grad_fn is None
        assert torch.equal(y, quiet) and torch.equal(y, plain) and torch.equal(y.detach(), inferred.clone()), case
    with ft.patch(2) as patch, torch.no_grad():
        F.gelu(leaf)
    assert patch.report()["replaced"] == {}, patch.report()


def layouts():
    base = torch.randn(4, 6, 5, 8)
    return {"channels_last": base.contiguous(memory_format=torch.channels_last), "permuted": base.permute(3, 1, 0, 2),
            "sliced": base[:, ::2, :, 1:6].permute(2, 0, 3, 1), "expanded": torch.randn(4, 1, 5, 1).expand(4, 6, 5, 8),
            "every_other": torch.randn(40)[::2], "transposed": torch.randn(7, 3).t(), "scalar": torch.randn(()),
            "empty": torch.randn(3, 0, 2), "one": torch.randn(1, 5, 1).permute(2, 1, 0)}


def gradients_for(y):
    """Gradients of y in several layouts."""
    found = {"alike": torch.randn_like(y), "contiguous": torch.randn(y.shape),
             "expanded": torch.randn(()).expand(y.shape)}
    if y.dim() == 4:
        found["sliced"] = torch.randn(y.shape[0], 2 * y.shape[1], *y.shape[2:])[:, ::2]
        found["half_expanded"] = torch.randn(1, 1, *y.shape[2:]).expand(y.shape)
    return found


def strides(tensor):
    return [stride for stride, size in zip(tensor.stride(), tensor.shape) if size > 1]


def check_layout():
    """Result and gradient of tensors that are not contiguous: the numbers of the contiguous ones, torch's own
    strides."""
    for case, (function, _, _, _) in CASES.items():
        for name, value in layouts().items():
            x, own = value.detach().requires_grad_(), value.detach().requires_grad_()
            plain = value.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
            y, wanted = few_bit(case, x, 3), function(own, False)
            flat = few_bit(case, plain, 3)
            assert torch.equal(y, flat), (case, name)
            assert strides(y) == strides(wanted), (case, name, y.stride(), wanted.stride())
            for kind, dy in gradients_for(wanted).items():
                got, = torch.autograd.grad(y, x, dy, retain_graph=True)
                torchs, = torch.autograd.grad(wanted, own, dy, retain_graph=True)
                flats, = torch.autograd.grad(flat, plain, dy.contiguous(), retain_graph=True)
                assert same(got, flats), (case, name, kind)
                # softsign's formula differs between versions of torch where dy is expanded
                if (case != "softsign" or "expanded" not in kind) and x.numel():
                    assert strides(got) == strides(torchs), (case, name, kind, got.stride(), torchs.stride())


def check_inplace():
    """inplace=True: the same result in the same memory, codes and nothing else, errors where torch has them."""
    for case in INPLACE:
        function = CASES[case][0]
        for value in (torch.randn(1000), torch.randn(8, 6).t(), torch.randn(8, 9)[:, ::2], torch.randn(()),
                      torch.randn(0)):
            leaf = value.detach().requires_grad_()
            dy = torch.randn(value.shape)
            x = leaf * 1 if value.is_contiguous() else torch.empty_strided(
                (value.numel() * 2 + 2,), (1,)).as_strided(value.shape, value.stride()).copy_(leaf)
            version, address = x._version, x.data_ptr()
            outside = few_bit(case, leaf, 2)
            with kept() as packed:
                y = few_bit(case, x, 2, inplace=True)
            assert y is x and y.data_ptr() == address and y._version > version, case
            assert torch.equal(y, outside), case
            assert all(t.dtype == torch.uint8 for t in packed), (case, packed)
            got, wanted = torch.autograd.grad(y, leaf, dy)[0], torch.autograd.grad(outside, leaf, dy)[0]
            assert same(got, wanted), case
        leaf = torch.randn(5, requires_grad=True)
        before = leaf.detach().clone()
        for wrong in (leaf, leaf.view(5)):
            with raises(RuntimeError, "leaf"):
                few_bit(case, wrong, 2, inplace=True)
        with raises(RuntimeError):
            few_bit(case, torch.randn(3, 1, requires_grad=True).expand(3, 4), 2, inplace=True)
        assert torch.equal(leaf, before), "the leaf was written to"
        # a view of something that is no leaf: the base's gradient goes through
        base = leaf * 1
        few_bit(case, base[1:4], 2, inplace=True)
        got, = torch.autograd.grad(base.sum(), leaf)
        assert torch.equal(got[[0, 4]], torch.ones(2))
        assert same(got[1:4], expected_gradient(case, 2, leaf[1:4], torch.ones(3))), case
        # what another node saved is noticed when it was overwritten
        x = leaf * 1
        square = x * x
        few_bit(case, x, 2, inplace=True)
        with raises(RuntimeError, "modified by an inplace operation"):
            square.sum().backward()
        with torch.no_grad():
            quiet = torch.randn(5)
            wanted = function(quiet.clone(), False)
            version = quiet._version
            assert few_bit(case, quiet, 2, inplace=True) is quiet and quiet._version > version
            assert torch.allclose(quiet, wanted, rtol=1e-5, atol=1e-6)
    module = ft.SiLU(inplace=True, bits=2)
    x = torch.randn(4, requires_grad=True) * 1
    assert module(x) is x


def check_empty():
    for case in CASES:
        for shape in ((0,), (3, 0), (0, 4, 5)):
            x = torch.randn(shape, requires_grad=True)
            y = few_bit(case, x, 3)
            y.sum().backward()
            assert y.shape == x.shape == x.grad.shape, case


def check_twice():
    """Derivatives of second order are refused, with what to do; exact() does it."""
    said = RuntimeError, "actscope: ", "gelu", "create_graph", "exact()"
    weight = torch.randn(6, requires_grad=True)
    for last in (lambda y: y.sum(), lambda y: (weight * y).sum(), lambda y: few_bit("silu", weight * y, 2).sum()):
        for first in (lambda x: x, lambda x: x * weight):
            x = torch.randn(6, requires_grad=True)
            dx, = torch.autograd.grad(last(few_bit("gelu", first(x), 3)), x, create_graph=True)
            for asked in (x, [x, weight]):
                with raises(*said):
                    torch.autograd.grad(dx.square().sum(), asked, retain_graph=True)
            with raises(*said):
                dx.square().sum().backward()
    with raises(*said):
        torch.autograd.functional.hessian(lambda t: few_bit("gelu", t, 3).sum(), torch.randn(3))
    with ft.patch(3), ft.exact():
        first, = torch.autograd.grad(F.gelu(x).sum(), x, create_graph=True)
        second, = torch.autograd.grad(first.sum(), x)
    value = x.detach().double()
    wanted = torch.exp(-value ** 2 / 2) / math.sqrt(2 * math.pi) * (2 - value ** 2)
    assert torch.allclose(second.double(), wanted, atol=1e-5)
    # create_graph without anybody asking for more is no error
    x.grad = None
    few_bit("gelu", x, 3).sum().backward(create_graph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert same(x.grad.detach(), expected_gradient("gelu", 3, x, torch.ones(6)))


def check_retain():
    """A graph may be walked twice, and half of it may be of no use."""
    x = torch.randn(9, requires_grad=True)
    y = few_bit("silu", x, 2)
    first, = torch.autograd.grad(y.sum(), x, retain_graph=True)
    second, = torch.autograd.grad(y.sum(), x)
    assert torch.equal(first, second)
    with raises(RuntimeError, "second time"):
        torch.autograd.grad(y.sum(), x)
    # several gradients at once
    y = few_bit("silu", x, 2)
    many = torch.autograd.grad(y, x, torch.randn(4, 9), is_grads_batched=True, retain_graph=True)[0]
    torch.manual_seed(1)
    dys = torch.randn(4, 9)
    many = torch.autograd.grad(y, x, dys, is_grads_batched=True, retain_graph=True)[0]
    for dy, got in zip(dys, many):
        assert same(got, torch.autograd.grad(y, x, dy, retain_graph=True)[0])

"""verify(): the document, its figures against our own, and that the model stays as it was."""
import contextlib
import json
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import actscope.torch as ft
from dropin_cases import raises


def check_verify():
    """The document, its figures against our own computation, and that nothing changes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 48), nn.GELU(), nn.Dropout(0.3), nn.Linear(48, 48), nn.BatchNorm1d(48),
                          nn.SiLU(), nn.Linear(48, 3))
    model[0].bias.requires_grad_(False)
    # (the gradient of the bias in front of the batch norm is zero but for rounding)
    batch = torch.randn(64, 12), torch.randint(3, (64,))

    def loss_fn(model, batch):
        return F.cross_entropy(model(batch[0]), batch[1])

    loss_fn(model, batch).backward()
    gradient = model[3].weight.grad.clone()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    result = ft.verify(model, loss_fn, batch, bits=[1, 2, 3, 4])
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(model[3].weight.grad, gradient)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert result["schema"] == "actscope.verify/1" and result["model"] == "Sequential" and result["passed"] is True
    assert [width["bits"] for width in result["bits"]] == [1, 2, 3, 4]

    def gradients(context):
        model.load_state_dict(before)
        torch.set_rng_state(random)
        model.zero_grad()
        with context:
            loss = loss_fn(model, batch)
        loss.backward()
        return loss.item(), {name: parameter.grad.clone().double().flatten()
                             for name, parameter in model.named_parameters() if parameter.requires_grad}

    exact_loss, exact = gradients(contextlib.nullcontext())
    last = 0
    for width in result["bits"]:
        few_loss, few = gradients(ft.patch(width["bits"]))
        assert width["loss"] == {"exact": [exact_loss], "few_bit": [few_loss]}, width["loss"]
        assert [row["name"] for row in width["parameters"]] == list(exact)
        cosines = []
        for row in width["parameters"]:
            left, right = exact[row["name"]], few[row["name"]]
            cosine = float(left @ right / left.norm() / right.norm())
            assert abs(row["cosine"] - cosine) < 1e-12
            assert abs(row["relative_error"] - float((left - right).norm() / left.norm())) < 1e-12
            assert row["negligible"] == (row["name"] == "3.bias")
            if not row["negligible"]:
                cosines.append(row["cosine"])
        assert width["min_cosine"] == min(cosines) and abs(width["mean_cosine"] - sum(cosines) / len(cosines)) < 1e-12
        assert width["min_cosine"] > last
        last = width["min_cosine"]
        memory = width["memory"]
        codes = 64 * 48 * 2 * width["bits"] // 8
        saving = memory["exact"]["saved_bytes"] - memory["measured"]["saved_bytes"]
        assert saving == 64 * 48 * 4 * 2 - codes, (saving, codes)
        assert memory["projected"]["saved_bytes"] == memory["measured"]["saved_bytes"]
        assert memory["exact"]["peak_bytes"] > memory["measured"]["peak_bytes"] > memory["measured"]["saved_bytes"]
        projected_peak_holds(memory)
    assert result["min_cosine"] == result["bits"][0]["min_cosine"]
    assert ft.verify(model, loss_fn, batch, 1, min_cosine=0.9999, memory=False)["passed"] is False
    assert ft.verify(model, loss_fn, batch, 4, min_cosine=0.9, memory=False)["passed"] is True
    assert ft.verify(model, loss_fn, batch, 4, max_relative_error=1e-6)["passed"] is False
    # a converted model: exact is exact all the same, and the bits asked for are those measured
    model.load_state_dict(before)
    torch.set_rng_state(random)
    converted = ft.verify(ft.convert(model, 1), loss_fn, batch, bits=[3])
    for left, right in zip(converted["bits"][0]["parameters"], result["bits"][2]["parameters"]):
        assert left["negligible"] or abs(left["cosine"] - right["cosine"]) < 1e-9
    assert model[1].bits == 1
    ft.revert(model)
    curves = ft.verify(model, loss_fn, batch, [2], steps=5, memory=False)["bits"][0]["loss"]
    assert len(curves["exact"]) == len(curves["few_bit"]) == 5 and curves["exact"][0] == exact_loss
    assert curves["exact"][-1] < curves["exact"][0] and curves["few_bit"][1] != curves["exact"][1]
    # what another node holds: codes come on top, and the projection says so
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.out = nn.Linear(16, 16), nn.Linear(16, 16)

        def forward(self, x):
            h = self.linear(x)
            return self.out(h) + F.gelu(h)

    width = ft.verify(Shared(), lambda model, batch: model(batch).sum(), torch.randn(32, 16), [2])["bits"][0]["memory"]
    wanted = width["exact"]["saved_bytes"] + 32 * 16 * 2 // 8
    assert width["measured"]["saved_bytes"] == width["projected"]["saved_bytes"] == wanted
    with raises(TypeError, "tensor of one element"):
        ft.verify(model, lambda model, batch: 3, batch)


def left_out(make, shape, seed, loss_fn=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]), **limits):
    """Names of the parameters that verify() leaves out, and whether all others passed."""
    torch.manual_seed(seed)
    width = ft.verify(make(), loss_fn, (torch.randn(shape), torch.randint(3, shape[:1])), 3, memory=False, **limits)["bits"][0]
    return {row["name"] for row in width["parameters"] if row["negligible"]}, width["passed"]


class _Attention(nn.Module):
    """Softmax does not see what is added to all keys: the gradient of their bias is zero."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.head = (nn.Linear(16, size) for size in (16, 16, 16, 3))

    def forward(self, x):
        weights = torch.softmax(self.query(x) @ self.key(x).transpose(-1, -2), -1)
        return self.head(F.gelu(x + weights @ self.value(x)).mean(1))


class _Faint(nn.Module):
    """Its first layer's gradient is a hundred-millionth of the second's, and no less exact."""

    def __init__(self):
        super().__init__()
        self.faint, self.loud = nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.loud(x) + 1e-8 * F.gelu(self.faint(x)).sum(-1, keepdim=True) * torch.tensor([1.0, 2, 3])


def _convolutions():
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(),
                         nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 3))


def check_noise():
    """Gradients that are zero but for rounding, by the mathematics, are left out, however large what rounding leaves of
    them; those that are small are not, and what few bits do to them counts."""
    for seed in range(4):
        assert left_out(_convolutions, (8, 3, 16, 16), seed, min_cosine=0.9) == ({"0.bias", "3.bias"}, True)

        def mixed(model, batch):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return F.cross_entropy(model(batch[0]), batch[1])
        assert left_out(_convolutions, (8, 3, 16, 16), seed, mixed)[0] == {"0.bias", "3.bias"}
        assert left_out(_Attention, (8, 12, 16), seed, min_cosine=0.9) == ({"key.bias"}, True)
        assert left_out(_Faint, (64, 16), seed, min_cosine=0.9) == (set(), True)
        assert left_out(_Faint, (64, 16), seed, min_cosine=0.99999) == (set(), False)
    # after steps of training too
    result = ft.verify(_convolutions(), lambda model, batch: model(batch).square().mean(), torch.randn(8, 3, 16, 16), 3, steps=2,
                       memory=False)
    rows = result["bits"][0]["trained"]["parameters"]
    assert [row["name"] for row in rows if row["negligible"]] == ["0.bias", "3.bias"]


def check_nothing_to_compare():
    """Exact passes that are no measure are refused, each with its reason; few-bit ones fall short, and null is in the
    document."""
    def verify(factor=1., hook=None, **options):
        model = nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 4))
        if hook:
            model[2].weight.register_hook(hook)
        return ft.verify(model, lambda model, batch: (model(batch) * factor).square().mean(), torch.randn(16, 8), [2],
                         memory=False, **options)

    with raises(ValueError, "the exact loss is nan", "nothing to compare with"):
        verify(math.nan)
    with raises(ValueError, "exact gradient of 2.weight is not finite"):
        verify(hook=lambda gradient: gradient * math.inf)
    with raises(ValueError, "every gradient is zero"):
        verify(0.)
    with raises(ValueError, "the exact loss is", "in step "):
        verify(1e15, steps=8)

    passes = []

    def after_the_first(gradient):  # which is the exact one
        passes.append(gradient)
        return gradient if len(passes) == 1 else gradient * math.nan

    result = verify(hook=after_the_first)
    width = result["bits"][0]
    cosines = {row["name"]: row["cosine"] for row in width["parameters"]}
    assert cosines["2.weight"] is None and cosines["2.bias"] is not None, cosines
    assert result["passed"] is False and width["passed"] is False and width["min_cosine"] is None
    json.dumps(result, allow_nan=False)


def projected_peak_holds(memory):
    assert memory["projected"]["peak_bytes"] == memory["measured"]["peak_bytes"], memory


def check_projection():
    """The peak that an exact pass promises is the one that codes then have: of functions that keep two arrays, of those
    in place, and where another node holds x, or the result is what is held, so that codes come on top."""
    def chain(*layers):
        return nn.Sequential(*(part for layer in layers for part in (nn.Linear(64, 64), layer)))

    class Residual(nn.Module):
        def forward(self, x):
            return x + F.gelu(x * 1) * x

    for model in (chain(nn.Softsign(), nn.LogSigmoid(), nn.Tanhshrink()), chain(nn.SiLU(inplace=True), nn.GELU()),
                  chain(Residual(), nn.Mish(), nn.Hardswish()), chain(nn.Tanh(), nn.ReLU())):
        for width in ft.verify(model, lambda model, batch: model(batch).square().mean(), torch.randn(512, 64),
                               [1, 4], functions="all")["bits"]:
            projected_peak_holds(width["memory"])


def check_peak():
    """verify's peak of one step is that of the tensors counted by hand: a chain of one width, whose peak is known."""
    n = 1000
    model = nn.Sequential(nn.GELU(), nn.GELU(), nn.GELU(), nn.GELU())
    weight = nn.Parameter(torch.randn(n))
    model.register_parameter("w", weight)
    result = ft.verify(model, lambda model, batch: model(batch * model.w).sum(), torch.randn(n), [1])
    memory = result["bits"][0]["memory"]
    # exact: batch and w are there (w: n); h0 .. h3 are held (4 n), the result h4 (n) goes with the loss's graph
    assert memory["exact"]["saved_bytes"] == 4 * n * 5, memory       # batch, held by mul, and h0 .. h3
    assert memory["measured"]["saved_bytes"] == 4 * n + 4 * 125, memory
    assert 4 * n * 6 <= memory["exact"]["peak_bytes"] <= 4 * n * 7.2, memory
    assert 4 * n * 3 <= memory["measured"]["peak_bytes"] <= 4 * n * 4.2, memory

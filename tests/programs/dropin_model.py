"""Models: layers of torch, convert(), pickles, checkpointing, hooks on what is saved, a training loop."""
import contextlib
import copy
import io
import pickle
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

import actscope.torch as ft
from dropin_cases import CASES, few_bit, kept, raises, TORCH_2


def check_layers():
    """torch's transformer layers, made before the patch or inside, by string or by function; their fast path stays."""
    def layer(kind, activation):
        return kind(16, 2, 32, dropout=0.0, activation=activation, batch_first=True)

    x = torch.randn(2, 5, 16)
    for activation in ("gelu", F.gelu, F.silu, nn.GELU(), nn.Mish()):
        before = layer(nn.TransformerEncoderLayer, activation)
        decoder = layer(nn.TransformerDecoderLayer, activation)
        with ft.patch(2) as patch:
            inside = layer(nn.TransformerEncoderLayer, activation)
            for made in (before, inside, copy.deepcopy(before), nn.TransformerEncoder(before, 2, **(
                    {"enable_nested_tensor": False} if TORCH_2 else {}))):
                made(x).sum().backward()
            decoder(x, x).sum().backward()
        assert sum(patch.report()["replaced"].values()) == 6, (activation, patch.report())
        assert "activation" not in vars(nn.TransformerEncoderLayer)
        with ft.exact():
            before(x).sum().backward()
        inside.eval(), before.eval()
        with torch.no_grad():
            inside(x), before(x)
    with ft.patch(2):
        model = layer(nn.TransformerEncoderLayer, "gelu")
        assert model.activation_relu_or_gelu == 2  # its inference fast path
        data = pickle.dumps(model)
        pickle.loads(data)
    later = pickle.dumps(model)
    for text in (data, later):
        assert b"actscope" not in text
        again = pickle.loads(text)
        assert again.activation is F.gelu
        again(x)


SEEN = []


def note_call(*_):
    SEEN.append(1)


class Held(nn.Module):
    def __init__(self):
        super().__init__()
        self.act, self.other = F.gelu, F.softplus

    def forward(self, x):
        return self.other(self.act(x))


class Own(nn.GELU):
    def forward(self, x):
        return x


def check_convert():
    """convert() and revert(): the same objects, hooks, names and state_dict; which modules; pickles; other bits."""
    shared = nn.GELU()
    model = nn.Sequential(nn.Linear(6, 6), shared, shared, nn.ReLU(), nn.LeakyReLU(0.2),
                          nn.LeakyReLU(0.2, inplace=True), nn.Hardtanh(-1, 2), nn.Softplus(2), Own(), nn.PReLU(),
                          nn.BatchNorm1d(6), nn.Tanh(),
                          nn.SiLU(inplace=True))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    layers, kinds, states = list(model), [type(layer) for layer in model], [dict(vars(layer)) for layer in model]
    text = repr(model)
    seen = SEEN
    shared.register_forward_hook(note_call)
    states[1] = states[2] = dict(vars(shared))
    assert ft.convert(model, bits=2) is model
    assert all(new is old for new, old in zip(model, layers))
    few = [type(layer).__module__.startswith("actscope") for layer in model]
    assert few == [False, True, True, False, True, False, True, True, False, False, False, False, True], few
    assert all(isinstance(layer, kind) for layer, kind in zip(model, kinds))
    assert model.state_dict().keys() == before.keys()
    assert "bits=2" in repr(model) and shared.bits == 2
    x = torch.randn(4, 6, requires_grad=True)
    with kept() as packed:
        model(x).sum().backward()
    assert sum(t.dtype == torch.uint8 and t.numel() == 6 for t in packed) == 6 and len(seen) == 2
    again = pickle.loads(pickle.dumps(model))
    copied = copy.deepcopy(model)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, **({"weights_only": False} if TORCH_2 else {}))
    for other in (again, copied, loaded):
        assert other[1].bits == 2 and other[7].beta == 2 and other.state_dict().keys() == before.keys()
        with kept() as packed:
            other(x)
        assert sum(t.dtype == torch.uint8 for t in packed) == 6
    ft.revert(copied).load_state_dict(model.state_dict())
    assert ft.convert(model, bits=4)[1].bits == 4
    assert ft.revert(model) is model
    assert [type(layer) for layer in model] == kinds and repr(model) == text
    assert [dict(vars(layer)) for layer in model] == states
    assert b"actscope" not in pickle.dumps(nn.Sequential(*list(model)[2:8]))
    # by name: exactly those
    ft.convert(model, 1, functions=["relu", "tanh", "leaky_relu"])
    assert [i for i, layer in enumerate(model) if type(layer).__module__.startswith("actscope")] == [3, 4, 5, 11]
    ft.revert(model)
    # functions held in attributes; the root itself; nothing to do
    held = ft.convert(nn.Sequential(Held()), 3)
    assert "gelu(bits=3)" in repr(held[0].act)
    with kept() as packed:
        pickle.loads(pickle.dumps(held))(x)
    assert sum(t.dtype == torch.uint8 for t in packed) == 2
    assert ft.revert(held)[0].act is F.gelu and held[0].other is F.softplus
    assert type(ft.convert(nn.GELU())) is ft.GELU and type(ft.revert(ft.GELU())) is nn.GELU
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ft.convert(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))
    assert len(said) == 1 and "nothing was converted" in str(said[0].message)
    # convert and patch together: the module's own bits count
    model = ft.convert(nn.Sequential(nn.GELU()), 1)
    with ft.patch(4), kept() as packed:
        model(torch.randn(80, requires_grad=True))
    assert [t.numel() for t in packed] == [10]


def check_traces():
    """What a converted model becomes: torch.jit's graphs are torch's own and need no actscope, torch.fx's call the
    few-bit modules, which are leaves there as torch's are."""
    x = torch.randn(8, 6, requires_grad=True)
    model = nn.Sequential(nn.Linear(6, 6), nn.GELU("tanh"), nn.Softplus(2), nn.SiLU(inplace=True), nn.Softsign())
    wanted = model(x)
    ft.convert(model, 2)
    traced = torch.jit.trace(model, x)
    assert "PythonOp" not in str(traced.inlined_graph)
    scripted = torch.jit.script(model[:4])
    buffer = io.BytesIO()
    torch.jit.save(scripted, buffer)
    assert b"actscope" not in buffer.getvalue()
    buffer.seek(0)
    assert torch.allclose(nn.Softsign()(torch.jit.load(buffer)(x)), wanted, atol=1e-6)
    assert torch.allclose(traced(x), wanted, atol=1e-6)
    assert [type(layer).__module__ for layer in model[1:]] == ["actscope.torch.modules"] * 4 and model[1].bits == 2
    symbolic = torch.fx.symbolic_trace(model)
    with kept() as packed:
        y = symbolic(x)
    assert sum(t.dtype == torch.uint8 for t in packed) == 4 and torch.allclose(y, wanted, atol=1e-6)
    assert ft.revert(symbolic)(x).grad_fn is not None and not isinstance(symbolic.get_submodule("1"), ft.GELU)
    for wrong in (ft.convert, ft.revert):
        with raises(TypeError, "torch.nn.Module is needed, not function"):
            wrong(check_traces)


def check_pickle_modules():
    for name, function in ft.FUNCTIONS.items():
        arguments = (0.1, 0.2) if name == "threshold" else ()
        module = getattr(ft, function.module)(*arguments, bits=2, method="interval")
        again = pickle.loads(pickle.dumps(module))
        assert type(again) is type(module) and again.few_bit == module.few_bit and repr(again) == repr(module)
        assert not list(module.state_dict()) and not list(module.parameters())
        assert isinstance(module, getattr(nn, function.module))
    steps = pickle.loads(pickle.dumps(ft.Stepwise([-1.0, 0.5], [0.1, 1.0, 0.3])))
    x = torch.tensor([-2.0, -1.0, 0.0, 0.25, 0.5, 1.5], requires_grad=True)
    with kept() as packed:
        y = steps(x)
    assert [(t.dtype, t.numel()) for t in packed] == [(torch.uint8, 2)]
    assert torch.allclose(y, torch.tensor([-1.1, -1.0, 0.0, 0.25, 0.5, 0.8]))
    y.sum().backward()
    assert torch.equal(x.grad, torch.tensor([0.1, 1.0, 1.0, 1.0, 0.3, 0.3]))


def check_checkpoint():
    """torch.utils.checkpoint, both kinds, under patch and converted: the gradient of the same model without it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 16), nn.SiLU(inplace=True))
    x = torch.randn(8, 16, requires_grad=True)

    def gradients(reentrant):
        model.zero_grad()
        torch.manual_seed(5)
        y = model(x) if reentrant is None else checkpoint(model, x, use_reentrant=reentrant)
        y.square().sum().backward()
        return [parameter.grad.clone() for parameter in model.parameters()]

    exact = gradients(None)
    for convert in (False, True):
        if convert:
            ft.convert(model, 2)
        with contextlib.nullcontext() if convert else ft.patch(2):
            plain = gradients(None)
            for reentrant in (True, False):
                for left, right in zip(gradients(reentrant), plain):
                    assert torch.equal(left, right), reentrant
        assert any(not torch.equal(left, right) for left, right in zip(exact, plain))


def check_hooks():
    """Codes go through saved_tensors_hooks: offloading works."""
    x = torch.randn(300, requires_grad=True)
    wanted, = torch.autograd.grad(few_bit("gelu", x, 3).sum(), x)
    with torch.autograd.graph.save_on_cpu():
        y = few_bit("gelu", x, 3)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], wanted)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), lambda b: torch.tensor(b, dtype=torch.uint8)):
        y = few_bit("gelu", x, 3)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], wanted)


def check_training(bits="3"):
    """Some steps of training, to be recorded: two layers around an activation of 1024 x 256."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with ft.patch(int(bits)) if int(bits) else contextlib.nullcontext():
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(torch.randn(1024, 64)).square().mean()
            loss.backward()
            optimizer.step()


def check_functions(elements):
    """A step for every function and 1 to 4 bits, to be recorded: nothing but the codes is kept in any."""
    leaf = torch.randn(int(elements), requires_grad=True)
    for case in CASES:
        for bits in (1, 2, 3, 4):
            few_bit(case, leaf * 1, bits).sum().backward()
            leaf.grad = None

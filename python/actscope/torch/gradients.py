"""verify(): how far few-bit gradients of a model are from the exact ones, parameter by parameter."""
import contextlib
import itertools
import math

import torch

from actscope import fewbit
from actscope.torch import core
from actscope.torch.functions import make_setting
from actscope.torch.patching import patch


# ---- what autograd keeps ---------------------------------------------------------------------------------------------

def _storage(tensor):
    """(address, bytes) of a tensor's storage, in torch 1.13 and 2."""
    if hasattr(tensor, "untyped_storage"):
        storage = tensor.untyped_storage()
        return storage.data_ptr(), storage.nbytes()
    storage = tensor.storage()
    return storage.data_ptr(), storage.nbytes()


def _resident(model):
    """Storages of parameters and buffers, which live anyway."""
    return {_storage(tensor) for tensor in [*model.parameters(), *model.buffers()] if tensor.layout == torch.strided}


def _is_replaceable(x):
    """Whether a call's input is one that codes could serve."""
    return (isinstance(x, torch.Tensor) and x.requires_grad and torch.is_grad_enabled()
            and core.refusal(x, False, True) is None)


class _Saved:
    """Storages that a forward pass leaves for backward, and which call of an activation holds each."""

    def __init__(self, model):
        self.resident = _resident(model)
        self.holders = {}  # (address, bytes) -> who saved it: a call's number, or None for any other node
        self.elements = {}  # of each call's input
        self.call = None

    def _pack(self, tensor):
        if tensor.layout == torch.strided and tensor.device.type != "meta":
            key = _storage(tensor)
            if key[0] and key not in self.resident:
                self.holders.setdefault(key, set()).add(self.call if self.call is not None else object())
        return tensor

    def hooks(self):
        return torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)

    def observe(self, function, x, original, args, kwargs):
        """core's observer: names the call while torch's own function runs."""
        if not _is_replaceable(x):
            return original(*args, **kwargs)
        self.call = len(self.elements)
        self.elements[self.call] = x.numel()
        try:
            return original(*args, **kwargs)
        finally:
            self.call = None

    def bytes(self):
        return sum(size for _, size in self.holders)

    def held_by_calls(self):
        """{call's number: bytes of each storage that it alone holds}"""
        held = {number: [] for number in self.elements}
        for (_, size), who in self.holders.items():
            number = next(iter(who))
            if len(who) == 1 and number in held:
                held[number].append(size)
        return held

    def code_bytes(self, number, bits):
        return (self.elements[number] * bits + 7) // 8

    def projected(self, bits):
        """With codes for every observed call, and without what such a call alone holds."""
        freed = sum(map(sum, self.held_by_calls().values()))
        return self.bytes() - freed + sum(self.code_bytes(number, bits) for number in self.elements)


class _Peaks:
    """The most bytes of tensors that are alive at once in each of several passes, by torch's profiler: one session for
    all, because some versions print a line for each.

    The exact pass also tells what the peak would be with codes: it marks where each call of an activation that alone
    holds storages has ended, and where its backward pass has. In between live the codes, not the storages."""

    _PASS, _KEEP, _RELEASE = "actscope.verify.pass", "actscope.verify.keep.", "actscope.verify.release."

    def __init__(self):
        self.profile = torch.autograd.profiler.profile(use_kineto=False, profile_memory=True)
        self.calls, self.passes = 0, []

    def __enter__(self):
        self.profile.__enter__()
        return self

    def __exit__(self, *error):
        self.profile.__exit__(*error)
        self.passes = self._read()

    @staticmethod
    def _mark(name):
        with torch.autograd.profiler.record_function(name):
            pass

    def begin_pass(self):
        self._mark(self._PASS)

    def observe(self, function, x, original, args, kwargs):
        """core's observer in the exact pass: calls have the numbers that _Saved gives them."""
        if not _is_replaceable(x):
            return original(*args, **kwargs)
        number, self.calls = self.calls, self.calls + 1
        y = original(*args, **kwargs)
        self._mark(f"{self._KEEP}{number}")
        if y.grad_fn is not None:
            y.grad_fn.register_hook(lambda *_: self._mark(f"{self._RELEASE}{number}"))
        return y

    def _read(self):
        """[(event's name, bytes)] of each pass, in the order of time."""
        passes = []
        for event in sorted(self.profile.kineto_results.events(), key=_begin):
            name = event.name()
            if name == self._PASS:
                passes.append([])
            elif passes and (name == "[memory]" or name.startswith((self._KEEP, self._RELEASE))):
                passes[-1].append((name, event.nbytes()))
        return passes

    def peaks(self):
        """One for each pass, above what was alive when it began."""
        return [_peak([size for name, size in events if name == "[memory]"]) for events in self.passes]

    def projected(self, saved, bits):
        """The first pass's with codes; `saved` is of an exact pass from the same state."""
        held = saved.held_by_calls()
        changes, leaving = [], {}  # bytes -> codes' bytes that go with the next block of this size that is freed
        for name, size in self.passes[0]:
            if name.startswith(self._KEEP):
                number = int(name[len(self._KEEP):])
                changes += [saved.code_bytes(number, bits), *(-size for size in held[number])]
            elif name.startswith(self._RELEASE):
                number = int(name[len(self._RELEASE):])
                for position, size in enumerate(held[number]):
                    leaving.setdefault(size, []).append(0 if position else saved.code_bytes(number, bits))
                if not held[number]:
                    changes.append(-saved.code_bytes(number, bits))
            elif leaving.get(-size):
                changes.append(-leaving[-size].pop())
            else:
                changes.append(size)
        return _peak(changes)


def _peak(changes):
    return max(itertools.accumulate(changes, initial=0))


def _begin(event):
    return event.start_ns() if hasattr(event, "start_ns") else event.start_us()


# ---- one state, many passes ------------------------------------------------------------------------------------------

class _State:
    """Parameters, buffers, gradients and random numbers as they were, so that each pass starts from the same."""

    def __init__(self, model):
        self.model = model
        self.tensors = [(tensor, tensor.detach().clone()) for tensor in [*model.parameters(), *model.buffers()]]
        self.gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
        self.random = torch.get_rng_state()

    def restore(self):
        with torch.no_grad():
            for tensor, value in self.tensors:
                tensor.copy_(value)
        for parameter, _ in self.gradients:
            parameter.grad = None
        torch.set_rng_state(self.random)

    def finish(self):
        self.restore()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient

    def bytes(self):
        return sum(size for _, size in _resident(self.model))


def _trainable(model):
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _gradients(model):
    return {name: parameter.grad.detach().double().flatten() for name, parameter in _trainable(model)
            if parameter.grad is not None}


def _backward(loss):
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        raise TypeError("actscope: verify: loss_fn(model, batch) must return a loss: a tensor of one element")
    loss.backward()
    return float(loss.detach())


def _step(model, loss_fn, batch):
    return _backward(loss_fn(model, batch))


def _train(state, model, loss_fn, batch, steps, optimizer):
    """Losses of a few steps from the state, each before its update."""
    state.restore()
    made, losses = optimizer([parameter for _, parameter in _trainable(model)]), []
    for _ in range(steps):
        made.zero_grad()
        losses.append(_step(model, loss_fn, batch))
        made.step()
    return losses


# The gradient of a bias in front of a batch norm, or of attention's keys, is zero, and what arithmetic leaves of it points
# anywhere. How much of a gradient is rounding is measured: of the loss times a number that is no power of two it is as many
# times itself, and every rounding on the way is another. What moves by more than this share of its norm is nothing but
# rounding, however large it is; any other counts, however small. Where only rounding is left two passes are some 1.4 norms
# apart (at least 0.5 was seen); a gradient moves by 1e-5 in float32, 0.01 with autocast, 0.15 in bfloat16, and by 0.25 if a
# hook clips it, which the factors then show in.
_ROUNDING_SHARE = 1 / 3
_FACTORS = (4 / 3, 5 / 4)  # two: that of a single number may come near itself by chance


# ---- figures ---------------------------------------------------------------------------------------------------------

def _compare(exact, few_bit):
    """(cosine, relative error) of two vectors; of two that are both zero 1 and 0."""
    norm, other = float(exact.norm()), float(few_bit.norm())
    if norm == 0 or other == 0:
        return (1.0, 0.0) if norm == other else (0.0, math.inf if norm == 0 else 1.0)
    return float(exact @ few_bit) / (norm * other), float((few_bit - exact).norm()) / norm


def _check_exact(gradients, losses):
    """Raises ValueError where the exact pass leaves nothing to compare with."""
    if not all(map(math.isfinite, losses)):
        step, loss = next((step, loss) for step, loss in enumerate(losses) if not math.isfinite(loss))
        raise ValueError(f"actscope: verify: the exact loss is {loss}{f' in step {step}' if step else ''}, so there is "
                         "nothing to compare with")
    bad = [name for name, gradient in gradients.items() if not torch.isfinite(gradient).all()]
    if bad:
        others = f" and {len(bad) - 1} more are" if len(bad) > 1 else " is"
        raise ValueError(f"actscope: verify: the exact gradient of {bad[0]}{others} not finite, so there is nothing to "
                         "compare with")


def _check_some(passes):
    """Raises ValueError where all the passes' gradients are zero, which agree and tell nothing."""
    if not any(gradient.any() for gradients, *_ in passes for gradient in gradients.values()):
        raise ValueError("actscope: verify: every gradient is zero, exact and few-bit, so there is nothing to compare; "
                         "does the loss depend on the model?")


def _finite(value):
    return value if value is not None and math.isfinite(value) else None


def _rows(exact, few_bit, noise):
    """`noise`: the names of those that are nothing but rounding."""
    rows = []
    for name, gradient in exact.items():
        cosine, error = _compare(gradient, few_bit[name])
        rows.append({"name": name, "cosine": cosine, "relative_error": error, "negligible": name in noise})
    return rows


def _telling(rows):
    """The rows that say something; all of them if none does."""
    return [row for row in rows if not row["negligible"]] or rows


def _summary(rows, exact, few_bit):
    whole = _compare(torch.cat(list(exact.values())), torch.cat([few_bit[name] for name in exact]))
    cosines = [row["cosine"] for row in _telling(rows)]
    errors = [row["relative_error"] for row in _telling(rows)]
    good = all(map(math.isfinite, cosines + errors))
    return {"min_cosine": min(cosines) if good else None, "mean_cosine": sum(cosines) / len(cosines) if good else None,
            "max_relative_error": max(errors) if good else None,
            "whole_cosine": _finite(whole[0]), "whole_relative_error": _finite(whole[1])}


class _few_bits(patch):
    """patch() whose bits count for modules that were converted or made with others, too."""

    def __enter__(self):
        self._outer, core.thread.setting = core.thread.setting, self.setting
        return super().__enter__()

    def __exit__(self, *error):
        core.thread.setting = self._outer
        return super().__exit__(*error)


class _Check:
    """One model, one batch: passes in any setting."""

    def __init__(self, model, loss_fn, batch, functions, steps, optimizer):
        self.model, self.loss_fn, self.batch, self.functions = model, loss_fn, batch, functions
        self.steps, self.optimizer = steps, optimizer
        self.state = _State(model)

    def measure(self, saved):
        """(gradients, losses) of one pass from the state, and of the training after it."""
        self.state.restore()
        core.thread.observer = saved.observe
        try:
            with saved.hooks():
                loss = self.loss_fn(self.model, self.batch)
        finally:
            core.thread.observer = None
        losses = [_backward(loss)]
        del loss
        gradients = _gradients(self.model)
        if not gradients:
            raise ValueError("actscope: verify: no parameter of the model gets a gradient")
        if self.steps:
            losses = _train(self.state, self.model, self.loss_fn, self.batch, self.steps, self.optimizer)
        return gradients, losses

    @contextlib.contextmanager
    def using(self, setting):
        """With few-bit activations of this setting, None: with exact ones, which an observer is told of."""
        if setting is None:
            with patch(1, self.functions), core.exact():
                yield
        else:
            with _few_bits(setting.bits, self.functions, setting.method, setting.weight):
                yield

    def run(self, setting):
        """(gradients, losses, what was saved)"""
        saved = _Saved(self.model)
        with self.using(setting):
            return (*self.measure(saved), saved)

    def noise(self, exact):
        """Names of the parameters whose gradient, of these exact ones, is nothing but rounding."""
        names = set()
        for factor in _FACTORS:
            self.state.restore()
            with self.using(None):
                _backward(self.loss_fn(self.model, self.batch) * factor)
            for name, gradient in _gradients(self.model).items():
                if float((gradient / factor - exact[name]).norm()) > _ROUNDING_SHARE * float(exact[name].norm()):
                    names.add(name)
        return names

    def after_training(self, settings):
        """(gradients of the exact pass and of each setting, what of the former is noise) where the exact steps lead."""
        with self.using(None):
            _train(self.state, self.model, self.loss_fn, self.batch, self.steps, self.optimizer)
        drawn, self.state = self.state, _State(self.model)
        steps, self.steps = self.steps, 0
        try:
            exact, losses, _ = self.run(None)
            _check_exact(exact, losses)
            gradients = [exact, *(self.run(setting)[0] for setting in settings)]
            return gradients, self.noise(gradients[0])
        finally:
            self.state, self.steps = drawn, steps

    def peaks(self, settings, saved):
        """[{"exact", "measured", "projected"}] in bytes: parameters, buffers and what one step adds to them at most, for
        each setting; `saved` is an exact pass's."""
        with _Peaks() as profile:
            for setting in [None, *settings]:
                self.state.restore()
                with self.using(setting):
                    core.thread.observer = profile.observe if setting is None else None
                    profile.begin_pass()
                    try:
                        loss = self.loss_fn(self.model, self.batch)
                    finally:
                        core.thread.observer = None
                    _backward(loss)
                    del loss
        exact, *measured = profile.peaks()
        own = self.state.bytes()
        return [{"exact": own + exact, "measured": own + peak, "projected": own + profile.projected(saved, setting.bits)}
                for setting, peak in zip(settings, measured)]


def _sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.01)


def verify(model, loss_fn, batch, bits=(1, 2, 3, 4), *, functions=None, method=fewbit.DEFAULT_METHOD, weight=None,
           min_cosine=None, max_relative_error=None, steps=0, optimizer=_sgd, memory=True):
    """Gradients of every parameter, few-bit against exact, from the same weights, batch and random numbers.

    loss_fn(model, batch) returns the loss. Nothing changes: weights, buffers, gradients and the random state are put
    back. The model may have few-bit modules already; `functions` as for patch(). Returns "actscope.verify/1" as a
    dictionary: for each of `bits` the cosine and the relative error of each parameter, the bytes that autograd keeps,
    exact, measured and projected (codes in place of what only an activation holds), the tensors' peak in one step, and
    `passed`: no cosine below `min_cosine`, no relative error above `max_relative_error`, nothing that is not a number.
    Parameters whose gradient is nothing but rounding noise ("negligible": a bias in front of a batch norm) do not
    count: those of which rounding alone moves more than a third, as two more exact passes tell. steps: trains so many on
    the batch with optimizer(parameters), for the loss curves, and looks at the gradients again where the exact steps have
    led ("trained"). memory=False leaves out the profiled pass."""
    bits = [bits] if isinstance(bits, int) else list(bits)
    settings = [make_setting(width, method, weight) for width in bits]
    check = _Check(model, loss_fn, batch, functions, steps, optimizer)
    limits = {"min_cosine": min_cosine, "max_relative_error": max_relative_error}
    try:
        exact = check.run(None)
        _check_exact(*exact[:2])
        passes = [exact, *(check.run(setting) for setting in settings)]
        _check_some(passes)
        noise = check.noise(passes[0][0])
        peaks = check.peaks(settings, passes[0][-1]) if memory else None
        trained = check.after_training(settings) if steps else None
    finally:
        check.state.finish()
    widths = []
    for i, setting in enumerate(settings, 1):
        width = _width(setting.bits, passes[0], passes[i], noise, limits)
        if memory:
            for key, peak in peaks[i - 1].items():
                width["memory"][key]["peak_bytes"] = peak
        else:
            del width["memory"]
        if trained:
            _add_trained(width, steps, trained[0][0], trained[0][i], trained[1], limits)
        widths.append(width)
    return _document(model, method, widths, limits)


def _width(bits, exact, few_bit, noise, limits):
    """The document's part for one width."""
    (gradients, losses, saved), (few_gradients, few_losses, few_saved) = exact, few_bit
    rows = _rows(gradients, few_gradients, noise)
    return {"bits": bits, "parameters": rows, **_summary(rows, gradients, few_gradients),
            "memory": {"exact": {"saved_bytes": saved.bytes()}, "measured": {"saved_bytes": few_saved.bytes()},
                       "projected": {"saved_bytes": saved.projected(bits)}},
            "loss": {"exact": losses, "few_bit": [_finite(loss) for loss in few_losses]},
            "passed": _passes(rows, limits) and all(map(math.isfinite, few_losses))}


def _add_trained(width, steps, exact, few_bit, noise, limits):
    rows = _rows(exact, few_bit, noise)
    width["trained"] = {"steps": steps, "parameters": rows, **_summary(rows, exact, few_bit)}
    width["passed"] = width["passed"] and _passes(rows, limits)


def _passes(rows, limits):
    least, most = limits["min_cosine"], limits["max_relative_error"]
    return all(math.isfinite(row["cosine"]) and math.isfinite(row["relative_error"])
               and (least is None or row["cosine"] >= least) and (most is None or row["relative_error"] <= most)
               for row in _telling(rows))


def _document(model, method, widths, limits):
    least = [width["min_cosine"] for width in widths]
    mean = [width["mean_cosine"] for width in widths]
    for width in widths:
        for row in [*width["parameters"], *width.get("trained", {}).get("parameters", [])]:
            row["cosine"], row["relative_error"] = _finite(row["cosine"]), _finite(row["relative_error"])
    return {"schema": "actscope.verify/1", "kind": "torch", "model": type(model).__name__, "method": method,
            "torch": str(torch.__version__), "bits": widths,
            "min_cosine": None if None in least or not least else min(least),
            "mean_cosine": None if None in mean or not mean else sum(mean) / len(mean),
            "limits": limits, "passed": all(width["passed"] for width in widths)}

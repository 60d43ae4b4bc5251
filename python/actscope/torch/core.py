"""The autograd function that keeps codes instead of the input, and when it steps aside for torch's own."""
import contextlib
import threading
import warnings

import torch
from torch.autograd import forward_ad

from actscope import fewbit
from actscope.torch.functions import BY_INPUT, BY_NEGATED

TYPES = {torch.float32: fewbit.FLOAT32, torch.bfloat16: fewbit.BFLOAT16, torch.float16: fewbit.FLOAT16}
_PLAIN = (torch.Tensor, torch.nn.Parameter)
_has_names = getattr(torch.Tensor, "has_names", lambda tensor: False)  # named tensors: until torch 2.12

_functorch = getattr(torch._C, "_functorch", None)
_is_wrapped = getattr(_functorch, "is_functorch_wrapped_tensor", lambda tensor: False)
# torch 2: a custom function is refused anywhere below vmap or grad. torch 1.13 has only the tensors to tell by.
_in_transform = getattr(torch._C, "_are_functorch_transforms_active", lambda: False)
_is_tracing = torch._C._get_tracing_state
_compiler = getattr(torch, "compiler", None)
is_compiling = getattr(_compiler, "is_compiling", None) or (lambda: False)
is_dynamo = getattr(_compiler, "is_dynamo_compiling", None) or is_compiling


class _Thread(threading.local):
    """What holds for the calling thread only."""
    exact = 0          # depth of exact(): nothing is replaced
    setting = None     # replaces every module's own (verify)
    observer = None    # is told of each call that stays exact (verify)
    patches = ()       # that this thread entered, the innermost last


thread = _Thread()


@contextlib.contextmanager
def exact():
    """Has the calling thread use torch's exact gradients, whatever patch(), converted modules and few-bit layers
    say."""
    thread.exact += 1
    try:
        yield
    finally:
        thread.exact -= 1


# ---- counting, warning -----------------------------------------------------------------------------------------------

class Counts:
    """What was replaced, for reports."""

    def __init__(self):
        self._lock = threading.Lock()
        self.replaced, self.fallbacks = {}, {}
        self.bytes_exact = self.bytes_codes = 0

    def replace(self, function, exact_bytes, code_bytes):
        with self._lock:
            self.replaced[function.name] = self.replaced.get(function.name, 0) + 1
            self.bytes_exact += exact_bytes * function.copies
            self.bytes_codes += code_bytes

    def fall_back(self, reason):
        with self._lock:
            self.fallbacks[reason] = self.fallbacks.get(reason, 0) + 1

    def report(self):
        with self._lock:
            return {"replaced": dict(self.replaced), "bytes_exact": self.bytes_exact, "bytes_codes": self.bytes_codes,
                    "fallbacks": dict(self.fallbacks)}


_warned = set()
_warned_lock = threading.Lock()


def _warn_once(reason):
    with _warned_lock:
        if reason in _warned:
            return
        _warned.add(reason)
    warnings.warn(f"actscope: activations keep their input, as torch has it, for {reason}: few-bit kernels are for "
                  "plain CPU tensors of float32, bfloat16 and float16 (this is said once)", RuntimeWarning,
                  stacklevel=4)


# ---- layouts ---------------------------------------------------------------------------------------------------------

def _is_contiguous(shape, strides):
    return all(size == 1 or stride == wanted
               for size, stride, wanted in zip(shape, strides, _contiguous_strides(shape)))


def _is_dense(shape, strides):
    """Whether the elements fill one stretch of memory, each once, in whatever order."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(strides, shape) if size != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _contiguous_strides(shape):
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _result_strides(shape, *operands):
    """The strides of a new result of operands with these strides, as torch's TensorIterator has it: dense, dimensions
    in the order that the first operand gives them that tells two of them apart; strides of zero, of an expanded
    operand, tell nothing. (To ask torch itself, by tensors on "meta", would have torch 2 import its compiler.)"""
    if all(_is_contiguous(shape, strides) for strides in operands):
        return _contiguous_strides(shape)
    if len(set(operands)) == 1 and _is_dense(shape, operands[0]):
        return operands[0]
    order = list(reversed(range(len(shape))))  # the innermost first
    for i in range(1, len(order)):  # torch's own insertion sort: the relation is not transitive, any other may differ
        for j in range(i - 1, -1, -1):
            sign = _compare_dimensions(shape, operands, order[j], order[i])
            if sign > 0:
                order[j], order[i] = order[i], order[j]
                i = j
            elif sign < 0:
                break
    strides, step = [0] * len(shape), 1
    for dimension in order:
        strides[dimension], step = step, step * shape[dimension]
    return tuple(strides)


def _compare_dimensions(shape, operands, left, right):
    """1 if `left` lies outside of `right`, -1 inside, 0 if no operand tells."""
    for strides in operands:
        if strides[left] == 0 or strides[right] == 0:
            continue
        if strides[left] != strides[right]:
            return 1 if strides[left] > strides[right] else -1
        if shape[left] > shape[right]:
            return 1
    return 0


def _gradient_strides(kind, shape, dy_strides, x_strides):
    """The strides that torch gives dx."""
    if kind == BY_INPUT:
        return _result_strides(shape, x_strides, dy_strides)
    if kind == BY_NEGATED:
        dy_strides = _result_strides(shape, dy_strides)
    return _result_strides(shape, dy_strides, x_strides)


def _share_work(elements):
    if elements > fewbit.PARALLEL_ELEMENTS:
        fewbit.use_threads(torch.get_num_threads())


def _note_write(x):
    """Tells autograd that x was written to, which it cannot see through a pointer: an empty view shares x's version."""
    x.detach().as_strided((0,), (1,)).zero_()


# ---- the autograd function -------------------------------------------------------------------------------------------

def _lay_out(function, x, inplace):
    """(source, target): dense memory to read x from and to write the result to, in one order of elements; the target is
    x itself if in place and possible."""
    if x.is_contiguous():
        source = x
    elif function.contiguous:
        source = x.contiguous()
    elif _is_dense(x.shape, x.stride()):
        source = x
    else:
        source = torch.empty_like(x)  # dense, in the order of x's strides, as torch's result is
        source.copy_(x)
    if source is not x or inplace:
        return source, source
    return source, torch.empty_like(source)


def _activate(function, quantizer, x, inplace):
    """f(x) and nothing for backward."""
    source, target = _lay_out(function, x, inplace)
    elements = source.numel()
    _share_work(elements)
    quantizer.activate(TYPES[x.dtype], source.data_ptr(), target.data_ptr(), elements)
    if target is x:
        _note_write(x)
    return _finish(x, target, inplace)


def _finish(x, target, inplace):
    if not inplace:
        return target
    if target is not x:
        x.copy_(target)
    return x


class FewBit(torch.autograd.Function):
    """y = f(x), and for backward the codes of x alone."""

    @staticmethod
    def forward(ctx, x, function, quantizer, inplace):
        source, target = _lay_out(function, x, inplace)
        elements = source.numel()
        codes = torch.empty(quantizer.code_bytes(elements), dtype=torch.uint8)
        _share_work(elements)
        quantizer.forward(TYPES[x.dtype], source.data_ptr(), target.data_ptr(), codes.data_ptr(), elements)
        ctx.save_for_backward(codes)
        ctx.function, ctx.quantizer = function, quantizer
        ctx.strides = None if target.is_contiguous() else target.stride()  # the order of the codes
        ctx.set_materialize_grads(False)
        if inplace:
            ctx.mark_dirty(x)
        return _finish(x, target, inplace)

    @staticmethod
    def backward(ctx, dy):
        if dy is None:
            return None, None, None, None
        codes, = ctx.saved_tensors
        with torch.no_grad():
            dx = _multiply(ctx, codes.contiguous(), dy)
        if torch.is_grad_enabled():  # create_graph=True
            dx = _Once.apply(dx.requires_grad_(), ctx.quantizer, *_leaves(ctx))
        return dx, None, None, None


def _leaves(node):
    """The leaves that a node's inputs were computed from."""
    found, seen, waiting = [], {None}, [node]
    while waiting:
        for before, _ in waiting.pop().next_functions:
            if before not in seen:
                seen.add(before)
                waiting.append(before)
                if hasattr(before, "variable"):
                    found.append(before.variable)
    return found


class _Once(torch.autograd.Function):
    """A gradient that says why it has no gradient of its own, to whoever asks for one: the leaves are arguments only so
    that torch.autograd.grad(dx, leaf) comes by here, rather than say that dx does not depend on the leaf."""

    @staticmethod
    def forward(ctx, dx, quantizer, *leaves):
        ctx.quantizer = quantizer
        return dx.view_as(dx)

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError(
            f"actscope: the gradient of {ctx.quantizer.function} cannot be differentiated again: its input is gone, "
            f"and {ctx.quantizer.bits} bits an element that stand for f'(x) say nothing of f''(x). Run the passes that "
            "need second derivatives (create_graph=True) with exact activations: `with actscope.torch.exact(): ...`")


def _multiply(ctx, codes, dy):
    """dx = level dy, laid out as torch's would be."""
    if not _has_memory(dy):
        return _multiply_by_torch(ctx, codes, dy)
    strides, elements = ctx.strides, dy.numel()
    same = dy.is_contiguous() if strides is None else dy.stride() == strides
    if same:
        source, dx = dy, torch.empty_like(dy)
    else:
        strides = strides or _contiguous_strides(dy.shape)
        source = dx = torch.empty_strided(dy.shape, strides, dtype=dy.dtype)
        source.copy_(dy)
    _share_work(elements)
    ctx.quantizer.backward(TYPES[dy.dtype], codes.data_ptr(), source.data_ptr(), dx.data_ptr(), elements)
    if not same:
        wanted = _gradient_strides(ctx.function.gradient_layout, dy.shape, dy.stride(), strides)
        if wanted != strides:
            dx = torch.empty_strided(dy.shape, wanted, dtype=dy.dtype).copy_(dx)
    return dx


def _has_memory(dy):
    """Whether the kernels can read dy."""
    if type(dy) not in _PLAIN or _is_wrapped(dy) or _in_transform() or dy.layout is not torch.strided or dy.is_neg():
        return False
    try:
        dy.data_ptr()
    except RuntimeError:  # torch.autograd.grad(is_grads_batched=True) has a vmap of its own that does not show
        return False
    return True


def _multiply_by_torch(ctx, codes, dy):
    """For a dy that has no memory to point to (several gradients at once by vmap, subclasses): levels as a tensor."""
    levels = torch.empty_strided(dy.shape, ctx.strides or _contiguous_strides(dy.shape), dtype=torch.float32).fill_(1)
    ctx.quantizer.backward(fewbit.FLOAT32, codes.data_ptr(), levels.data_ptr(), levels.data_ptr(), levels.numel())
    return (dy * levels).to(dy.dtype)


# ---- when ------------------------------------------------------------------------------------------------------------

def refusal(x, inplace, differentiable):
    """None if the kernels can take x; else why not, "" for what is nobody's loss."""
    if type(x) not in _PLAIN:
        return "a subclass of Tensor" if isinstance(x, torch.Tensor) else ""
    if x.dtype not in TYPES:
        return f"tensors of {str(x.dtype).replace('torch.', '')}" if x.is_floating_point() or x.is_complex() else ""
    if not x.is_cpu:
        return f"tensors on {x.device.type}"
    if x.layout is not torch.strided or x.is_neg() or _has_names(x):
        return "sparse, negated and named tensors"
    if _is_wrapped(x) or _in_transform():
        return "vmap, grad and the like of torch.func"
    if _is_tracing() is not None:
        return ""  # a traced graph has to run without Python
    if forward_ad._current_level >= 0:
        return "forward-mode derivatives"
    if inplace and differentiable and (x.is_leaf or (x._is_view() and x._base.is_leaf and x._base.requires_grad)):
        return ""  # torch has an error for it
    return None


def run(function, x, params, inplace, setting, counts, original, args, kwargs):
    """f(x), few-bit where it can be, else original(*args, **kwargs)."""
    if is_compiling():
        return run_compiled(counts, original, args, kwargs)
    if thread.exact:
        return run_exact(function, x, original, args, kwargs)
    differentiable = isinstance(x, torch.Tensor) and x.requires_grad and torch.is_grad_enabled()
    reason = refusal(x, inplace, differentiable)
    if reason is None:
        quantizer = function.quantizer(thread.setting or setting, params)
        if quantizer is not None:
            if not differentiable:
                return _activate(function, quantizer, x, inplace)
            if counts is not None:
                counts.replace(function, x.numel() * x.element_size(), quantizer.code_bytes(x.numel()))
            return FewBit.apply(x, function, quantizer, inplace)
        reason = f"parameters of {function.name} that no quantizer is made for"
    if reason and differentiable:
        if counts is not None:
            counts.fall_back(reason)
        _warn_once(reason)
    return run_exact(function, x, original, args, kwargs)


def _say_compiled():
    _warn_once("torch.compile")


# What torch.compiler.assume_constant_result does, without importing the compiler: Dynamo calls it while it reads, and has
# nothing of it in the graph.
_say_compiled._dynamo_marked_constant = True


def run_compiled(counts, original, args, kwargs):
    """torch's own for the compiler, whose graphs cannot call us. Dynamo reads this code and must find nothing in it but
    what it may call at once; calls are counted when torch's other half of the compiler runs it."""
    if not is_dynamo() and counts is not None:
        counts.fall_back("torch.compile")
    _say_compiled()
    return original(*args, **kwargs)


def run_exact(function, x, original, args, kwargs):
    """torch's own; what it calls in turn stays exact as well."""
    observer, thread.observer = thread.observer, None
    thread.exact += 1
    try:
        if observer is None:
            return original(*args, **kwargs)
        return observer(function, x, original, args, kwargs)
    finally:
        thread.exact -= 1
        thread.observer = observer

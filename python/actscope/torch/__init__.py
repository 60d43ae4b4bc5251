"""Few-bit gradients for PyTorch: activations keep 1 to 8 bits an element for their backward pass instead of their
input.

    import actscope.torch as ft

    with ft.patch(bits=3):              # everything that is called in here: no change to the model
        loss = model(x); loss.backward()

    ft.convert(model, bits=3)           # the activation modules of one model; ft.revert(model) undoes it
    ft.GELU(bits=3)                     # one layer, as torch.nn.GELU
    ft.functional.gelu(x, bits=3)       # one call, as torch.nn.functional.gelu

    ft.verify(model, loss_fn, batch)    # how near the gradients of every parameter are to the exact ones

The result is as exact as torch's own; dx is dy times one of 2^bits levels. Works for plain CPU tensors of float32,
bfloat16 and float16, in any layout; whatever else comes (float64, other devices, subclasses, torch.func, torch.compile)
gets torch's exact gradient, with one warning for each reason. Derivatives of second order are refused with an error.
"""
from actscope.torch import functional
from actscope.torch.conversion import convert, revert
from actscope.torch.core import exact
from actscope.torch.functions import DEFAULT_FUNCTIONS, FUNCTIONS
from actscope.torch.gradients import verify
from actscope.torch.modules import *  # noqa: F401,F403 (GELU, SiLU ...: what modules.__all__ has)
from actscope.torch.modules import __all__ as _modules
from actscope.torch.patching import apply_to_process as _apply  # noqa: F401 (for the start-up file of actscope apply)
from actscope.torch.patching import patch

__all__ = ["functional", "convert", "revert", "patch", "exact", "verify", "DEFAULT_FUNCTIONS", "FUNCTIONS", *_modules]

"""actscope for Python: few-bit quantizers of libfewbit, and in actscope.torch the drop-in for PyTorch.

    import actscope.torch as ft

    with ft.patch(bits=3):      # any program: gelu, silu, mish ... keep 3 bits an element for backward
        train()
    ft.convert(model, bits=3)   # or one model, its modules
    ft.GELU(bits=3)             # or one layer
"""
from actscope.fewbit import FewBitError, Quantizer

__version__ = "0.1.0"
__all__ = ["FewBitError", "Quantizer", "__version__"]

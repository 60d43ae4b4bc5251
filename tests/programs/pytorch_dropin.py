#!/usr/bin/env python3
"""Checks of actscope.torch, each in a process of its own: tests/e2e/test_dropin.py runs them with every PyTorch.

    pytorch_dropin.py CHECK [ARGUMENT...]      exit status 0 if it holds, else a traceback

Truth is torch's own result, a reference in double, or the quantizer's published breakpoints and levels looked up by
torch.bucketize: nothing here asks the drop-in what it thinks of itself.
"""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dropin_call  # noqa: E402
import dropin_fallback  # noqa: E402
import dropin_model  # noqa: E402
import dropin_patch  # noqa: E402
import dropin_process  # noqa: E402
import dropin_verify  # noqa: E402

MODULES = dropin_call, dropin_fallback, dropin_patch, dropin_model, dropin_process, dropin_verify
CHECKS = {name[len("check_"):]: check for module in MODULES for name, check in vars(module).items()
          if name.startswith("check_")}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in CHECKS:
        sys.exit(f"pytorch_dropin.py: name one of {' '.join(CHECKS)}")
    begin = time.monotonic()
    CHECKS[sys.argv[1]](*sys.argv[2:])
    print(f"{sys.argv[1]}: holds ({time.monotonic() - begin:.1f} s)")


if __name__ == "__main__":
    main()

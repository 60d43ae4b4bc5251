#!/usr/bin/env python3
"""Checks of actscope.torch: tests/e2e/test_dropin.py runs them with every PyTorch.

    pytorch_dropin.py CHECK [ARGUMENT...]      exit status 0 if it holds, else a traceback
    pytorch_dropin.py --all GROUP              each check of dropin_GROUP.py, in a process of its own

Truth is torch's own result, a reference in double, or the quantizer's published breakpoints and levels looked up by
torch.bucketize: nothing here asks the drop-in what it thinks of itself.
"""
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dropin_call  # noqa: E402
import dropin_fallback  # noqa: E402
import dropin_model  # noqa: E402
import dropin_patch  # noqa: E402
import dropin_process  # noqa: E402
import dropin_verify  # noqa: E402

GROUPS = {"call": dropin_call, "fallback": dropin_fallback, "patch": dropin_patch, "model": dropin_model,
          "process": dropin_process, "verify": dropin_verify}
NOT_CHECKS = ("training", "functions")  # to be recorded


def checks_of(module):
    """Those that the module itself defines."""
    return {name[len("check_"):]: check for name, check in vars(module).items()
            if name.startswith("check_") and check.__module__ == module.__name__}


CHECKS = {name: check for module in GROUPS.values() for name, check in checks_of(module).items()}


def run(name, *arguments):
    begin = time.monotonic()
    CHECKS[name](*arguments)
    print(f"{name}: holds ({time.monotonic() - begin:.1f} s)", flush=True)


def run_apart(name):
    """In a child: torch is imported once, and no check finds what another has left behind. True if it holds."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            run(name)
            status = 0
        except BaseException:
            print(f"{name}: does not hold:\n{traceback.format_exc()}", flush=True)
        os._exit(status)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended not in (0, 1):
        print(f"{name}: ended with {ended}", flush=True)
    return ended == 0


def main():
    words = sys.argv[1:]
    if len(words) == 2 and words[0] == "--all" and words[1] in GROUPS:
        names = [name for name in checks_of(GROUPS[words[1]]) if name not in NOT_CHECKS]
        held = [run_apart(name) for name in names]
        print(f"{sum(held)} of {len(held)} checks hold")
        sys.exit(0 if all(held) else 1)
    if not words or words[0] not in CHECKS:
        sys.exit(f"pytorch_dropin.py: name one of {' '.join(CHECKS)}, or --all and one of {' '.join(GROUPS)}")
    run(*words)


if __name__ == "__main__":
    main()

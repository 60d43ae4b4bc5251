"""python3 -m actscope.torch verify SCRIPT.py:FUNCTION: gradients of one's own model, checked from the command line.

FUNCTION takes nothing and returns (model, loss_fn, batch), as actscope.torch.verify() takes them. Prints
"actscope.verify/1"; what the script prints goes to standard error. Exit status 1 if a check falls short, 2 for wrong
usage, 3 for a script that cannot be used. `actscope verify --torch` runs this.
"""
import argparse
import importlib.util
import json
import os
import sys
import traceback

import torch

from actscope.torch import verify
from actscope.torch.functions import choose, make_setting

USAGE, INPUT = 2, 3
OURS = "actscope: "  # how our own messages begin


class Refusal(Exception):
    """What is said instead of a result, and the exit status."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


# ---- the user's script -----------------------------------------------------------------------------------------------

def _split(target):
    path, _, name = target.rpartition(":")
    if not path or not name.isidentifier():
        raise Refusal(USAGE, f"{target}: name a script and a function in it: train.py:make")
    if not os.path.isfile(path):
        raise Refusal(INPUT, f"{path}: {'is a directory' if os.path.isdir(path) else 'no such file'}")
    return path, name


def _run(what, call, *arguments, **options):
    """A call of the user's own code: what it raises is shown as Python does, and said in a line."""
    try:
        return call(*arguments, **options)
    except Refusal:
        raise
    except SystemExit as end:
        raise Refusal(INPUT, f"{what} ended the program (status {end.code}); has the script an `if __name__ == "
                             "\"__main__\":` before what is not for import?") from end
    except Exception as error:
        if str(error).startswith(OURS):  # which says all that there is to say
            raise Refusal(INPUT, str(error)) from error
        traceback.print_exception(type(error), error, error.__traceback__.tb_next)  # the user's frames alone
        raise Refusal(INPUT, f"{what} failed: {type(error).__name__}: {error}") from error


def _load(path):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # as Python does for a script
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    if spec is None:
        raise Refusal(INPUT, f"{path}: is no Python script: its name does not end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that its classes can be pickled
    _run(path, spec.loader.exec_module, module)
    return module


def _make(target):
    """(model, loss_fn, batch)"""
    path, name = _split(target)
    function = getattr(_load(path), name, None)
    if not callable(function):
        raise Refusal(INPUT, f"{path}: has no function {name!r}")
    made = _run(f"{name}() of {path}", function)
    if not isinstance(made, tuple) or len(made) != 3:
        raise Refusal(INPUT, f"{target}() must return (model, loss_fn, batch)")
    if not isinstance(made[0], torch.nn.Module) or not callable(made[1]):
        raise Refusal(INPUT, f"{target}() must return (model, loss_fn, batch): a torch.nn.Module, a function of model "
                             "and batch, and what that is to be called with")
    return made


# ---- the command -----------------------------------------------------------------------------------------------------

def _parse(arguments):
    parser = argparse.ArgumentParser(prog="python3 -m actscope.torch", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="compare few-bit gradients with exact ones")
    check.add_argument("target", metavar="SCRIPT.py:FUNCTION")
    check.add_argument("--bits", default="1,2,3,4", help="widths to check [1,2,3,4]")
    check.add_argument("--functions", help="gelu,silu,... or all [those where torch keeps its input]")
    check.add_argument("--method", default="value", choices=("value", "interval"))
    check.add_argument("--weight", help="uniform:A:B, normal:MEAN:STD or histogram:FILE")
    check.add_argument("--steps", type=int, default=0,
                       help="train so many on the batch, for loss curves and a second look at the gradients [0]")
    check.add_argument("--seed", type=int, default=1, help="torch.manual_seed() before the script is loaded [1]")
    check.add_argument("--min-cosine", type=float)
    check.add_argument("--max-relative-error", type=float)
    check.add_argument("--no-memory", action="store_true", help="leave out the profiled pass")
    check.add_argument("-o", "--output", metavar="FILE")
    return parser.parse_args(arguments)


def _settings(options):
    """The widths, checked before the script is run."""
    try:
        bits = [int(width) for width in options.bits.split(",")]
        for width in bits:
            make_setting(width, options.method, options.weight)
        choose(options.functions)
        return bits
    except ValueError as error:
        raise Refusal(USAGE, str(error)) from error


def _verify(options):
    bits = _settings(options)
    torch.manual_seed(options.seed)
    model, loss_fn, batch = _make(options.target)
    result = _run(f"a step of {options.target}", verify, model, loss_fn, batch, bits, functions=options.functions,
                  method=options.method, weight=options.weight, min_cosine=options.min_cosine, steps=options.steps,
                  max_relative_error=options.max_relative_error, memory=not options.no_memory)
    return {**result, "seed": options.seed}


def _take_output():
    """Standard output for the document alone: whatever else is written there, by Python or not, goes to standard
    error."""
    sys.stdout.flush()
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def main(arguments=None):
    options = _parse(arguments)
    output = _take_output()
    try:
        text = json.dumps(_verify(options), indent=2, allow_nan=False) + "\n"
        if options.output:
            with open(options.output, "w", encoding="utf-8") as file:
                file.write(text)
        else:
            output.write(text)
            output.flush()
    except Refusal as refusal:
        message = str(refusal)
        for prefix in (OURS, "verify: "):
            message = message[len(prefix):] if message.startswith(prefix) else message
        print(f"{OURS}verify: {message}", file=sys.stderr)
        return refusal.status
    except OSError as error:
        print(f"actscope: verify: cannot write {options.output or 'standard output'}: {error.strerror}",
              file=sys.stderr)
        return INPUT
    return 0 if json.loads(text)["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())

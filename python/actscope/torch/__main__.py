"""python3 -m actscope.torch verify SCRIPT.py:FUNCTION: gradients of one's own model, checked from the command line.

FUNCTION takes nothing and returns (model, loss_fn, batch), as actscope.torch.verify() takes them. Prints
"actscope.verify/1"; exit status 1 if a check falls short, 2 for wrong usage.
"""
import argparse
import importlib.util
import json
import os
import sys

from actscope.torch import verify


def _load(target):
    path, _, name = target.rpartition(":")
    if not path or not name.isidentifier():
        raise ValueError(f"{target}: name a script and a function in it: train.py:make")
    if not os.path.isfile(path):
        raise ValueError(f"{path}: no such file")
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))  # as Python does for a script
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that its classes can be pickled
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"{path}: has no function {name!r}")
    made = function()
    if not isinstance(made, tuple) or len(made) != 3:
        raise ValueError(f"{target}() must return (model, loss_fn, batch)")
    return made


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="python3 -m actscope.torch", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("verify", help="compare few-bit gradients with exact ones")
    check.add_argument("target", metavar="SCRIPT.py:FUNCTION")
    check.add_argument("--bits", default="1,2,3,4", help="widths to check [1,2,3,4]")
    check.add_argument("--functions", help="gelu,silu,... or all [those where torch keeps its input]")
    check.add_argument("--method", default="value", choices=("value", "interval"))
    check.add_argument("--weight", help="uniform:A:B, normal:MEAN:STD or histogram:FILE")
    check.add_argument("--steps", type=int, default=0, help="train so many, for loss curves [0]")
    check.add_argument("--min-cosine", type=float)
    check.add_argument("--max-relative-error", type=float)
    check.add_argument("--no-memory", action="store_true", help="leave out the profiled pass")
    check.add_argument("-o", "--output", metavar="FILE")
    return parser, parser.parse_args(arguments)


def main(arguments=None):
    parser, options = _parse(arguments)
    try:
        bits = [int(width) for width in options.bits.split(",")]
        model, loss_fn, batch = _load(options.target)
        result = verify(model, loss_fn, batch, bits, functions=options.functions, method=options.method,
                        weight=options.weight, min_cosine=options.min_cosine, steps=options.steps,
                        max_relative_error=options.max_relative_error, memory=not options.no_memory)
    except (ValueError, TypeError) as error:
        parser.exit(2, f"actscope: verify: {error}\n")
    text = json.dumps(result, indent=2, allow_nan=False) + "\n"
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    return 0 if result["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())

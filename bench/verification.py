#!/usr/bin/env python3
"""The tables of docs/verification.md, as Markdown: gradients, training, plans. Some twenty minutes on one core.

    scripts/bench.sh verification                      all of them
    scripts/bench.sh verification --only plan,gradients

Sections:
  gradients  cosine similarity of each parameter's few-bit gradient with the exact one, every model, 1 to 4 bits
  training   exact against few-bit, several seeds, on handwritten digits and on text
  plan       RoBERTa-base, and the memory of published models at batches that do not fit here
  cause      for the model that falls below 0.99 at 3 bits: the same gradient with errors of the same size but sign by
             chance (needs PyTorch)

Every figure is one that a command printed; the command stands above its table.
"""
import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ["gradients", "training", "plan", "cause"]
GRADIENTS = [["mlp"], ["gpt"], ["bert"], ["vit"], ["llama"], ["resnet"], ["resnet", "--set", "activation=silu"]]
SMALL_TEXT = ["--sequence", "64", "--set", "layers=2", "--set", "width=64"]
TRAINING = [["mlp", "--seeds", "5"], ["vit", "--seeds", "5", "--set", "layers=2", "--set", "width=64"],
            ["resnet", "--seeds", "5", "--set", "activation=silu"], ["gpt", "--seeds", "5", "--steps", "600", *SMALL_TEXT],
            ["llama", "--seeds", "5", *SMALL_TEXT]]
PLANS = ["gpt2-xl", "llama-7b", "vit-l", "resnet-101", "roberta-base"]
GIB = 2 ** 30


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


class Actscope:
    def __init__(self, program):
        self.program = program

    def ask(self, *arguments):
        """What `actscope ARGUMENT... --json` prints; a check that falls short is a result as well."""
        progress("actscope " + " ".join(arguments))
        done = subprocess.run([self.program, *arguments, "--json"], text=True, capture_output=True, check=False,
                              env=dict(os.environ, OMP_NUM_THREADS="1"))
        progress("")
        if done.returncode > 1:
            sys.exit(f"verification.py: actscope {' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)


def table(header, rows):
    print("\n| " + " | ".join(header) + " |")
    print("|" + " --- |" + " ---: |" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def show(cosine):
    """To the first place that is not a nine, and one more."""
    places = 4
    while places < 8 and 1 - cosine < 20 * 10.0 ** -places and cosine < 1:
        places += 1
    return f"{cosine:.{places}f}"


# ---- gradients -------------------------------------------------------------------------------------------------------

def worst(parameters):
    return min(parameters, key=lambda parameter: parameter["cosine"])


def gradients(actscope, _):
    print("\n## Gradients\n\n    actscope verify MODEL --bits 1,2,3,4 --steps 100 --min-cosine 0 --all")
    summary, detail = [], []
    for model in GRADIENTS:
        name = model[0] + (" (silu)" if len(model) > 1 else "")
        answer = actscope.ask("verify", *model, "--bits", "1,2,3,4", "--steps", "100", "--min-cosine", "0")
        for when, pick in (("as drawn", lambda width: width), ("after 100 steps", lambda width: width["trained"])):
            widths = [pick(width) for width in answer["bits"]]
            summary.append([name, when] + [f"{show(width['min_cosine'])} / {show(width['mean_cosine'])}"
                                           for width in widths])
            least = worst(widths[2]["parameters"])
            detail.append([name, when, least["name"], show(least["cosine"]), f"{least['relative_error']:.3f}",
                           show(widths[2]["whole_cosine"])])
    table(["model", "weights", "1 bit: least / mean", "2 bits", "3 bits", "4 bits"], summary)
    print("\nAt 3 bits:")
    table(["model", "weights", "parameter with the least", "cosine", "relative error", "whole gradient"], detail)


# ---- training --------------------------------------------------------------------------------------------------------

def spread(values, form):
    return f"{values['mean']:{form}} ({values['low']:{form}} to {values['high']:{form}})"


def width_name(bits):
    return {0: "exact", 1: "1 bit"}.get(bits, f"{bits} bits")


def training(actscope, _):
    print("\n## Training")
    for model in TRAINING:
        answer = actscope.ask("verify", *model, "--train")
        run = answer["training"]
        print(f"\n    actscope verify {' '.join(model)} --train\n\n{run['parameters']:,} parameters, {run['optimizer']}, "
              f"{run['steps']} steps, {run['seeds']} seeds, {answer['data']}; mean over seeds (least to largest).")
        rows = [[width_name(entry["bits"]), spread(entry["loss"], ".4f"),
                 f"{entry['loss']['deviation']:.4f}", spread(entry["accuracy"], ".2%"),
                 "" if not entry["bits"] else "yes" if entry["within"] else "no"] for entry in run["outcomes"]]
        table(["", "test loss", "deviation", "test accuracy", "within"], rows)


# ---- plans -----------------------------------------------------------------------------------------------------------

def gib(count):
    return f"{count / GIB:.2f}"


def roberta(actscope):
    print("\n    actscope plan roberta-base --sequence T --bits 3")
    rows = []
    for length in (97, 128):
        exact, coded = actscope.ask("plan", "roberta-base", "--sequence", str(length), "--bits", "3")["widths"]
        rows.append([f"T = {length}", gib(exact["peak_bytes"]), gib(coded["peak_bytes"]), gib(coded["saving_bytes"]),
                     f"{coded['saving_percent']:.1f} %", gib(exact["saved_bytes"])])
    rows.append(["the paper", "11.30", "9.75", "1.55", "13.8 %", ""])
    table(["GiB", "exact peak", "3 bits", "saving", "", "saved, exact"], rows)
    return rows


def plans(actscope, _):
    print("\n## Plans")
    roberta(actscope)
    print("\n    actscope plan MODEL")
    rows = []
    for model in PLANS:
        answer = actscope.ask("plan", model, "--bits", "1,2,3,4")
        exact, coded = answer["widths"][0], answer["widths"][1:]
        at = exact["at_peak"]
        rows.append([model, f"{answer['parameters'] / 1e6:,.0f} M", answer["model"]["batch"], gib(exact["peak_bytes"]),
                     gib(at["parameter"] + at["gradient"] + at["optimizer_state"]), gib(exact["saved_bytes"])]
                    + [f"{gib(width['peak_bytes'])} ({width['saving_percent']:.1f} %)" for width in coded])
    table(["model", "parameters", "batch", "exact peak, GiB", "of it weights, gradients, optimizer", "saved", "1 bit",
           "2 bits", "3 bits", "4 bits"], rows)


# ---- why -------------------------------------------------------------------------------------------------------------

def cause(actscope, options):
    print("\n## Cause")
    subprocess.run([options.python, str(ROOT / "bench" / "gradient_noise.py"), "--actscope", actscope.program,
                    "--program", str(options.build / "tests" / "programs" / "layers_model")], check=True)


RUN = {"gradients": gradients, "training": training, "plan": plans, "cause": cause}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, separated by commas")
    parser.add_argument("--python", default="/usr/bin/python3", help="whose PyTorch")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    options = parser.parse_args()
    for section in options.only.split(","):
        if section not in RUN:
            parser.error(f"no section {section}: there are {', '.join(SECTIONS)}")
        RUN[section](Actscope(str(options.build / "cli" / "actscope")), options)
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

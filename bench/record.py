#!/usr/bin/env python3
"""What recording costs: plain against `actscope record` against heaptrack, interleaved, medians.

    scripts/bench.sh record                      everything, some ten minutes
    scripts/bench.sh record --only pairs,deep    the micro-benchmarks, two minutes
    scripts/bench.sh record --only lines         what --python-stacks adds, three minutes
    scripts/bench.sh record --only layers        what --layers adds, three minutes

Sections:
  gpt       wall and CPU time of examples/pytorch/gpt.py; every round runs plain, recorded, heaptrack (as people run
            it, then recording alone, --raw) in this order, and a ratio is the median of the rounds' own ratios, so that
            a slow phase of the machine hits both sides
  pairs     nanoseconds that a small malloc + free pair takes (bench/malloc_micro.c)
  deep      nanoseconds of a malloc or free of 4 KiB or more below 30 frames
  lines     what --python-stacks adds: to the GPT example, as above, and to a loop of Python that allocates below 20 frames
            (bench/python_loop.py), in CPU time
  layers    what --layers adds: to the GPT example, and to a call of a module that does nothing (bench/module_calls.py)
  trace     bytes of the finished traces, in all and per event
  analysis  `actscope analyze` against heaptrack_print on recordings of the same program

Round 0 is a warm-up and not counted. The budgets beside the figures are those of the design.
"""
import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = ["gpt", "pairs", "deep", "lines", "layers", "trace", "analysis"]
MICRO_VALUE = re.compile(r"^ns_per_\w+ ([0-9.]+)$", re.MULTILINE)
HEAPTRACK_ALLOCATIONS = re.compile(r"allocations:\s+(\d+)")


# ---- running one command ---------------------------------------------------------------------------------------------

class Run:
    """One finished command: wall seconds, CPU seconds of it and its children, and what it printed."""

    def __init__(self, command, environment):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=environment, cwd=ROOT, text=True, errors="replace", check=False)
        self.wall = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.output = done.stdout
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(map(str, command))}\n"
                     f"ended with status {done.returncode}:\n{self.output[-2000:]}")

    def micro_value(self):
        return float(MICRO_VALUE.search(self.output).group(1))


class Bench:
    """The tools, the folder for recordings, and the commands that run a program plain, recorded, under heaptrack."""

    def __init__(self, options):
        self.options = options
        self.folder = ROOT / "build" / "bench"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.environment = dict(os.environ, PYTHONHASHSEED="0", LC_ALL="C.UTF-8")
        self.heaptrack = None if options.no_heaptrack else shutil.which("heaptrack")
        self.heaptrack_output = ""
        if not self.heaptrack:
            print("heaptrack: left out" if options.no_heaptrack else "heaptrack: not found, left out")

    def trace(self, name):
        return self.folder / f"{name}.act"

    def heaptrack_file(self, name):
        found = [p for p in self.folder.glob(f"{name}.heaptrack*") if p.is_file()]
        return max(found, key=lambda p: p.stat().st_mtime) if found else None

    def run_plain(self, command):
        return Run(command, self.environment)

    def run_recorded(self, command, name, *record_options):
        record = [self.options.actscope, "record", "--quiet", *record_options, "-o", self.trace(name)]
        return Run([*record, "--", *command], self.environment)

    def run_heaptrack(self, command, name, *heaptrack_options):
        for old in self.folder.glob(f"{name}.heaptrack*"):
            old.unlink()
        return Run([self.heaptrack, *heaptrack_options, "-o", self.folder / f"{name}.heaptrack", *command],
                   self.environment)

    def heaptrack_variants(self, command, name):
        """heaptrack as people run it, with its interpreter at the other end of a pipe, and recording alone (--raw)."""
        if not self.heaptrack:
            return {}
        return {"heaptrack": lambda: self.run_heaptrack(command, name),
                "heaptrack --raw": lambda: self.run_heaptrack(command, name, "--raw")}

    def rounds(self, variants, label):
        """Runs the variants (name -> callable giving a Run) in turn, round after round. Gives name -> [Run], without
        round 0."""
        runs = {name: [] for name in variants}
        for number in range(self.options.runs + 1):
            for name, action in variants.items():
                progress(f"{label}: round {number} of {self.options.runs}, {name}")
                run = action()
                if number > 0:
                    runs[name].append(run)
        progress("")
        return runs


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


# ---- figures and tables ----------------------------------------------------------------------------------------------

def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": len(values)}


def ratios(runs, base, key):
    """Round by round against the base, so that drift of the machine cancels."""
    return spread([key(run) / key(reference) for run, reference in zip(runs, base)])


def print_table(title, header, rows):
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, *rows]:
        cells = [str(row[0]).ljust(widths[0])] + [str(c).rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def show(figure, digits=2, unit=""):
    return f"{figure['median']:.{digits}f}{unit} ({figure['min']:.{digits}f}-{figure['max']:.{digits}f})"


def mib(count):
    return f"{count / 2**20:.2f} MiB"


# ---- the sections ----------------------------------------------------------------------------------------------------

def gpt_command(options):
    command = [options.python, ROOT / "examples/pytorch/gpt.py", "--steps", str(options.steps), "--sample", "0"]
    return command + (["--threads", str(options.threads)] if options.threads else [])


def bench_gpt(bench):
    command = gpt_command(bench.options)
    variants = {"plain": lambda: bench.run_plain(command), "recorded": lambda: bench.run_recorded(command, "gpt")}
    return compare_gpt(bench, variants | bench.heaptrack_variants(command, "gpt"), "; budget 1.05x wall")


def compare_gpt(bench, variants, remark):
    """The first variant is what the others are compared with."""
    runs = bench.rounds(variants, "gpt")
    result, rows = {}, []
    for name, done in runs.items():
        result[name] = {"wall_s": spread([r.wall for r in done]), "cpu_s": spread([r.cpu for r in done]),
                        "wall_ratio": ratios(done, runs["plain"], lambda r: r.wall),
                        "cpu_ratio": ratios(done, runs["plain"], lambda r: r.cpu)}
        figures = result[name]
        rows.append([name, show(figures["wall_s"], 2, " s"), show(figures["wall_ratio"], 3, "x"),
                     show(figures["cpu_s"], 2, " s"), show(figures["cpu_ratio"], 3, "x")])
    print_table(f"gpt: examples/pytorch/gpt.py, {bench.options.steps} steps, {bench.options.runs} rounds; "
                f"median (min-max){remark}", ["", "wall", "to plain", "CPU", "to plain"], rows)
    return result


def with_option(bench, command, name, option):
    return {"plain": lambda: bench.run_plain(command), "recorded": lambda: bench.run_recorded(command, name),
            option: lambda: bench.run_recorded(command, name, option)}


def bench_option(bench, option, program, count, title):
    """What an option of record adds to the GPT example, and to a loop in Python that does nothing else."""
    name = option.strip("-")
    result = {"gpt": compare_gpt(bench, with_option(bench, gpt_command(bench.options), f"gpt-{name}", option), "")}
    loop = [bench.options.python, ROOT / "bench" / program, str(int(count * bench.options.scale))]
    result["loop"] = compare_micro(bench, with_option(bench, loop, f"loop-{name}", option), f"loop-{name}", title)
    return result


def bench_lines(bench):
    return bench_option(bench, "--python-stacks", "python_loop.py", 1e6,
                        "loop: 8 KiB made and dropped below 20 frames of Python, two events")


def bench_layers(bench):
    return bench_option(bench, "--layers", "module_calls.py", 5e5, "calls of a module that does nothing")


def bench_micro(bench, mode, count, heaptrack_count, title):
    """Plain and recorded run `count` times round the loop; heaptrack, slower by orders, fewer times."""
    program = [bench.options.micro, mode]
    variants = {"plain": lambda: bench.run_plain([*program, str(count)]),
                "recorded": lambda: bench.run_recorded([*program, str(count)], mode)}
    return compare_micro(bench, variants | bench.heaptrack_variants([*program, str(heaptrack_count)], mode), mode, title)


def compare_micro(bench, variants, label, title):
    runs = bench.rounds(variants, label)
    plain = [r.micro_value() for r in runs["plain"]]
    result, rows = {}, []
    for name, done in runs.items():
        values = [r.micro_value() for r in done]
        result[name] = {"ns": spread(values), "added_ns": spread([v - p for v, p in zip(values, plain)])}
        added = "" if name == "plain" else show(result[name]["added_ns"], 1, " ns")
        rows.append([name, show(result[name]["ns"], 1, " ns"), added])
    print_table(title, ["", "each", "added"], rows)
    return result


def bench_pairs(bench):
    scale = bench.options.scale
    return bench_micro(bench, "pairs", int(20e6 * scale), int(1e6 * scale),
                       "pairs: malloc + free of 16 to 512 bytes; budget +12 ns")


def bench_deep(bench):
    scale = bench.options.scale
    result = bench_micro(bench, "deep", int(1e6 * scale), int(3e5 * scale),
                         "deep: one malloc or free of 4 to 64 KiB below 30 frames; budget 1/5 of heaptrack's")
    for name in [n for n in result if n.startswith("heaptrack")]:
        share = result["recorded"]["added_ns"]["median"] / result[name]["added_ns"]["median"]
        result[name]["recorded_share"] = share
        print(f"  recorded adds {share:.3f} of what {name} adds")
    return result


def events_of(bench, trace):
    """The reader's own count."""
    return json.loads(Run([bench.options.actscope, "info", "--json", trace], bench.environment).output)["events"]


def recordings(bench):
    """The recordings that the sections trace and analysis look at, each with its heaptrack twin: name -> options."""
    churn = [bench.options.micro, "churn", str(int(4e6 * bench.options.scale))]
    gpt = gpt_command(bench.options)
    return {"gpt-default": (gpt, []), "gpt-all": (gpt, ["--min-size", "0"]), "churn-all": (churn, ["--min-size", "0"])}


def record_once(bench, made):
    """Makes each recording once and remembers it, with the number of heaptrack's allocations for the twin."""
    for name, (command, record_options) in recordings(bench).items():
        if name in made:
            continue
        progress(f"recording {name}")
        bench.run_recorded(command, name, *record_options)
        entry = {"events": events_of(bench, bench.trace(name)), "bytes": bench.trace(name).stat().st_size}
        if bench.heaptrack and record_options:
            output = bench.run_heaptrack(command, name).output
            found = HEAPTRACK_ALLOCATIONS.search(output)
            entry["heaptrack_bytes"] = bench.heaptrack_file(name).stat().st_size
            # Every allocation has its free, but for those that leak: an event each, as we count.
            entry["heaptrack_events"] = 2 * int(found.group(1)) if found else 0
        made[name] = entry
    progress("")
    return made


def bench_trace(bench, made):
    rows = []
    for name, entry in record_once(bench, made).items():
        beside = entry.get("heaptrack_bytes")
        per_event = entry["bytes"] / max(entry["events"], 1)
        beside_event = f"{beside / entry['heaptrack_events']:.2f}" if beside and entry["heaptrack_events"] else ""
        rows.append([name, entry["events"], mib(entry["bytes"]), f"{per_event:.2f}", mib(beside) if beside else "",
                     beside_event])
    print_table("trace: finished traces; budget 4 bytes an event with --min-size 0 (\"-all\")",
                ["", "events", "size", "bytes/event", "heaptrack", "bytes/event"], rows)
    return made


def bench_analysis(bench, made):
    """Recordings of default mode have no heaptrack twin: it has no such mode."""
    record_once(bench, made)
    result, rows = {}, []
    for name, entry in made.items():
        variants = {"actscope": lambda name=name: Run(
            [bench.options.actscope, "analyze", bench.trace(name), "-o", bench.folder / f"{name}.sqlite"],
            bench.environment)}
        if "heaptrack_bytes" in entry:
            variants["heaptrack"] = lambda name=name: Run(["heaptrack_print", "-f", bench.heaptrack_file(name)],
                                                          bench.environment)
        runs = bench.rounds(variants, f"analysis of {name}")
        result[name] = {tool: {"wall_s": spread([r.wall for r in done])} for tool, done in runs.items()}
        rows.append(analysis_row(name, entry, result[name]))
    print_table("analysis: actscope analyze against heaptrack_print; budget 5 million events a second",
                ["", "events", "actscope", "events/s", "heaptrack_print", "events/s", "actscope is"], rows)
    return result


def analysis_row(name, entry, figures):
    ours = figures["actscope"]["wall_s"]
    figures["actscope"]["events_per_s"] = entry["events"] / ours["median"]
    row = [name, entry["events"], show(ours, 2, " s"), f"{figures['actscope']['events_per_s'] / 1e6:.2f} M"]
    if "heaptrack" not in figures:
        return row + ["", "", ""]
    theirs = figures["heaptrack"]["wall_s"]
    figures["heaptrack"]["events_per_s"] = entry["heaptrack_events"] / theirs["median"]
    return row + [show(theirs, 2, " s"), f"{figures['heaptrack']['events_per_s'] / 1e6:.2f} M",
                  f"{theirs['median'] / ours['median']:.1f}x as fast"]


# ---- main ------------------------------------------------------------------------------------------------------------

def machine():
    """What the figures depend on; no names of hosts or users."""
    try:
        model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8")).group(1)
    except (OSError, AttributeError):
        model = "unknown processor"
    return {"processor": model, "processors": os.cpu_count(), "load_1min": os.getloadavg()[0],
            "python": sys.version.split()[0]}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="counted rounds of every comparison (5)")
    parser.add_argument("--steps", type=int, default=10, help="steps of the GPT example (10)")
    parser.add_argument("--threads", type=int, default=0, help="threads of PyTorch, 0 leaves its own choice")
    parser.add_argument("--python", default="/usr/bin/python3", help="the Python that has torch (Debian's)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the micro-benchmarks' loop counts")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"of {','.join(SECTIONS)}")
    parser.add_argument("--no-heaptrack", action="store_true")
    parser.add_argument("--actscope", type=Path, default=ROOT / "build/release/cli/actscope")
    parser.add_argument("--micro", type=Path, default=ROOT / "build/release/bench/malloc_micro")
    parser.add_argument("--json", type=Path, default=ROOT / "build/bench/record.json", help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="keep the recordings in build/bench")
    options = parser.parse_args()
    options.sections = options.only.split(",")
    unknown = [s for s in options.sections if s not in SECTIONS]
    if unknown or options.runs < 1:
        parser.error(f"no such section: {', '.join(unknown)}" if unknown else "--runs must be at least 1")
    return options


def without_torch(options):
    probe = subprocess.run([options.python, "-c", "import torch"], capture_output=True, check=False)
    return probe.returncode != 0


def remove_recordings(bench):
    for pattern in ("*.act", "*.heaptrack*", "*.sqlite*"):
        for path in bench.folder.glob(pattern):
            path.unlink()


def main():
    options = parse_options()
    if without_torch(options):
        sys.exit(f"bench: {options.python} has no torch: scripts/install-deps.sh brings Debian's, or name another "
                 "with --python")
    bench = Bench(options)
    about = machine()
    print(f"{about['processor']}, {about['processors']} processors, load {about['load_1min']:.2f} at the start")
    if about["load_1min"] > 0.5:
        print("the machine is busy: the ratios may be off")
    made, results = {}, {"schema": "actscope.bench.record/1", "machine": about, "runs": options.runs}
    for section in options.sections:
        if section in ("trace", "analysis"):
            results[section] = globals()[f"bench_{section}"](bench, made)
        else:
            results[section] = globals()[f"bench_{section}"](bench)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"\nall figures: {options.json}")
    if not options.keep:
        remove_recordings(bench)


if __name__ == "__main__":
    main()

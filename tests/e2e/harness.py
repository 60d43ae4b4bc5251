"""What the end-to-end tests share: where things are, how to record a program and read its report.

ACTSCOPE: the built program (build/release/cli/actscope). PYTHONS: the interpreters with a PyTorch to test, separated by
colons (Debian's and the one that scripts/make-torch-venv.sh makes). ACTSCOPE_E2E_BUILD: where helper programs are
built (build/e2e).
"""
import functools
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(ROOT, "tests", "programs")
ACTSCOPE = os.environ.get("ACTSCOPE") or os.path.join(ROOT, "build", "release", "cli", "actscope")
BUILD = os.environ.get("ACTSCOPE_E2E_BUILD") or os.path.join(ROOT, "build", "e2e")
TIMEOUT_S = 300

# Held by who installs from the build folder, which has one list of what was installed last.
INSTALLING = threading.Lock()

# A block below it is not recorded one by one by default, so that lists are compared from there on.
MIN_SIZE = 4096


def program(name):
    return os.path.join(PROGRAMS, name)


# ---- PyTorch --------------------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def torch_version(python):
    """"2.13.0", or "" if this interpreter has no PyTorch."""
    code = "import torch; print(torch.__version__.split('+')[0].split('a')[0])"
    try:
        result = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=120, check=True)
        return result.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def default_pythons():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return ["/usr/bin/python3", os.path.join(cache, "actscope", "torch-2.13", "bin", "python")]


@functools.lru_cache(maxsize=None)
def pythons():
    """Interpreters that have a PyTorch, as a tuple."""
    named = os.environ.get("PYTHONS")
    return tuple(p for p in (named.split(":") if named else default_pythons()) if torch_version(p))


def torch_at_least(python, major, minor):
    return tuple(int(part) for part in torch_version(python).split(".")[:2]) >= (major, minor)


def add_tests(case, kinds, check, every_torch=True):
    """Gives the TestCase one test for each kind and each PyTorch (or, not every_torch, the first of them):
    test_KIND_torch_VERSION calls check(self, python, kind). Without any PyTorch the tests are there all the same, and
    skipped."""
    for kind in kinds:
        for python in pythons() if every_torch else pythons()[:1]:
            def test(self, python=python, kind=kind):
                check(self, python, kind)
            setattr(case, f"test_{kind}_torch_{torch_version(python)}", test)
        if not pythons():
            def skipped(self):
                self.skipTest("no PyTorch: apt-get install python3-torch, or scripts/make-torch-venv.sh")
            setattr(case, f"test_{kind}", skipped)


# ---- actscope -------------------------------------------------------------------------------------------------------

class Run:
    """A recorded run: the trace's path, and what the program (and actscope) said."""

    def __init__(self, trace, result):
        self.trace = trace
        self.status = result.returncode
        self.stdout, self.stderr = result.stdout, result.stderr


def environment(extra=None):
    """One thread in every library, so that the same run allocates the same bytes."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}


class TestCase(unittest.TestCase):
    """Has a folder of its own, which goes with it unless it fails and ACTSCOPE_E2E_KEEP is set."""

    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="actscope-e2e-")
        if not os.environ.get("ACTSCOPE_E2E_KEEP"):
            self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_program(self, command, **options):
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, errors="replace",
                              env=environment(options.pop("env", None)), stdin=options.pop("stdin", subprocess.DEVNULL),
                              **options)

    def record(self, name, command, options=(), status=0, **more):
        """Runs the command under actscope record; fails the test if it does not end with the status (None: any)."""
        trace = self.path(name + ".actscope")
        result = self.run_program([ACTSCOPE, "record", "-o", trace, *options, "--", *command], **more)
        if status is not None and result.returncode != status:
            self.fail(f"record ended with {result.returncode} instead of {status}:\n{result.stdout}\n{result.stderr}")
        return Run(trace, result)

    def report(self, trace):
        result = self.run_program([ACTSCOPE, "report", trace, "--format", "json"])
        self.assertEqual(result.returncode, 0, f"report {trace}: {result.stderr}")
        report = json.loads(result.stdout)
        self.assertEqual(report["schema"], "actscope.report/1")
        return report

    def record_and_report(self, name, command, options=(), **more):
        return self.report(self.record(name, command, options, **more).trace)

    def load(self, path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    def assertWithin(self, share, got, wanted, what):
        """got lies within the share (0.01: a percent) of wanted."""
        if abs(got - wanted) > share * abs(wanted):
            off = 100 * (got - wanted) / wanted if wanted else float("inf")
            self.fail(f"{what}: {got:,} instead of {wanted:,}, {off:+.3f} %, allowed {100 * share:g} %")


libtorch_lock = threading.Lock()


def libtorch_program(case):
    """The C++ example, built once for all tests; skips the test where libtorch is missing."""
    folder, source = os.path.join(BUILD, "libtorch"), os.path.join(ROOT, "examples", "cpp")
    if not shutil.which("cmake"):
        case.skipTest("no cmake")
    with libtorch_lock:
        result = case.run_program(["cmake", "-S", source, "-B", folder])
        if "libtorch was not found" in result.stderr:
            case.skipTest("no libtorch: apt-get install libtorch-dev")
        case.assertEqual(result.returncode, 0, result.stderr)
        result = case.run_program(["cmake", "--build", folder])
        case.assertEqual(result.returncode, 0, result.stdout + result.stderr)
    return os.path.join(folder, "train_mlp_libtorch")


# ---- truth against report -------------------------------------------------------------------------------------------

def holder_names(block):
    """Operators, each once: what one node keeps twice may be one holder or two."""
    return tuple(sorted({holder if isinstance(holder, str) else holder["op"] for holder in block["holders"]}))


def block_counts(blocks, least=MIN_SIZE):
    """How many blocks of the least size or more there are of each (bytes, holders)."""
    counts = {}
    for block in blocks:
        if block["bytes"] >= least:
            key = block["bytes"], holder_names(block)
            counts[key] = counts.get(key, 0) + 1
    return counts


def describe(counts):
    return "".join(f"\n    {count} x {size:,} bytes held by {'+'.join(ops)}" for (size, ops), count
                   in sorted(counts.items(), reverse=True))


def difference(left, right):
    return {key: count - right.get(key, 0) for key, count in left.items() if count > right.get(key, 0)}


def bytes_by_op(blocks):
    """Bytes of the blocks that each op holds, alone or with others."""
    totals = {}
    for block in blocks:
        for op in holder_names(block):
            totals[op] = totals.get(op, 0) + block["bytes"]
    return totals


def check_against_truth(test, report, truth_steps, least=MIN_SIZE):
    """saved.bytes and each op's bytes within 0.1 %, blocks of the least size or more one by one."""
    step = report["saved"]["step"]
    test.assertIsNotNone(step, "the report names no complete step")
    test.assertEqual(len(report["steps"]), len(truth_steps), "number of steps")
    truth = truth_steps[step]
    found, true = block_counts(report["saved"]["list"], least), block_counts(truth, least)
    missed, invented = difference(true, found), difference(found, true)
    if missed or invented:
        test.fail(f"blocks of step {step}\n  missed:{describe(missed)}\n  invented:{describe(invented)}")
    # Blocks below the least size need not be recorded: they may be a thousandth of the sum, not more.
    test.assertWithin(0.001, report["saved"]["bytes"], sum(block["bytes"] for block in truth), "saved.bytes")
    large = [block for block in truth if block["bytes"] >= least]
    by_op = {entry["op"]: entry["bytes"] for entry in report["saved"]["by_op"] if entry["bytes"] >= least}
    wanted = bytes_by_op(large)
    test.assertEqual(set(by_op), set(wanted), "ops that hold blocks")
    for op, size in wanted.items():
        test.assertWithin(0.001, by_op[op], size, f"bytes of {op}")


def check_holders(test, report):
    """What two nodes hold is listed with both and cannot be replaced by codes."""
    for block in report["saved"]["list"]:
        test.assertTrue(block["holders"], f"a saved block without holder: {block}")
        if len(block["holders"]) > 1:
            test.assertFalse(block["eligible"], f"eligible with {len(block['holders'])} holders: {block}")
        test.assertTrue(block["reason"], f"no reason given: {block}")


def record_case(test, python, case):
    """(report, the truth's steps) of one case of pytorch_facts.py."""
    path = test.path("truth.json")
    report = test.record_and_report(case, [python, program("pytorch_facts.py"), "--case", case, "--truth", path])
    return report, test.load(path)["steps"]

"""actscope.torch, the PyTorch drop-in: its contract, call by call and model by model, with every PyTorch.

The checks are those of tests/programs/pytorch_dropin.py, which grow in dropin_GROUP.py; here are those that need more
than one process: what `actscope record` sees, installing, finding the library.
"""
import contextlib
import os
import re
import shutil
import sqlite3
import subprocess

import harness

PACKAGE = os.path.join(harness.ROOT, "python")
BUILD = os.path.dirname(os.path.dirname(harness.ACTSCOPE))
LIBRARY = os.path.join(BUILD, "lib", "libfewbit.so.0")

FUNCTIONS = 28  # cases of tests/programs/dropin_cases.py
GROUPS = ("call", "fallback", "patch", "model", "process", "verify")


def variables(**more):
    return {"PYTHONPATH": PACKAGE, "ACTSCOPE_FEWBIT_LIBRARY": LIBRARY, **more}


class DropIn(harness.TestCase):
    """The checks of one group."""

    def check(self, python, group):
        command = [python, harness.program("pytorch_dropin.py"), "--all", group]
        result = self.run_program(command, env=variables())
        with open(harness.program(f"dropin_{group}.py"), encoding="utf-8") as file:
            written = len(re.findall(r"(?m)^def check_(?!training|functions)", file.read()))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn(f"{written} of {written} checks hold", result.stdout)


class Recorded(harness.TestCase):
    """What the preload library sees: codes, and no trace of the input."""

    def train(self, python, bits):
        command = [python, harness.program("pytorch_dropin.py"), "training", str(bits)]
        return self.record_and_report(f"training-{bits}", command, env=variables())

    def check_codes(self, python, _):
        elements = 1024 * 256
        exact = self.train(python, 0)
        held = [block for block in exact["saved"]["list"] if harness.holder_names(block) == ("gelu",)]
        self.assertEqual([block["bytes"] for block in held], [4 * elements])
        projected = {entry["bits"]: entry["peak_bytes"] for entry in exact["projection"]}
        others = harness.block_counts([block for block in exact["saved"]["list"] if block not in held])
        report = self.train(python, 3)
        blocks = [block for block in report["saved"]["list"] if harness.holder_names(block) == ("python_function",)]
        self.assertEqual([block["bytes"] for block in blocks], [elements * 3 // 8], "the codes")
        rest = harness.block_counts([block for block in report["saved"]["list"] if block not in blocks])
        self.assertEqual(rest, others, "all but the codes is as without them")
        self.assertEqual(exact["saved"]["bytes"] - report["saved"]["bytes"], 4 * elements - elements * 3 // 8)
        self.assertWithin(0.01, projected[3], report["peak"]["bytes"], "projected peak")

    def check_functions(self, python, _):
        """Every function at 1 to 4 bits, a step each: the codes are the one block that is kept."""
        elements = 8 * harness.MIN_SIZE
        trace = self.record("functions", [python, harness.program("pytorch_dropin.py"), "functions", str(elements)],
                            env=variables()).trace
        store = trace + ".sqlite"
        result = self.run_program([harness.ACTSCOPE, "analyze", trace, "-o", store])
        self.assertEqual(result.returncode, 0, result.stderr)
        with contextlib.closing(sqlite3.connect(store)) as database:
            kept = database.execute("SELECT step, bytes, dtype FROM saved_block ORDER BY step").fetchall()
            steps = database.execute("SELECT saved_bytes FROM steps").fetchall()
        widths = [bits for _ in range(FUNCTIONS) for bits in (1, 2, 3, 4)]
        self.assertEqual(kept, [(step, elements * bits // 8, "uint8") for step, bits in enumerate(widths)])
        self.assertEqual([size for size, in steps], [elements * bits // 8 for bits in widths])


class Installed(harness.TestCase):
    """pip and cmake put it where it works, without a compiler."""

    CODE = "import torch, actscope.torch as ft, actscope.fewbit as f; " \
           "print(ft.__file__, f.library_path(), len(f.quantizer('gelu', 3).levels))"

    def clean(self, **more):
        """An environment that knows neither the sources nor the library."""
        env = {key: value for key, value in harness.environment(more).items()
               if key not in ("PYTHONPATH", "ACTSCOPE_FEWBIT_LIBRARY") or key in more}
        return {"env": env, "cwd": self.folder}

    def run_clean(self, command, **more):
        return subprocess.run(command, capture_output=True, text=True, timeout=harness.TIMEOUT_S, **self.clean(**more))

    def check_pip(self, python, _):
        if self.run_clean([python, "-c", "import setuptools, pip"]).returncode:
            self.skipTest("no pip or no setuptools for this Python")
        source, target = self.path("source"), self.path("target")
        shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        result = self.run_clean([python, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index",
                                 "--quiet", "--target", target, source], CC="/bin/false", CXX="/bin/false",
                                PIP_ROOT_USER_ACTION="ignore", PIP_DISABLE_PIP_VERSION_CHECK="1")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        installed = sorted(name for _, _, names in os.walk(os.path.join(target, "actscope")) for name in names
                           if name.endswith(".py"))
        sources = sorted(name for _, _, names in os.walk(os.path.join(PACKAGE, "actscope")) for name in names
                         if name.endswith(".py"))
        self.assertEqual(installed, sources)
        # told where the library is, and finding it beside the program on the path
        for env in ({"ACTSCOPE_FEWBIT_LIBRARY": LIBRARY},
                    {"PATH": os.path.dirname(harness.ACTSCOPE) + os.pathsep + os.environ["PATH"]}):
            result = self.run_clean([python, "-c", self.CODE], PYTHONPATH=target, **env)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(result.stdout.split()[1:], [LIBRARY, "8"])
            self.assertTrue(result.stdout.startswith(target), result.stdout)

    def check_tree(self, python, _):
        """Laid out as cmake --install does: PREFIX/lib/actscope/python beside PREFIX/lib/libfewbit.so.0."""
        package = self.path("prefix/lib/actscope/python")
        shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(LIBRARY, self.path("prefix/lib/libfewbit.so.0"))
        result = self.run_clean([python, "-c", self.CODE], PYTHONPATH=package)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.split()[1], self.path("prefix/lib/libfewbit.so.0"))

    def check_missing(self, python, _):
        """No library: a sentence that says what to do."""
        result = self.run_clean([python, "-c", self.CODE], PYTHONPATH=PACKAGE,
                                ACTSCOPE_FEWBIT_LIBRARY="/nowhere/lib.so")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("/nowhere/lib.so", result.stderr)
        self.assertIn("ACTSCOPE_FEWBIT_LIBRARY", result.stderr.splitlines()[-1])

    def check_quiet(self, python, _):
        """Nothing is started to find the library (ctypes.util.find_library would run the compiler), nothing is said."""
        code = ("import subprocess, os\n"
                "def no(*a, **k): raise SystemExit('started a process')\n"
                "import torch\n"
                "subprocess.Popen = os.popen = no\n") + self.CODE
        result = self.run_clean([python, "-c", code], PYTHONPATH=PACKAGE, ACTSCOPE_FEWBIT_LIBRARY=LIBRARY)
        self.assertEqual((result.returncode, result.stderr), (0, ""))


harness.add_tests(DropIn, GROUPS, DropIn.check)
harness.add_tests(Recorded, ["codes"], Recorded.check_codes)
harness.add_tests(Recorded, ["functions"], Recorded.check_functions)
for kind in ("pip", "tree", "missing", "quiet"):
    harness.add_tests(Installed, [kind], getattr(Installed, "check_" + kind))

"""actscope.torch, the PyTorch drop-in: its contract, call by call and model by model, with every PyTorch.

The checks are those of tests/programs/pytorch_dropin.py, each in a process of its own; here are those that need more
than one process: what `actscope record` sees, installing, finding the library.
"""
import os
import shutil
import subprocess

import harness

PACKAGE = os.path.join(harness.ROOT, "python")
BUILD = os.path.dirname(os.path.dirname(harness.ACTSCOPE))
LIBRARY = os.path.join(BUILD, "lib", "libfewbit.so.0")

CHECKS = ("gradient settings forward forward_half kept keeps no_grad layout inplace empty twice retain fallback "
          "transforms compile autocast patch_restores patch_reaches patch_report layers convert pickle_modules "
          "checkpoint hooks threads parallel gil omp_threads quantizers fork apply verify peak").split()


def variables(**more):
    return {"PYTHONPATH": PACKAGE, "ACTSCOPE_FEWBIT_LIBRARY": LIBRARY, **more}


class DropIn(harness.TestCase):
    """The checks of the program, one process each."""

    def check(self, python, name):
        command = [python, harness.program("pytorch_dropin.py"), name]
        result = self.run_program(command, env=variables())
        self.assertEqual(result.returncode, 0, f"{name}:\n{result.stdout}\n{result.stderr}")
        self.assertIn(f"{name}: holds", result.stdout)


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
        for bits in (1, 3, 4):
            report = self.train(python, bits)
            blocks = [block for block in report["saved"]["list"] if harness.holder_names(block) == ("python_function",)]
            self.assertEqual([block["bytes"] for block in blocks], [elements * bits // 8], f"{bits} bits: the codes")
            rest = harness.block_counts([block for block in report["saved"]["list"] if block not in blocks])
            self.assertEqual(rest, others, f"{bits} bits: all but the codes is as without them")
            self.assertEqual(exact["saved"]["bytes"] - report["saved"]["bytes"], 4 * elements - elements * bits // 8)
            self.assertWithin(0.01, projected[bits], report["peak"]["bytes"], f"projected peak at {bits} bits")


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


harness.add_tests(DropIn, CHECKS, DropIn.check)
harness.add_tests(Recorded, ["codes"], Recorded.check_codes)
for kind in ("pip", "tree", "missing", "quiet"):
    harness.add_tests(Installed, [kind], getattr(Installed, "check_" + kind))

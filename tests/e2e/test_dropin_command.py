"""The gradients of one's own PyTorch model from the command line: `python3 -m actscope.torch verify` and
`actscope verify --torch`, which runs it: one document, exit statuses, and what is said where something is missing."""
import json
import os
import signal
import subprocess

import harness
import test_dropin

PYTHON = "/usr/bin/python3"

# What a user writes, and what may go wrong there.
SCRIPT = '''
import os
import signal
import subprocess
import sys
import torch
import torch.nn as nn
import beside

print("said while it is loaded")
subprocess.run(["echo", "said by a child"])

def make():
    print("said by make")
    model = nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 4))
    return model, lambda model, batch: model(batch).square().mean(), torch.randn(64, 8)

def wrong():
    return 3

def wrong_model():
    return "model", print, None

def wrong_loss():
    return make()[0], lambda model, batch: 3, torch.randn(64, 8)

def no_gradient():
    model, loss_fn, batch = make()
    return model, lambda model, batch: torch.ones((), requires_grad=True) * 2, batch

def not_a_number():
    model, loss_fn, batch = make()
    return model, lambda model, batch: loss_fn(model, batch) * float("nan"), batch

def zero():
    model, loss_fn, batch = make()
    return model, lambda model, batch: loss_fn(model, batch) * 0, batch

def raises():
    return {}["no such key"]

def raises_later():
    return make()[0], lambda model, batch: batch["no such key"], {}

def ends():
    sys.exit(0)

def ends_at_once():
    os._exit(0)

def killed():
    os.kill(os.getpid(), signal.SIGKILL)
'''
SAID = ("said while it is loaded", "said by a child", "said by make")

# target, exit status, what is said; {} in a command line is the target
REFUSED = (("train.py", 2, "train.py:make"), ("train.py:", 2, "train.py:make"), ("train.py:a b", 2, "train.py:make"),
           ("gone.py:make", 3, "gone.py: no such file"), (".:make", 3, "is a directory"),
           ("train.py:none", 3, "train.py: has no function 'none'"),
           ("train.py:wrong", 3, "must return (model, loss_fn, batch)"),
           ("train.py:wrong_model", 3, "a torch.nn.Module"),
           ("train.py:wrong_loss", 3, "must return a loss"),
           ("train.py:no_gradient", 3, "no parameter of the model gets a gradient"),
           ("train.py:not_a_number", 3, "the exact loss is nan, so there is nothing to compare with"),
           ("train.py:zero", 3, "every gradient is zero"),
           ("train.py:raises", 3, "raises() of train.py failed: KeyError: 'no such key'"),
           ("train.py:raises_later", 3, "a step of train.py:raises_later failed: KeyError"),
           ("train.py:ends", 3, "if __name__"), ("syntax.py:make", 3, "syntax.py failed: SyntaxError"),
           ("notes.txt:make", 3, "notes.txt: is no Python script"))


class CommandCase(harness.TestCase):
    def setUp(self):
        super().setUp()
        for name, text in (("train.py", SCRIPT), ("beside.py", ""), ("syntax.py", "def\n"), ("notes.txt", "")):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)

    def package(self, python, *commands):
        """What each of several `python3 -m actscope.torch verify` did: status, stdout, stderr."""
        lines = json.dumps([["verify", *command] for command in commands])
        result = self.run_program([python, harness.program("dropin_commands.py"), lines], cwd=self.folder,
                                  env=test_dropin.variables())
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def verify(self, python, *arguments, env=None):
        """`actscope verify --torch`, which finds package and library by itself."""
        command = [harness.ACTSCOPE, "verify", "--torch", *arguments]
        return self.run_program(command + (["--python", python] if python else []), cwd=self.folder,
                                env={"TMPDIR": self.folder, **(env or {})})

    def check_document(self, document, bits):
        self.assertEqual((document["schema"], document["kind"]), ("actscope.verify/1", "torch"))
        self.assertEqual([width["bits"] for width in document["bits"]], bits)
        for width in document["bits"]:
            self.assertEqual([row["name"] for row in width["parameters"]], ["0.weight", "0.bias", "2.weight", "2.bias"])
            saved = {key: memory["saved_bytes"] for key, memory in width["memory"].items()}
            codes = 64 * 32 * width["bits"] // 8
            self.assertEqual(saved["exact"] - saved["measured"], 4 * 64 * 32 - codes)
            self.assertEqual(saved["projected"], saved["measured"])
        self.assertEqual(document["min_cosine"], min(row["cosine"] for width in document["bits"]
                                                     for row in width["parameters"]))


# Every option that says how gradients are computed.
OPTIONS = {"plain": (), "defaults": ("--method", "value", "--seed", "1", "--functions", "gelu"),
           "interval": ("--method", "interval"), "weight": ("--weight", "normal:0:0.5"), "seed": ("--seed", "2")}


class Package(CommandCase):
    """python3 -m actscope.torch verify"""

    def check(self, python, _):
        bits = ("train.py:make", "--bits", "3", "--no-memory")
        written, strict, error, silu, *others = self.package(
            python, ("train.py:make", "--bits", "2,4", "--min-cosine", "0.9", "-o", "out.json"),
            ("train.py:make", "--bits", "2", "--min-cosine", "0.99999", "--no-memory"),
            (*bits, "--max-relative-error", "1e-6"), (*bits, "--functions", "silu"),
            *((*bits, *options) for options in OPTIONS.values()))
        self.assertEqual((written["status"], written["stdout"]), (0, ""), written["stderr"])
        document = self.load(self.path("out.json"))
        self.check_document(document, [2, 4])
        self.assertIs(document["passed"], True)
        self.assertEqual((strict["status"], error["status"]), (1, 1), strict["stderr"])
        self.assertIs(json.loads(strict["stdout"])["passed"], False, "nothing but the document on standard output")
        for said in SAID:
            self.assertIn(said, strict["stderr"])
        self.assertAlmostEqual(json.loads(silu["stdout"])["min_cosine"], 1.0, places=12)
        self.check_options({name: json.loads(other["stdout"])["min_cosine"] for name, other in zip(OPTIONS, others)})

    def check_options(self, cosines):
        self.assertEqual(cosines["plain"], cosines["defaults"])
        self.assertEqual(len(set(cosines.values())), len(cosines) - 1, cosines)

    def check_refused(self, python, _):
        options = ("--bits=0", "--bits=3,x", "--functions=gelo", "--weight=x", "--method=best")
        results = self.package(python, *((target,) for target, _, _ in REFUSED),
                               *(("train.py:make", option) for option in options))
        for (target, status, words), result in zip(REFUSED, results):
            with self.subTest(target=target):
                self.assertEqual((result["status"], result["stdout"]), (status, ""), result["stderr"])
                self.assertIn(words, result["stderr"])
                self.assertEqual(result["stderr"].count("Traceback"), int("Error" in words))
        for result in results[len(REFUSED):]:
            self.assertEqual((result["status"], "said" in result["stderr"]), (2, False), result["stderr"])


class Command(CommandCase):
    """actscope verify --torch"""

    def check(self, python, _):
        """The package's own document, whatever was asked for."""
        arguments = ["train.py:make", "--bits", "3,1", "--steps", "3", "--min-cosine", "0.5", "--method", "interval",
                     "--weight", "normal:0:0.5", "--seed", "2", "--functions", "silu,gelu", "--max-relative-error", "9"]
        result = self.verify(python, *arguments, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        for said in SAID:
            self.assertIn(said, result.stderr)
        document = json.loads(result.stdout)
        self.check_document(document, [3, 1])
        self.assertEqual(document["limits"], {"min_cosine": 0.5, "max_relative_error": 9})
        self.assertEqual([len(width["loss"]["few_bit"]) for width in document["bits"]], [3, 3])
        wanted, = self.package(python, arguments)
        self.assertEqual(document, json.loads(wanted["stdout"]))


harness.add_tests(Package, ["command"], Package.check)
harness.add_tests(Package, ["refused"], Package.check_refused)
harness.add_tests(Command, ["document"], Command.check)


class CommandPage(CommandCase):
    """What is the same whatever the PyTorch."""

    def setUp(self):
        super().setUp()
        if not harness.torch_version(PYTHON):
            self.skipTest("no PyTorch: apt-get install python3-torch")

    def test_page(self):
        arguments = ["train.py:make", "--steps", "3", "--min-cosine", "0.5"]
        page = self.verify(PYTHON, *arguments, "-o", "page.txt", "--color=never")
        self.assertEqual((page.returncode, page.stdout), (0, ""), page.stderr)
        wanted, = self.package(PYTHON, (*arguments, "--bits", "3"))
        with open(self.path("page.txt"), encoding="utf-8") as file:
            self.check_page(file.read(), json.loads(wanted["stdout"]))
        self.assertEqual(sorted(os.listdir(self.folder)),
                         ["beside.py", "notes.txt", "page.txt", "syntax.py", "train.py"], "nothing is left behind")

    def check_page(self, page, document):
        self.assertIn("4 parameters of train.py:make", page)
        self.assertIn("Passed: cosine of at least 0.5", page)
        width = document["bits"][0]
        for row in width["parameters"]:
            self.assertRegex(page, rf"(?m)^  {row['name']} +{row['cosine']:.5f} ")
        for when, rows in (("as given", width), ("after 3 steps", width["trained"])):
            self.assertRegex(page, rf"(?m)^  {when} +3 +{rows['min_cosine']:.5f} ")
        for loss in width["loss"]["exact"][0], width["loss"]["exact"][-1]:
            self.assertIn(f"{loss:.5f}", page)

    def test_falls_short(self):
        result = self.verify(PYTHON, "train.py:make", "--min-cosine", "0.999999")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("Fell short", result.stdout)

    def test_script_that_fails(self):
        """Each way in which Python may end, and its own words."""
        for target, status, words in (
                ("train.py:none", 3, "actscope: verify: train.py: has no function 'none'\n"),
                ("train.py:raises_later", 3, "a step of train.py:raises_later failed: KeyError: 'no such key'"),
                ("train.py:ends_at_once", 3, "ended without a result"),
                ("train.py:killed", 3, f"ended by signal {int(signal.SIGKILL)}")):
            with self.subTest(target=target):
                result = self.verify(PYTHON, target)
                self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
                self.assertIn(words, result.stderr)


class CommandStart(CommandCase):
    """Which Python, and what the command line may say."""

    def refused(self, status, words, *arguments, python=None, env=None):
        result = self.verify(python, *arguments, env=env)
        self.assertEqual((result.returncode, result.stdout), (status, ""), result.stderr)
        self.assertIn(words, result.stderr)

    def test_python(self):
        target = "train.py:make"
        self.refused(3, "nosuch: no such program; name the Python", target, python="nosuch")
        self.refused(3, "python3: no such program", target, env={"PATH": self.folder})
        self.refused(3, "/bin/false: is no Python that works", target, python="/bin/false")
        bare = self.path("bare")
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", bare], check=True, capture_output=True)
        self.refused(3, f"{bare}/bin/python3: has no PyTorch", target,
                     env={"PATH": os.path.join(bare, "bin") + os.pathsep + os.environ["PATH"]})

    def test_old_python(self):
        """One that says it is old: what is asked of it must be words that it knows."""
        old = self.path("python3")
        with open(old, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\nexec {PYTHON} -c \"import sys; sys.version_info = (3, 8); exec(sys.argv[1])\" \"$2\"\n")
        os.chmod(old, 0o755)
        self.refused(3, "is older than Python 3.9", "train.py:make", python=old)

    def test_python_of_the_path(self):
        if not harness.torch_version(PYTHON):
            self.skipTest("no PyTorch: apt-get install python3-torch")
        path = os.path.dirname(PYTHON) + os.pathsep + os.environ["PATH"]
        result = self.verify(None, "train.py:make", env={"PATH": path})
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_usage(self):
        for words, *arguments in (("one of --tensors, --torch, RUN and MODEL", "train.py:make", "gpt"),
                                  ("one of --tensors, --torch, RUN and MODEL", "train.py:make", "--tensors",
                                   "x.npy,dy.npy", "--function", "gelu"),
                                  ("--train is for a MODEL", "train.py:make", "--train"),
                                  ("is not SCRIPT.py:FUNCTION", "train.py"),
                                  ("model and batch are the script's", "train.py:make", "--batch", "3"),
                                  ("model and batch are the script's", "train.py:make", "--data", "text"),
                                  ("would be lost", "train.py:make", "-o", "train.py"),
                                  ("--weight", "train.py:make", "--weight", "normal:0")):
            with self.subTest(arguments=arguments):
                self.refused(2, words, *arguments)
        self.refused(3, "none.npy", "train.py:make", "--weight", "histogram:none.npy")
        result = self.run_program([harness.ACTSCOPE, "verify", "gpt", "--functions", "gelu"])
        self.assertEqual(result.returncode, 2)
        self.assertIn("go with --torch", result.stderr)

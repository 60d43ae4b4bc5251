"""`actscope apply`: a program without a word of actscope gets what actscope.torch.patch() gives, and what was
replaced is told; it works with record, modules, virtual environments, children and start-up files of the program's
own; what it cannot serve is refused or said."""
import os
import shutil
import signal
import subprocess
import sys

import harness

PROGRAM = harness.program("pytorch_apply.py")
GELU, SILU = 128 * 256, 128 * 64  # elements a call
PYTHON = "/usr/bin/python3"


class ApplyCase(harness.TestCase):
    def apply(self, command, *options, status=0, **more):
        """(result, the JSON of what was replaced)"""
        path = self.path("apply.json")
        result = self.run_program([harness.ACTSCOPE, "apply", "--bits", "3", "--json", path, *options, "--", *command],
                                  **more)
        if result.returncode != status:
            self.fail(f"apply ended with {result.returncode} instead of {status}:\n{result.stdout}\n{result.stderr}")
        return result, self.load(path)

    def check_totals(self, told, gelu, silu, bits=3):
        self.assertEqual(told["replaced"], {name: calls for name, calls in (("gelu", gelu), ("silu", silu)) if calls})
        elements = gelu * GELU + silu * SILU
        self.assertEqual(told["bytes_exact"], 4 * elements)
        self.assertEqual(told["bytes_codes"], elements * bits // 8)


class Apply(ApplyCase):
    def check(self, python, kind):
        getattr(self, kind)(python)

    def gives_what_patch_gives(self, python):
        """The same loss and gradients to the last digit, and others than exact ones."""
        plain = self.run_program([python, PROGRAM, "train", "patched", "1", "3"],
                                 env={"PYTHONPATH": os.path.join(harness.ROOT, "python"), **self.library()})
        self.assertEqual(plain.returncode, 0, plain.stderr)
        exact, *patched = plain.stdout.splitlines()
        self.assertEqual(len({exact, *patched}), 3)
        for bits, wanted in zip((1, 3), patched):
            result, told = self.apply([python, PROGRAM, "train"], "--bits", str(bits))
            self.assertEqual(result.stdout, wanted + "\n")
            self.check_totals(told, gelu=4, silu=4, bits=bits)
            self.assertEqual((told["bits"], told["exit_status"], told["fallbacks"]), (bits, 0, {}))
        process, = told["processes"]
        self.assertEqual(process["torch"].split("+")[0].split("a")[0], harness.torch_version(python))
        self.assertIn("replaced at 3 bits: gelu 4 calls, silu 4 calls", result.stderr)
        self.assertIn("60.0 KiB of codes where PyTorch keeps 640.0 KiB", result.stderr)

    @staticmethod
    def library():
        folder = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(harness.ACTSCOPE))), "lib")
        return {"ACTSCOPE_FEWBIT_LIBRARY": os.path.join(folder, "libfewbit.so.0")}

    def with_record(self, python):
        """Either command in front of the other: one trace, of the program, in which codes are kept, not inputs."""
        program = [python, PROGRAM, "train"]
        for order in ("record first", "apply first", "record by apply"):
            with self.subTest(order=order):
                trace = self.path(order.replace(" ", "-"))
                record = [harness.ACTSCOPE, "record", "-o", trace, "--layers", "--"]
                if order == "record first":
                    result = self.run_program([*record, harness.ACTSCOPE, "apply", "--bits", "2", "--", *program])
                elif order == "apply first":
                    result, told = self.apply([*record, *program], "--bits", "2")
                    self.check_totals(told, gelu=4, silu=4, bits=2)
                else:
                    result, told = self.apply(program, "--bits", "2", "--record", trace)
                    self.check_totals(told, gelu=4, silu=4, bits=2)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn("replaced at 2 bits", result.stderr)
                self.assertIn("recorded", result.stderr)
                self.check_recorded(trace, PROGRAM, layers="by apply" not in order)

    def check_recorded(self, trace, program, layers):
        report = self.report(trace)
        self.assertIn(program, report["run"]["command"])
        self.assertNotIn("actscope", os.path.basename(report["run"]["command"].split()[0]))
        self.assertEqual(report["run"]["exit_status"], 0)
        codes = [block for block in report["saved"]["list"] if block["dtype"] == "uint8"]
        self.assertEqual([block["bytes"] for block in codes if block["bytes"] >= harness.MIN_SIZE], [GELU // 4])
        self.assertEqual([block["layer"] for block in codes], ["1"] if layers else [""])
        inputs = [block for block in report["saved"]["list"] if {"gelu", "silu"} & set(harness.holder_names(block))]
        self.assertEqual(inputs, [])
        self.assertEqual(os.listdir(self.folder).count(os.path.basename(trace)), 1)

    def not_used(self, python):
        result, told = self.apply([python, PROGRAM, "relu", "no_grad"])
        self.assertIn("nothing was replaced", result.stderr)
        self.assertIn("in training, used no function whose input PyTorch keeps", result.stderr)
        self.check_totals(told, gelu=0, silu=0)
        result, told = self.apply([python, PROGRAM, "relu"], "--functions", "gelu,relu")
        self.assertEqual((told["replaced"], told["functions"]), ({"relu": 1}, "gelu,relu"))
        result, told = self.apply([python, PROGRAM, "train"], "--functions", "relu")
        self.assertIn("used none of: relu", result.stderr)

    def falls_back(self, python):
        result, told = self.apply([python, PROGRAM, "double", "train"], "--method", "interval",
                                  "--weight", "normal:0:1")
        self.check_totals(told, gelu=4, silu=4)
        (reason, calls), = told["fallbacks"].items()
        self.assertIn("float64", reason)
        self.assertEqual(calls, 2)
        self.assertRegex(result.stderr, "(?m)^actscope: left exact: 2 calls: .*float64")
        self.assertEqual((told["method"], told["weight"]), ("interval", "normal:0:1"))

    def module_and_path(self, python):
        """python -m, and a program that sees the path and modules that it would see alone."""
        result, told = self.apply([python, "-m", "pytorch_apply", "path", "train", "1"], cwd=harness.PROGRAMS)
        self.check_totals(told, gelu=1, silu=1)
        alone = self.run_program([python, "-m", "pytorch_apply", "path"], cwd=harness.PROGRAMS).stdout.split("]")[0]
        self.assertIn(f"{alone}] ['actscope'] True\n", result.stdout)

    def children(self, python):
        """What workers and children replace counts, each once, however they begin and end."""
        _, told = self.apply([python, PROGRAM, "loader"])
        self.assertEqual(told["replaced"], {"gelu": 4})
        self.assertEqual(told["bytes_codes"], 4 * (300 // 8 + 1))
        _, told = self.apply([python, PROGRAM, "fork"])
        self.check_totals(told, gelu=4, silu=4)
        self.assertEqual([process["replaced"]["gelu"] for process in told["processes"]], [2, 2])

    def spawned_children(self, python):
        _, told = self.apply([python, PROGRAM, "spawn"])
        self.check_totals(told, gelu=4, silu=4)

    def endings(self, python):
        result, told = self.apply([python, PROGRAM, "train", "exit", "7"], status=7)
        self.check_totals(told, gelu=4, silu=4)
        self.assertEqual(told["exit_status"], 7)
        result, told = self.apply([python, PROGRAM, "train", "2", "kill", "9"], status=128 + signal.SIGKILL)
        self.assertRegex(result.stderr, r"pid \d+ could not tell at its end")
        self.assertEqual([process["ended"] for process in told["processes"]], [False])

    def examples(self, python):
        """Each calls its activation once a layer and step; the ResNet has nothing that codes could serve."""
        text = ["--layers", "2", "--embed", "16", "--heads", "2", "--block", "16"]
        for name, wanted, *options in (("bert.py", {"gelu": 3}, *text), ("swiglu.py", {"silu": 2}, *text),
                                       ("cnn.py", {"silu": 3}, "--width", "4", "--stages", "1", "--size", "8"),
                                       ("resnet.py", {}, "--width", "4", "--blocks", "1"),
                                       ("resnet.py", {"silu": 7}, "--width", "4", "--blocks", "1",
                                        "--activation", "silu")):
            with self.subTest(name=name):
                program = os.path.join(harness.ROOT, "examples", "pytorch", name)
                result, told = self.apply([python, program, "--steps", "1", "--batch", "4", *options])
                self.assertRegex(result.stdout, r"(?m)^step    0  loss \d")
                self.assertEqual((told["replaced"], told["fallbacks"]), (wanted, {}))

    def broken(self, python):
        """Without the library the program goes on as it would alone, and that is said at once and at the end."""
        result, told = self.apply([python, PROGRAM, "train"],
                                  env={"ACTSCOPE_FEWBIT_LIBRARY": self.path("libfewbit.so")})
        self.assertEqual(result.stdout, self.run_program([python, PROGRAM, "train"]).stdout)
        self.assertEqual(result.stderr.count("libfewbit.so"), 2)
        self.assertEqual((told["replaced"], told["processes"][0]["state"]), ({}, "failed"))


harness.add_tests(Apply, ["gives_what_patch_gives", "with_record", "children", "spawned_children"], Apply.check)
harness.add_tests(Apply, ["not_used", "falls_back", "module_and_path", "endings", "examples", "broken"],
                  Apply.check, every_torch=False)


class ApplyStartUp(ApplyCase):
    """Python's own ways of starting."""

    def make_environment(self, *options):
        folder = self.path("venv")
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", *options, folder], check=True, capture_output=True)
        return os.path.join(folder, "bin", "python")

    def need_torch(self):
        if not harness.torch_version(PYTHON):
            self.skipTest("no PyTorch: apt-get install python3-torch")

    def test_virtual_environment(self):
        self.need_torch()
        python = self.make_environment("--system-site-packages")
        _, told = self.apply([python, PROGRAM, "train", "1"])
        self.check_totals(told, gelu=1, silu=1)
        self.assertEqual(told["processes"][0]["python"], python)

    def test_python_without_torch(self):
        python = self.make_environment()
        result, told = self.apply([python, "-c", "print('no torch')"])
        self.assertEqual(result.stdout, "no torch\n")
        self.assertIn(f"{python} has no PyTorch", result.stderr)
        self.assertEqual(told["processes"][0]["state"], "no_torch")

    def test_old_python(self):
        """A program's Python that is too old for torch runs as it would alone; its name is all that is asked for."""
        python = shutil.which("python2") or shutil.which("python2.7") or shutil.which("python3.6")
        if not python or subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode:
            self.skipTest("no Python older than 3.7")
        code = "import sys, json; print(sys.version_info[0] < 4)"
        for command in ("record", "-o", self.path("old.act"), "--layers"), ("apply", "--bits", "3"):
            result = self.run_program([harness.ACTSCOPE, *command, "--", python, "-c", code])
            self.assertEqual((result.returncode, result.stdout), (0, "True\n"), result.stderr)
            self.assertNotIn("Error", result.stderr)
            self.assertNotIn("failed", result.stderr)

    def test_program_that_does_not_import_torch(self):
        self.need_torch()
        result, told = self.apply([PYTHON, "-c", "print(1)"])
        self.assertIn("did not import torch", result.stderr)

    def test_own_sitecustomize(self):
        """The program's own start-up file runs, once, and finds itself in sys.modules."""
        self.need_torch()
        with open(self.path("sitecustomize.py"), "w", encoding="utf-8") as file:
            file.write("import sys\nprint('own start-up', 'sitecustomize' in sys.modules, flush=True)\n")
        command = [PYTHON, PROGRAM, "train", "1"]
        result, told = self.apply(command, env={"PYTHONPATH": self.folder})
        self.check_totals(told, gelu=1, silu=1)
        self.assertEqual(result.stdout.splitlines()[0], "own start-up True")
        self.assertEqual(result.stdout.count("own start-up"), 1)

    def test_own_package_of_that_name(self):
        """A program's own module `actscope` stays the program's; it is said that nothing was replaced."""
        self.need_torch()
        os.mkdir(self.path("actscope"))
        with open(self.path("actscope/__init__.py"), "w", encoding="utf-8") as file:
            file.write("mine = True\n")
        code = "import actscope, torch; print(actscope.mine)"
        result, _ = self.apply([PYTHON, "-c", code], cwd=self.folder)
        self.assertEqual(result.stdout, "True\n")
        self.assertIn("nothing is replaced", result.stderr)

    def test_shell(self):
        self.need_torch()
        _, told = self.apply(["sh", "-c", f"cd / && exec {PYTHON} {PROGRAM} train 1"])
        self.check_totals(told, gelu=1, silu=1)

    def test_shell_that_starts_no_python(self):
        script = self.path("run.sh")
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexit 4\n")
        os.chmod(script, 0o755)
        result, told = self.apply([script], status=4)
        self.assertIn("no Python told that it had started", result.stderr)
        self.assertEqual(told["processes"], [])


class ApplyTransparency(ApplyCase):
    def test_signal_to_the_launcher_reaches_the_program(self):
        if not harness.torch_version(PYTHON):
            self.skipTest("no PyTorch: apt-get install python3-torch")
        path = self.path("apply.json")
        command = [harness.ACTSCOPE, "apply", "--bits", "3", "--quiet", "--json", path, "--",
                   PYTHON, PROGRAM, "train", "1", "wait"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=harness.environment()) as process:
            self.assertIn("loss", process.stdout.readline())
            self.assertEqual(process.stdout.readline(), "ready\n")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=20), 5)
            self.assertEqual(process.stderr.read(), "", "--quiet")
        told = self.load(path)
        self.check_totals(told, gelu=1, silu=1)
        self.assertTrue(told["processes"][0]["ended"])

    def test_output_status_input_and_descriptors(self):
        """As alone; and no file of ours is open in the program."""
        code = ("import os, sys; print(sys.stdin.read(), sys.argv[1:], sorted(os.listdir('/proc/self/fd'))); "
                "print('err', file=sys.stderr); sys.exit(9)")
        command = [PYTHON, "-c", code, "a b", "", "--", "-x"]

        def run(words):
            return subprocess.run(words, input="in", capture_output=True, text=True, env=harness.environment(),
                                  timeout=harness.TIMEOUT_S)
        plain = run(command)
        applied = run([harness.ACTSCOPE, "apply", "--bits", "3", "--json", self.path("a.json"), "--", *command])
        self.assertEqual((applied.returncode, applied.stdout), (9, plain.stdout))
        self.assertTrue(applied.stderr.startswith(plain.stderr))

    def test_folder_is_gone(self):
        os.mkdir(self.path("tmp"))
        self.apply([PYTHON, "-c", "import os; os._exit(3)"], status=3, env={"TMPDIR": self.path("tmp")})
        self.assertEqual(os.listdir(self.path("tmp")), [])


class ApplyRefusals(harness.TestCase):
    def refused(self, status, words, *arguments):
        result = self.run_program([harness.ACTSCOPE, "apply", *arguments], cwd=self.folder)
        self.assertEqual(result.returncode, status, f"{arguments}: {result.stderr}")
        self.assertIn(words, result.stderr)
        self.assertEqual(result.stdout, "")

    def test_commands(self):
        for words, *command in (("not Python", "ls"), ("not Python", "sh", "-c", "echo hello"),
                                ("-I", PYTHON, "-I", "-c", "print(1)"), ("-S", PYTHON, "-uS", "x.py"),
                                ("-E", "env", "A=1", PYTHON, "-E", "x.py"), ("command not found", "no-such-program"),
                                ("shell built-in", "cd"), ("is a directory", "/tmp")):
            with self.subTest(command=command):
                self.refused(3, words, "--bits", "3", "--", *command)

    def test_usage(self):
        for words, *options in (("no --bits", "--"), ("'0'", "--bits", "0", "--"), ("'9'", "--bits", "9", "--"),
                                ("'3,4'", "--bits", "3,4", "--"),
                                ("'nosuch'", "--bits", "3", "--functions", "gelu,nosuch"),
                                ("methods", "--bits", "3", "--method", "best"),
                                ("--weight", "--bits", "3", "--weight", "x")):
            with self.subTest(options=options):
                self.refused(2, words, *options, PYTHON, "-c", "print(1)")
        self.refused(2, "no command", "--bits", "3")

    def test_files(self):
        """What cannot be written is said before the program runs."""
        self.refused(3, "nowhere", "--bits", "3", "--json", "nowhere/a.json", "--", PYTHON, "-c", "print(1)")
        self.refused(3, "nowhere", "--bits", "3", "--record", "nowhere/run.act", "--", PYTHON, "-c", "print(1)")
        self.refused(3, "nosuch.npz", "--bits", "3", "--weight", "histogram:nosuch.npz", "--", PYTHON, "-c", "print(1)")
        self.assertEqual(os.listdir(self.folder), [])


class ApplyInstalled(ApplyCase):
    def test_copied_elsewhere(self):
        """An installation: program, preload library, start-up files, package and libfewbit below one prefix."""
        if not harness.torch_version(PYTHON):
            self.skipTest("no PyTorch: apt-get install python3-torch")
        build = os.path.dirname(os.path.dirname(os.path.realpath(harness.ACTSCOPE)))
        for name in ("bin", "lib/actscope"):
            os.makedirs(self.path(os.path.join("prefix", name)))
        shutil.copy2(harness.ACTSCOPE, self.path("prefix/bin/actscope"))
        shutil.copytree(os.path.join(build, "lib", "actscope"), self.path("prefix/lib/actscope"), dirs_exist_ok=True)
        shutil.copy2(os.path.join(build, "lib", "libfewbit.so.0"), self.path("prefix/lib/libfewbit.so.0"))
        result = self.run_program([self.path("prefix/bin/actscope"), "apply", "--bits", "3", "--",
                                   PYTHON, PROGRAM, "train"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("gelu 4 calls", result.stderr)


if __name__ == "__main__":
    sys.exit("run these by tests/e2e/run.py")

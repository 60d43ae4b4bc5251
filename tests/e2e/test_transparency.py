"""A program does the same with and without record: output, exit status, signals, input."""
import os
import signal
import subprocess

import harness

DESCRIPTORS = os.path.join(os.path.dirname(os.path.dirname(harness.ACTSCOPE)), "tests", "programs", "descriptors")
ALLOCATORS = ["libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2"]
GPT = os.path.join(harness.ROOT, "examples", "pytorch", "gpt.py")


class Transparency(harness.TestCase):
    def compare(self, command, **options):
        """Plain and recorded; returns the plain result."""
        plain = self.run_program(command, **options)
        quiet = self.record("run", command, ["--quiet"], status=None, **options)
        status = plain.returncode if plain.returncode >= 0 else 128 - plain.returncode
        self.assertEqual(quiet.status, status, quiet.stderr)
        self.assertEqual(quiet.stdout, plain.stdout)
        self.assertEqual(quiet.stderr, plain.stderr)
        return plain

    def test_output_and_status(self):
        plain = self.compare(["sh", "-c", "echo out; echo err >&2; exit 7"])
        self.assertEqual(plain.returncode, 7)

    def test_input(self):
        for options in ([], ["--quiet"]):
            with open(__file__, encoding="utf-8") as file:
                recorded = self.record("input", ["cat"], options, stdin=file)
            with open(__file__, encoding="utf-8") as file:
                self.assertEqual(recorded.stdout, file.read())

    def test_signals(self):
        for name in ("SEGV", "ABRT", "TERM", "KILL", "USR1"):
            with self.subTest(signal=name):
                plain = self.compare(["sh", "-c", f"echo before; kill -{name} $$; echo after"])
                self.assertEqual(plain.returncode, -getattr(signal, "SIG" + name))

    def test_abort_of_a_program(self):
        code = "import os, sys; print('x' * 10, flush=True); os.abort()"
        self.assertEqual(self.compare(["/usr/bin/python3", "-c", code]).returncode, -signal.SIGABRT)

    def test_signal_to_the_launcher_reaches_the_program(self):
        code = ("import signal, sys, time\n"
                "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
                "print('ready', flush=True)\ntime.sleep(30)")
        trace = self.path("signal.actscope")
        command = [harness.ACTSCOPE, "record", "--quiet", "-o", trace, "--", "/usr/bin/python3", "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=harness.environment()) as process:
            self.assertEqual(process.stdout.readline(), "ready\n")
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(timeout=20), 5)
        self.assertEqual(self.report(trace)["run"]["exit_status"], 5)

    def test_descriptors_are_the_programs_own(self):
        lines = "".join(f"{i:05}\n" for i in range(200))
        with open(self.path("input"), "w", encoding="ascii") as file:
            file.write(lines)
        self.compare([DESCRIPTORS, self.path("input"), self.path("output")])
        with open(self.path("output"), encoding="ascii") as file:
            self.assertEqual(file.read(), lines)

    def test_an_allocator_that_a_script_preloads_before_ours(self):
        code = ("import ctypes\nlibc = ctypes.CDLL(None)\nlibc.reallocarray.restype = ctypes.c_void_p\n"
                "libc.reallocarray.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]\n"
                "libc.free.argtypes = [ctypes.c_void_p]\nlibc.free(libc.reallocarray(None, 10, 100))\nprint('freed')")
        for library in ALLOCATORS:
            with self.subTest(library=library):
                script = f'LD_PRELOAD="{library} $LD_PRELOAD" exec /usr/bin/python3 -c "$1"'
                self.assertEqual(self.compare(["sh", "-c", script, "sh", code]).stdout, "freed\n")
                report = self.report(self.path("run.actscope"))
                self.assertIn(f"{library} has a malloc that comes before actscope's", report["run"]["unseen"])

    def test_environment_and_arguments(self):
        code = "import os, sys; print(sys.argv[1:], os.environ['GREETING'], os.getcwd(), sys.flags)"
        self.compare(["/usr/bin/python3", "-c", code, "a b", "", "--", "*"], env={"GREETING": "good day"}, cwd="/")


class TransparencyOfTorch(harness.TestCase):
    def check(self, python, _):
        """stdout and status only: the example prints the seconds it took to stderr."""
        command = [python, GPT, "--steps", "3", "--layers", "2", "--embed", "64", "--threads", "1", "--batch", "4"]
        plain = self.run_program(command)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertIn("step    2", plain.stdout)
        self.assertEqual(self.record("run", command).stdout, plain.stdout)


harness.add_tests(TransparencyOfTorch, ["gpt_example"], TransparencyOfTorch.check)

"""peak.bytes is heaptrack's within 0.5 %, on single-threaded runs that allocate the same every time.

heaptrack's exact figure is the sum of its flame graph of peak costs; the text that heaptrack_print prints is rounded.
"""
import os
import shutil

import harness

ALLOWED = 0.005


class Heaptrack(harness.TestCase):
    def heaptrack_peak(self, command):
        if not shutil.which("heaptrack"):
            self.skipTest("no heaptrack: apt-get install heaptrack")
        data, costs = self.path("heaptrack"), self.path("costs")
        result = self.run_program(["heaptrack", "-o", data, *command])
        self.assertEqual(result.returncode, 0, result.stderr)
        data = next(path for path in (data + ".zst", data + ".gz") if os.path.exists(path))
        result = self.run_program(["heaptrack_print", "-f", data, "-p", "0", "-a", "0", "-T", "0", "-F", costs,
                                   "--flamegraph-cost-type", "peak", "--disable-builtin-suppressions"])
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(costs, encoding="utf-8") as file:
            return sum(int(line.rsplit(" ", 1)[1]) for line in file)

    def compare(self, command):
        theirs = self.heaptrack_peak(command)
        report = self.record_and_report("run", command, ["--min-size", "0"])
        self.assertWithin(ALLOWED, report["peak"]["bytes"], theirs, "peak.bytes against heaptrack's")

    def check(self, python, model):
        self.compare([python, harness.program("pytorch_models.py"), "--model", model, "--steps", "2"])

    def test_c_trainer(self):
        compiler = shutil.which("cc") or self.skipTest("no C compiler")
        binary = self.path("train_mlp")
        result = self.run_program([compiler, "-std=gnu17", "-O2", "-o", binary,
                                   os.path.join(harness.ROOT, "examples", "c", "train_mlp.c"), "-lm"])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.compare([binary, "--steps", "5"])


harness.add_tests(Heaptrack, ["mlp"], Heaptrack.check)

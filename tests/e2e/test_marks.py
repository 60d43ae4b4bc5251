"""Programs that mark their own tensors (include/actscope/mark.h): plain C, no framework in the process."""
import os
import re
import shutil

import harness

N = 4 * 16384
BINARIES = os.path.join(os.path.dirname(os.path.dirname(harness.ACTSCOPE)))
TRAIN_GPT = os.path.join(BINARIES, "examples", "c", "train_gpt")

# Of one step of tests/programs/marks.c: two threads, each with these.
BLOCKS = {(2 * N, ("addmm",)): 2, (N, ("gelu",)): 2, (N, ("addmm", "gelu")): 2}


class Marks(harness.TestCase):
    def build(self, name, *options):
        program = os.path.join(self.folder, name)
        source = harness.program("marks.c")
        result = self.run_program([shutil.which("cc") or "gcc", "-O1", "-I", harness.ROOT, "-I",
                                   os.path.join(harness.ROOT, "include"), *options, source, "-o", program, "-pthread"])
        self.assertEqual(result.returncode, 0, result.stderr)
        return program

    def check_marks(self, name, *options):
        report = self.record_and_report(name, [self.build(name, *options)])
        self.assertEqual(report["run"]["evidence"], "mark")
        self.assertEqual(len(report["steps"]), 3)
        self.assertEqual(harness.block_counts(report["saved"]["list"]), BLOCKS)
        self.assertEqual(report["saved"]["bytes"], 2 * (2 + 1 + 1) * N)
        layers = sorted((block["layer"], block["bytes"], block["eligible"]) for block in report["saved"]["list"])
        self.assertEqual(layers, sorted(2 * [("fc1", 2 * N, False), ("act", N, True), ("fc2", N, False)]))
        self.assertEqual(report["categories_at_peak"]["parameter"], N)
        return report

    def test_position_independent(self):
        self.check_marks("marks_pie", "-fPIE", "-pie")

    def test_at_a_fixed_address(self):
        self.check_marks("marks_fixed", "-fno-pie", "-no-pie")

    def test_without_a_recording_nothing_happens(self):
        result = self.run_program([self.build("marks_plain")])
        self.assertEqual((result.returncode, result.stderr), (0, ""))


class TrainGpt(harness.TestCase):
    """The example whose layers mark what they hold: its own meter against the trace, projection against measurement."""

    def run_gpt(self, bits):
        run = self.record(f"gpt{bits}", [TRAIN_GPT, "--steps", "3", "--bits", str(bits), "--layers", "2", "--sample", "0"])
        self.assertEqual(run.status, 0, run.stderr)
        found = re.search(r"peak (\d+) bytes .* saved for backward (\d+) bytes", run.stdout)
        self.assertTrue(found, run.stdout)
        return self.report(run.trace), int(found[1]), int(found[2])

    def test_projection_and_measurement(self):
        exact, meter_peak, meter_saved = self.run_gpt(0)
        self.assertEqual(exact["run"]["evidence"], "mark")
        self.assertEqual(len(exact["steps"]), 3)
        self.assertEqual(exact["saved"]["bytes"], meter_saved)
        self.assertLess(abs(exact["peak"]["bytes"] - meter_peak), 0.02 * meter_peak)
        ops = {op["op"] for op in exact["saved"]["by_op"]}
        self.assertLessEqual({"addmm", "gelu", "native_layer_norm", "scaled_dot_product_attention"}, ops)
        projected = {p["bits"]: p for p in exact["projection"]}
        for bits in (1, 3):
            few, _, saved = self.run_gpt(bits)
            self.assertEqual(few["saved"]["bytes"], saved)
            self.assertLess(abs(few["peak"]["bytes"] - projected[bits]["peak_bytes"]), 0.01 * few["peak"]["bytes"])
            self.assertEqual(meter_saved - saved, projected[bits]["eligible_bytes"] - projected[bits]["code_bytes"])

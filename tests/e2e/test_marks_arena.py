"""Arenas: programs that carve activations out of one block and mark the pieces (include/actscope/mark.h)."""
import os
import re
import shutil

import harness

BINARIES = os.path.join(os.path.dirname(os.path.dirname(harness.ACTSCOPE)))
TRAIN_ARENA = os.path.join(BINARIES, "examples", "c", "train_arena")


class TrainArena(harness.TestCase):
    """examples/c/train_arena.c: the sizes that it prints against the report, the projection against what it needs with codes."""

    def run_arena(self, bits):
        run = self.record(f"arena{bits}", [TRAIN_ARENA, "--steps", "3", "--layers", "3", "--bits", str(bits), "--sizes"])
        return run, self.report(run.trace)

    def tensors(self, text):
        """[(layer, name, op, bytes)] as the program prints them."""
        layer, tensors = "", []
        for line in text.splitlines():
            words = line.split()
            if words[0] == "layer":
                layer = words[1]
            elif words[0] == "tensor":
                top = words[1].startswith("last.")
                tensors.append((words[1] if top else layer, words[1], words[2], int(words[3])))
        return tensors

    def test_sizes_ops_and_layers(self):
        run, report = self.run_arena(0)
        tensors = self.tensors(run.stdout)
        self.assertEqual(len(tensors), 3 * 11 + 4)
        found = [(block["layer"], block["name"], block["holders"][0]["op"], block["bytes"])
                 for block in report["saved"]["list"]]
        self.assertEqual(sorted(found), sorted(tensors))
        self.assertTrue(all(block["in_arena"] and block["evidence"] == "mark" for block in report["saved"]["list"]))
        self.assertEqual(report["run"]["evidence"], "mark")
        self.assertEqual(report["run"]["stray_marks"], 0)
        self.assertEqual(len(report["steps"]), 3)
        activations = int(re.search(r"activations (\d+) bytes", run.stdout)[1])
        parameters = int(re.search(r"parameters (\d+) bytes", run.stdout)[1])
        self.assertEqual(report["saved"]["bytes"], activations)
        self.assertEqual(report["categories_at_peak"]["saved_activation"], activations)
        self.assertEqual(report["categories_at_peak"]["parameter"], parameters)
        by_op = {}
        for _, _, op, size in tensors:
            by_op[op] = by_op.get(op, 0) + size
        self.assertEqual({op["op"]: op["bytes"] for op in report["saved"]["by_op"]}, by_op)

    def test_projection_and_measurement(self):
        _, exact = self.run_arena(0)
        projected = {p["bits"]: p for p in exact["projection"]}
        for bits in (1, 3):
            _, few = self.run_arena(bits)
            self.assertWithin(0.01, projected[bits]["peak_bytes"], few["peak"]["bytes"], f"peak at {bits} bits")
            self.assertEqual(exact["saved"]["bytes"] - few["saved"]["bytes"],
                             projected[bits]["eligible_bytes"] - projected[bits]["code_bytes"])


class Cases(harness.TestCase):
    """tests/programs/marks_arena.c prints what is saved; the report must say the same, or that nothing is known."""

    def setUp(self):
        super().setUp()
        self.program = self.path("marks_arena")
        result = self.run_program([shutil.which("cc") or "gcc", "-O1", "-I", harness.ROOT, "-I",
                                   os.path.join(harness.ROOT, "include"), harness.program("marks_arena.c"), "-o",
                                   self.program, "-pthread"])
        self.assertEqual(result.returncode, 0, result.stderr)

    def check(self, case, options=()):
        run = self.record(case, [self.program, case], options)
        report = self.report(run.trace)
        truth = {name: int(value) for name, value in (line.split() for line in run.stdout.splitlines())}
        saved = report["saved"]
        self.assertEqual({"steps": len(report["steps"]), "saved": saved["bytes"], "blocks": saved["blocks"]}, truth, case)
        self.assertEqual(sum(report["categories_at_peak"].values()), report["peak"]["bytes"])
        return report

    def test_as_it_is_meant(self):
        for case in ("persistent", "each_step", "other_sizes", "small_pieces", "accumulation", "evaluation", "threads"):
            report = self.check(case)
            self.assertTrue(all(block["eligible"] for block in report["saved"]["list"]), case)
            self.assertGreater(report["projection"][2]["saving_bytes"], 0, case)

    def test_as_it_is_not(self):
        for case in ("overlap", "moved", "nonsense"):
            self.check(case)

    def report_text(self, case):
        result = self.run_program([harness.ACTSCOPE, "report", self.path(f"{case}.actscope")])
        self.assertEqual(result.returncode, 0, result.stderr)
        return " ".join(result.stdout.split())

    def test_more_and_less_than_a_block(self):
        report = self.check("whole_blocks")
        self.assertEqual(sorted(block["elements"] for block in report["saved"]["list"]), [100, 16384])
        self.assertEqual((report["run"]["oversized_marks"], report["run"]["stray_marks"]), (3, 0))
        self.assertIn("3 marked saves name more elements than the block or region holds", self.report_text("whole_blocks"))

    def test_small_blocks_alone(self):
        report = self.check("small_blocks")
        self.assertEqual(report["run"]["stray_marks"], 0)
        text = self.report_text("small_blocks")
        self.assertIn("Backward passes were marked, but no save of anything in a recorded block", text)
        self.assertNotIn("torch", text)

    def test_memory_that_is_not_malloced(self):
        report = self.check("mapped")
        self.assertEqual(report["run"]["stray_marks"], 8 + 3 * 8)
        result = self.run_program([harness.ACTSCOPE, "report", self.path("mapped.actscope")])
        self.assertIn("32 marks of saves or regions name memory that is in no recorded block", " ".join(result.stdout.split()))

    def test_without_a_recording(self):
        for case in ("persistent", "nonsense"):
            result = self.run_program([self.program, case])
            self.assertEqual((result.returncode, result.stderr), (0, ""))

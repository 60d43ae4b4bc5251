"""Checkpointing: nothing is eligible between forward and backward, yet few-bit saves: the peak is in a recomputation.

Three segments linear(n, 4n) - gelu - linear(4n, n) on n x n floats, computed again inside backward. A segment keeps its
input (n x n), gelu's input and gelu's result (4 n x n each).
"""
import harness

SEGMENTS = 3
FLOATS = 4 * 256 * 256
INNER = 2 * 4 * FLOATS


class Checkpoint(harness.TestCase):
    def check(self, python, case):
        report, truth = harness.record_case(self, python, case)
        self.assertEqual(len(report["steps"]), 3)
        kept = harness.block_counts(truth[-1])
        self.assertEqual(kept, {(FLOATS, ("python_function",)): SEGMENTS}, "the walker's truth")
        # The most is held when the last segment has been computed again: three inputs and its inner blocks.
        self.assertWithin(0.01, report["saved"]["bytes"], SEGMENTS * FLOATS + INNER, "saved.bytes")
        self.assertEqual({block["bytes"] for block in report["saved"]["list"] if block["eligible"]}, {4 * FLOATS})
        projection = {entry["bits"]: entry["saving_bytes"] for entry in report["projection"]}
        self.assertGreater(projection[1], 0, "few-bit saves nothing")
        harness.check_holders(self, report)


class CheckpointByHooks(harness.TestCase):
    def check(self, python, case):
        """Saves are packed by the program's own hooks: what was never kept must not be invented."""
        report, _ = harness.record_case(self, python, case)
        self.assertEqual(len(report["steps"]), 3)
        self.assertLessEqual(report["saved"]["bytes"], 1.01 * (SEGMENTS * FLOATS + INNER))


harness.add_tests(Checkpoint, ["checkpoint_reentrant"], Checkpoint.check)
harness.add_tests(CheckpointByHooks, ["checkpoint_hooks"], CheckpointByHooks.check)

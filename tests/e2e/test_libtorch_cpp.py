"""A C++ program on libtorch, no Python in the process: what it saves is known by hand."""
import harness

BATCH, WIDTH = 2048, 128
HIDDEN = 4 * BATCH * WIDTH

# of 4 KiB or more, in one step
BLOCKS = {
    (4 * BATCH * 2, ("addmm",)): 1,              # the points
    (HIDDEN, ("gelu",)): 3,                      # each linear layer's result
    (HIDDEN, ("addmm",)): 3,                     # the first two gelus' results, the norm's
    (HIDDEN, ("native_layer_norm",)): 1,         # the last gelu's
    (4 * BATCH, ("native_layer_norm",)): 2,      # mean and inverse deviation of each row
    (4 * BATCH * 2, ("log_softmax", "nll_loss")): 1,
    (8 * BATCH, ("nll_loss",)): 1,               # labels
}


class LibtorchCpp(harness.TestCase):
    def test_saved_blocks(self):
        report = self.record_and_report("cpp", [harness.libtorch_program(self), "3", str(WIDTH), str(BATCH)])
        self.assertEqual(report["run"]["evidence"], "probe")
        self.assertEqual(len(report["steps"]), 3)
        self.assertEqual(harness.block_counts(report["saved"]["list"]), BLOCKS)
        harness.check_holders(self, report)
        eligible = [block for block in report["saved"]["list"] if block["eligible"]]
        self.assertEqual([harness.holder_names(block) for block in eligible], [("gelu",)] * 3)

"""What autograd really keeps: facts known by hand, each checked in the walker's truth and in actscope's report.

A fact is the list of blocks of 4 KiB or more that a case of pytorch_facts.py leaves for backward. This is also what
shows that the walker, which the tests on whole models believe, sees the truth.
"""
import harness

SQUARE = 256 * 256
FLOATS = 4 * SQUARE
INPUT = (FLOATS, ("addmm",))  # the batch, which the first linear layer keeps

# case: the blocks, as (bytes, holders)
FACTS = {
    "gelu": [INPUT, (FLOATS, ("gelu",))],
    "elu": [INPUT, (FLOATS, ("elu",))],
    "softplus": [INPUT, (FLOATS, ("softplus",))],
    # the result, which the next layer keeps too
    "relu_linear": [INPUT, (FLOATS, ("addmm", "relu"))],
    "tanh_linear": [INPUT, (FLOATS, ("addmm", "tanh"))],
    "sigmoid_linear": [INPUT, (FLOATS, ("addmm", "sigmoid"))],
    # a clone: in-place saves nothing
    "inplace_silu": [INPUT, (FLOATS, ("silu",))],
    "inplace_mish": [INPUT, (FLOATS, ("mish",))],
    "inplace_hardswish": [INPUT, (FLOATS, ("hardswish",))],
    "shared_input": [INPUT, (FLOATS, ("addmm", "gelu"))],
    "kept_by_program": [INPUT, (FLOATS, ("gelu",))],
    # a float mask, scaled
    "dropout": [INPUT, (FLOATS, ("mul",))],
    # 16 planes of 64 x 64 floats, and an int64 index for each window of four
    "max_pool": [(16 * 64 * 64 * 4, ("max_pool2d_with_indices",)), (16 * 32 * 32 * 8, ("max_pool2d_with_indices",)),
                 (4 * 64 * 64 * 4, ("convolution",))],
    # bfloat16 copies of the batch and of the second layer's weight, and that layer's input
    "autocast": [(2 * SQUARE, ("addmm",))] * 3 + [(2 * SQUARE, ("gelu",))],
    "custom_function": [INPUT, (FLOATS, ("python_function",)), (FLOATS, ("python_function",))],
    "evaluation": [INPUT, (FLOATS, ("gelu",))],
}
# Where few-bit codes can replace the block, and where they cannot though a pointwise function keeps it.
ELIGIBLE = {"gelu", "elu", "softplus", "inplace_silu", "inplace_mish", "inplace_hardswish", "evaluation", "autocast"}


def counts(blocks):
    return {block: blocks.count(block) for block in blocks}


class Facts(harness.TestCase):
    def check(self, python, case):
        report, truth = harness.record_case(self, python, case)
        self.assertEqual(harness.block_counts(truth[-1]), counts(FACTS[case]), "the walker's truth")
        harness.check_against_truth(self, report, truth)
        harness.check_holders(self, report)
        eligible = {harness.holder_names(block) for block in report["saved"]["list"] if block["eligible"]}
        pointwise = {holders for _, holders in FACTS[case] if len(holders) == 1 and holders not in
                     [("addmm",), ("mul",), ("convolution",), ("max_pool2d_with_indices",), ("python_function",)]}
        self.assertEqual(eligible, pointwise if case in ELIGIBLE else set(), self.reasons(report))

    def reasons(self, report):
        return "\n".join(f"{harness.holder_names(block)} eligible={block['eligible']}: {block['reason']}"
                         for block in report["saved"]["list"])


class Gates(harness.TestCase):
    """The four gates of an LSTM cell are views of one storage, with seven holders or more: storages count."""

    def check(self, python, case):
        report, truth = harness.record_case(self, python, case)
        gates = [block for block in truth[-1] if block["bytes"] == 4 * FLOATS]
        self.assertEqual(len(gates), 3)
        self.assertTrue(all(len(block["holders"]) >= 7 for block in gates))
        harness.check_against_truth(self, report, truth)
        harness.check_holders(self, report)
        for block in report["saved"]["list"]:
            if block["bytes"] == 4 * FLOATS:
                self.assertGreaterEqual(len(block["holders"]), 7)


class Mean(harness.TestCase):
    """mean keeps its whole input in PyTorch 1.13, and nothing of it any more in 2.13."""

    def check(self, python, case):
        report, truth = harness.record_case(self, python, case)
        wanted = [INPUT] if harness.torch_at_least(python, 2, 0) else [INPUT, (FLOATS, ("mean",))]
        self.assertEqual(harness.block_counts(truth[-1]), counts(wanted), "the walker's truth")
        harness.check_against_truth(self, report, truth)


harness.add_tests(Facts, list(FACTS), Facts.check)
harness.add_tests(Gates, ["lstm"], Gates.check)
harness.add_tests(Mean, ["mean"], Mean.check)

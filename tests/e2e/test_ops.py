"""Some 110 operators and layers: with --min-size 0 every saved block, however small, is what the graph walk finds."""
import harness

GROUPS = ["activations", "math", "indexing", "functions", "layers"]

# Only their holder keeps them, and codes can stand for them.
POINTWISE = {"gelu", "silu", "mish", "softplus", "elu", "celu", "hardswish", "log_sigmoid", "hardtanh", "leaky_relu",
             "hardsigmoid", "hardshrink", "softshrink", "threshold"}


class Ops(harness.TestCase):
    def check(self, python, group):
        truth = self.path("truth.json")
        report = self.record_and_report(group, [python, harness.program("pytorch_ops.py"), "--group", group, "--truth",
                                                truth], ["--min-size", "0"])
        harness.check_against_truth(self, report, self.load(truth)["steps"], least=1)
        harness.check_holders(self, report)
        if group == "activations":
            eligible = {entry["op"] for entry in report["saved"]["by_op"] if entry["eligible_bytes"]}
            self.assertLessEqual(POINTWISE, eligible)


TINY = """
import torch
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 1))
for _ in range(3):
    model(torch.randn(16, 4)).pow(2).mean().backward()
"""


class Tiny(harness.TestCase):
    """No block of the program is as large as those that the layout of a tensor is learned from."""

    def check(self, python, name):
        report = self.record_and_report(name, [python, "-c", TINY], ["--min-size", "0"])
        saved = sorted((block["bytes"], block["holders"][0]["op"]) for block in report["saved"]["list"])
        self.assertEqual(saved, [(64, "pow"), (256, "addmm"), (512, "addmm"), (512, "gelu")])
        self.assertEqual([step["saved_bytes"] for step in report["steps"]], 3 * [64 + 256 + 512 + 512])


harness.add_tests(Ops, GROUPS, Ops.check)
harness.add_tests(Tiny, ["tiny"], Tiny.check)

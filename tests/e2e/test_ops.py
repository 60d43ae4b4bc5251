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


harness.add_tests(Ops, GROUPS, Ops.check)

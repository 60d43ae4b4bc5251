"""Six models: saved.bytes, every op's bytes and every block are what a walk over the autograd graph finds."""
import harness

MODELS = ["gpt", "bert", "resnet", "cnn_silu", "swiglu", "mlp"]


class SavedTruth(harness.TestCase):
    def check(self, python, model):
        truth = self.path("truth.json")
        report = self.record_and_report(model, [python, harness.program("pytorch_models.py"), "--model", model,
                                                "--truth", truth])
        harness.check_against_truth(self, report, self.load(truth)["steps"])
        harness.check_holders(self, report)
        self.check_two_holders(report, model)
        self.check_sums(report)

    def check_two_holders(self, report, model):
        """What the model is known for: a softmax result, a convolution's input, a pooled tanh with two holders."""
        wanted = {"swiglu": ("bmm", "softmax"), "resnet": ("convolution", "relu"), "mlp": ("addmm", "tanh")}.get(model)
        if wanted:
            shared = [block for block in report["saved"]["list"] if harness.holder_names(block) == wanted]
            self.assertTrue(shared, f"no block held by {' and '.join(wanted)}")
            self.assertFalse(any(block["eligible"] for block in shared))

    def check_sums(self, report):
        self.assertEqual(sum(report["categories_at_peak"].values()), report["peak"]["bytes"])
        listed = sum(block["bytes"] for block in report["saved"]["list"])
        self.assertEqual(listed, report["saved"]["bytes"])
        self.assertEqual(len(report["saved"]["list"]), report["saved"]["blocks"])
        self.assertTrue(report["run"]["complete"])
        self.assertEqual(report["run"]["exit_status"], 0)


harness.add_tests(SavedTruth, MODELS, SavedTruth.check)

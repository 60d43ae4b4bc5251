"""The second way of seeing saves, saved_tensors_hooks, gives the figures of the first one, interposed symbols."""
import harness

MODELS = ["gpt", "resnet", "swiglu"]


class HooksProbe(harness.TestCase):
    def record_with(self, probe, python, model):
        truth = self.path(f"{probe}.json")
        command = [python, harness.program("pytorch_models.py"), "--model", model, "--truth", truth]
        report = self.record_and_report(probe, command, [f"--probe={probe}"])
        return report, self.load(truth)["steps"]

    def check(self, python, model):
        hooks, truth = self.record_with("hooks", python, model)
        self.assertEqual(hooks["run"]["evidence"], "hooks")
        self.assertEqual({block["evidence"] for block in hooks["saved"]["list"]}, {"hooks"})
        harness.check_against_truth(self, hooks, truth)
        harness.check_holders(self, hooks)
        symbols, _ = self.record_with("symbols", python, model)
        self.assertEqual(symbols["run"]["evidence"], "probe")
        self.assertEqual(hooks["saved"]["bytes"], symbols["saved"]["bytes"])
        self.assertEqual(hooks["saved"]["blocks"], symbols["saved"]["blocks"])
        eligible = [sum(entry["eligible_bytes"] for entry in report["saved"]["by_op"]) for report in (hooks, symbols)]
        self.assertEqual(*eligible)


harness.add_tests(HooksProbe, MODELS, HooksProbe.check)

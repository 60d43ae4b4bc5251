"""Both ways of seeing saves, interposed symbols and saved_tensors_hooks, give the same figures."""
import harness

MODELS = ["gpt", "resnet", "swiglu"]


class HooksProbe(harness.TestCase):
    def check(self, python, model):
        truth = self.path("truth.json")
        command = [python, harness.program("pytorch_models.py"), "--model", model, "--truth", truth]
        hooks = self.record_and_report("hooks", command, ["--probe=hooks"])
        self.assertEqual(hooks["run"]["evidence"], "hooks")
        self.assertEqual({block["evidence"] for block in hooks["saved"]["list"]}, {"hooks"})
        harness.check_holders(self, hooks)
        steps = self.load(truth)["steps"]
        self.assertEqual(len(hooks["steps"]), len(steps))
        true = sum(block["bytes"] for block in steps[hooks["saved"]["step"]])
        self.assertWithin(0.001, hooks["saved"]["bytes"], true, "saved.bytes by hooks")


class SymbolsProbe(harness.TestCase):
    def check(self, python, model):
        command = [python, harness.program("pytorch_models.py"), "--model", model]
        seen = {}
        for probe in ("hooks", "symbols"):
            report = self.record_and_report(probe, command, [f"--probe={probe}"])
            if report["saved"]["step"] is None and probe == "symbols":
                self.skipTest(f"PyTorch {harness.torch_version(python)} binds its saves so that only hooks see them")
            seen[probe] = report["saved"]["bytes"]
        self.assertEqual(seen["hooks"], seen["symbols"])


harness.add_tests(HooksProbe, MODELS, HooksProbe.check)
harness.add_tests(SymbolsProbe, ["gpt"], SymbolsProbe.check, "same_by_symbols_")

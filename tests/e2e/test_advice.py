"""Advice is checked by following it: the peak that it promises is the peak that is then measured, within 2 %.

The program (tests/programs/pytorch_advice.py) is wasteful in all the ways that actscope advises about, and mends one of
them at a time; few-bit codes come from `actscope apply`.
"""
import harness

ALLOWED = 0.02
LAYERED = {"few_bits": None, "mask_bits": "masks", "free_gradients": "gradients", "free_kept": "kept",
           "checkpoint": "checkpoint"}
KEYS = {"kind", "text", "bytes", "blocks", "peak_bytes", "saving_bytes", "bits", "ops", "layers", "site"}


class Advice(harness.TestCase):
    def command(self, python, model, mend=None):
        name, _, spread = model.partition("-")
        return [python, harness.program("pytorch_advice.py"), "--model", name, "--steps", "2",
                *(["--spread", spread] if spread else []), *(["--mend", mend] if mend else [])]

    def advice(self, report):
        """By kind; each line's figures agree with each other, and the largest saving comes first."""
        peak, savings = report["peak"]["bytes"], [advice["saving_bytes"] for advice in report["advice"]]
        self.assertEqual(savings, sorted(savings, reverse=True))
        for advice in report["advice"]:
            self.assertEqual(set(advice), KEYS)
            self.assertEqual(advice["saving_bytes"], peak - advice["peak_bytes"])
            self.assertGreaterEqual(advice["saving_bytes"], peak / 100)
            self.assertLessEqual(advice["saving_bytes"], advice["bytes"] + peak / 1000, advice)
        return {advice["kind"]: advice for advice in report["advice"]}

    def measured(self, python, model, mend):
        name = f"{model}-{mend}"
        if mend:
            return self.record_and_report(name, self.command(python, model, mend))["peak"]["bytes"]
        trace = self.path(name + ".actscope")
        result = self.run_program([harness.ACTSCOPE, "apply", "--bits", "3", "--record", trace, "--",
                                   *self.command(python, model)])
        self.assertEqual(result.returncode, 0, result.stderr)
        return self.report(trace)["peak"]["bytes"]

    def follow(self, python, model, report, mends):
        advice = self.advice(report)
        self.assertLessEqual(set(mends), set(advice))
        for kind, mend in mends.items():
            self.assertWithin(ALLOWED, advice[kind]["peak_bytes"], self.measured(python, model, mend), kind)
        return advice

    def check(self, python, case):
        if case == "layers":
            report = self.record_and_report("layers", self.command(python, "gpt"), ["--layers"])
            advice = self.follow(python, "gpt", report, LAYERED)
            self.assertEqual(advice["checkpoint"]["layers"], "blocks.*")
            self.assertEqual((advice["few_bits"]["ops"], advice["few_bits"]["layers"], advice["few_bits"]["bits"]),
                             ("gelu", "blocks.*.gelu", 3))
            self.assertNotIn("recompute", advice)
        elif case == "plain":
            report = self.record_and_report("plain", self.command(python, "wide"))
            advice = self.follow(python, "wide", report, {"recompute": "recompute"})
            self.assertEqual(advice["recompute"]["ops"], "gelu, native_layer_norm")
            self.assertNotIn("checkpoint", advice)
        elif case == "temporary":
            for model in ("gpt-400", "wide-256"):
                report = self.record_and_report(model, self.command(python, model))
                advice = self.follow(python, model, report, {"temporary": "pairs"})
                self.assertEqual(advice["temporary"]["ops"], "sub")
        else:
            report = self.record_and_report("update", self.command(python, "heavy"))
            self.follow(python, "heavy", report, {"foreach": "foreach"})


harness.add_tests(Advice, ["layers", "plain", "temporary", "update"], Advice.check)

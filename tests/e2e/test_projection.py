"""The projected peak at 1 to 4 bits is the peak of the same model really run with packed few-bit codes, within 1 %.

The models are made large enough by their batch that activations, not imports, are most of the peak, and that the few
hundred KiB of the encoder's own temporaries stay far below the percent.
"""
import harness

BATCH = {"gpt": 32, "bert": 32, "cnn_silu": 128, "swiglu": 32}
ALLOWED = 0.01


class Projection(harness.TestCase):
    def record_model(self, python, model, bits):
        command = [python, harness.program("pytorch_fewbit.py"), "--model", model, "--bits", str(bits),
                   "--batch", str(BATCH[model]), "--steps", "2"]
        return self.record_and_report(f"{model}-{bits}", command)

    def check(self, python, model):
        plain = self.record_model(python, model, 0)
        projected = {entry["bits"]: entry for entry in plain["projection"]}
        wrong = []
        for bits in (1, 2, 3, 4):
            measured = self.record_model(python, model, bits)["peak"]["bytes"]
            guess = projected[bits]["peak_bytes"]
            self.assertEqual(projected[bits]["saving_bytes"], plain["peak"]["bytes"] - guess)
            self.assertGreater(projected[bits]["saving_bytes"], 0.02 * plain["peak"]["bytes"], "nothing to project")
            if abs(guess - measured) > ALLOWED * measured:
                wrong.append(f"{bits} bits: projected {guess:,}, measured {measured:,}, "
                             f"{100 * (guess - measured) / measured:+.2f} %")
        self.assertFalse(wrong, f"exact peak {plain['peak']['bytes']:,}; " + "; ".join(wrong))


harness.add_tests(Projection, list(BATCH), Projection.check)

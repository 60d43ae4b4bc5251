"""The meter of the layers' room tells the truth: what `replay` measures is what `plan` says, to the byte, and what the
preload library sees on the heap of the very process, within 1 %.

What else is on that heap (the program's own tables, quantizers, tape nodes, stdio; some 150 KB; BLAS's buffers are mapped
and not on it) is there at any batch size. So two batch sizes tell it apart: from one to the other the heap must grow as
the meter does, but for the rounding of blocks to pages.
"""
import json

import harness

BITS = [0, 1, 2, 3, 4]
ALLOWED = 0.01
# A block that malloc maps by itself, 128 KiB or more at first, is whole pages: at most 4 KiB more than was asked for, and
# the live ones at the peak are some hundred, of 100 KiB to 4 MiB.
GROWTH_ALLOWED = 0.005

# Small and odd: what could differ between a dry run and a real one, they have.
SMALL = {
    "mlp": ["mlp", "--batch", "33", "--set", "width=65", "--set", "dropout=0.1"],
    "gpt": ["gpt", "--batch", "3", "--sequence", "33", "--set", "layers=2", "--set", "dropout=0.1"],
    "gpt_relu": ["gpt", "--batch", "2", "--sequence", "17", "--set", "layers=1", "--set", "activation=relu"],
    "bert": ["bert", "--batch", "3", "--sequence", "33", "--set", "layers=2", "--set", "dropout=0.1"],
    "bert_classes": ["bert", "--batch", "3", "--sequence", "17", "--set", "layers=2", "--set", "classes=3"],
    "vit": ["vit", "--batch", "3", "--set", "layers=2", "--set", "image=24", "--set", "patch=8"],
    "llama": ["llama", "--batch", "3", "--sequence", "33", "--set", "layers=2", "--set", "key_heads=2"],
    "resnet": ["resnet", "--batch", "3", "--set", "width=8", "--set", "activation=silu"],
    "resnet_bottleneck": ["resnet", "--batch", "2", "--set", "width=8", "--set", "bottleneck=yes", "--set", "image=72",
                          "--set", "activation=silu", "--optimizer", "sgd"],
}

# Large enough that 150 KB are not a percent.
LARGE = {
    "mlp": ["mlp", "--set", "width=512"],
    "gpt": ["gpt", "--set", "layers=2"],
    "bert": ["bert", "--set", "layers=2"],
    "vit": ["vit", "--set", "layers=2"],
    "llama": ["llama", "--set", "layers=2"],
    "resnet": ["resnet", "--set", "activation=silu"],
}
BATCHES = {"mlp": (1024, 2048), "resnet": (16, 32)}


class ReplayMemory(harness.TestCase):
    def json_of(self, command, *arguments):
        result = self.run_program([harness.ACTSCOPE, command, *arguments, "--json"])
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def widths(self, command, *arguments):
        return {entry["bits"]: entry for entry in self.json_of(command, *arguments)["widths"]}

    def check_plan(self, model):
        measured = self.widths("replay", *SMALL[model], "--steps", "2", "--bits", ",".join(map(str, BITS)))
        planned = self.widths("plan", *SMALL[model])
        self.assertEqual(sorted(measured), BITS)
        for bits in BITS:
            for key in ("peak_bytes", "saved_bytes", "at_peak"):
                self.assertEqual(measured[bits][key], planned[bits][key], f"{key} at {bits} bits")
        if "relu" not in model:  # whose result the next layer holds anyway
            self.assertLess(measured[3]["saved_bytes"], measured[0]["saved_bytes"])

    def recorded(self, model, batch, bits):
        """(the heap's peak by the preload library, the meter's) of one replay."""
        path = self.path(f"{batch}-{bits}.json")
        arguments = [*LARGE[model], "--batch", str(batch), "--bits", str(bits), "--steps", "2"]
        report = self.record_and_report(f"{batch}-{bits}", [harness.ACTSCOPE, "replay", *arguments, "--json", "-o", path])
        (width,) = self.load(path)["widths"]
        return report["peak"]["bytes"], width["peak_bytes"]

    def check_heap(self, model):
        small, large = BATCHES.get(model, (8, 16))
        planned = self.widths("plan", *LARGE[model], "--batch", str(large), "--bits", "3")
        exact, exact_meter = self.recorded(model, large, 0)
        coded, coded_meter = self.recorded(model, large, 3)
        less, less_meter = self.recorded(model, small, 0)
        self.assertWithin(ALLOWED, exact, exact_meter, "the heap's peak")
        self.assertWithin(ALLOWED, coded, coded_meter, "the heap's peak at 3 bits")
        self.assertGreaterEqual(exact, exact_meter, "the heap holds less than the meter says")
        self.assertWithin(GROWTH_ALLOWED, exact - less, exact_meter - less_meter, "the peak's growth with the batch")
        self.assertEqual((exact_meter, coded_meter), (planned[0]["peak_bytes"], planned[3]["peak_bytes"]))
        # What nobody has told: the exact run's heap, and the saving that the plan projects.
        projected = exact - (planned[0]["peak_bytes"] - planned[3]["peak_bytes"])
        self.assertGreater(exact - projected, 0.02 * exact, "nothing to project")
        self.assertWithin(ALLOWED, projected, coded, "the projected peak at 3 bits")


def add_tests(kind, models, check):
    for model in models:
        setattr(ReplayMemory, f"test_{kind}_{model}", lambda self, model=model: check(self, model))


add_tests("plan", SMALL, ReplayMemory.check_plan)
add_tests("heap", LARGE, ReplayMemory.check_heap)

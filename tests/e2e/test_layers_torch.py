"""Every layer of kernels/layers and every built-in model gives what PyTorch gives: results, gradients, bytes held for
backward, steps of the optimizers.

How near is near enough? PyTorch computes the same in float64 and in float32 from the same numbers. What float32 loses
depends on the order of sums and on the last places of exp and the like, and two correct programs differ in both: sums
here have up to 12,544 terms, and adding in lanes of 8 or of 16, or blocks of a matrix, is the square root of two to four
apart. So our error may be FACTOR times PyTorch's own, which is measured anew for every array, and never needs to be
below half a unit in the last place of a float. A single entry, the worst one, is a matter of chance more than a norm
is: twice that. The controls, formulas that are nearly right, are beyond it.
"""
import os

import harness

FACTOR, WORST_FACTOR, HALF_ULP = 4, 8, 2.0 ** -24
GROUPS = ["linear", "loss", "norms", "images", "attention", "activations", "dropout", "few_bit"]
# A binomial count strays so many deviations once in 15,000 runs; the seeds are fixed.
SIGMAS = 4

# What tests run: small, and odd.
MODELS = {
    "mlp": ["mlp", "layers=3", "width=97", "batch=33", "inputs=64"],
    "gpt": ["gpt", "layers=2", "heads=4", "batch=2", "sequence=65"],
    "gpt_adamw": ["gpt", "layers=1", "heads=4", "batch=2", "sequence=33", "--optimizer", "adamw"],
    "bert": ["bert", "layers=2", "heads=4", "batch=2", "sequence=33", "positions=40"],
    "bert_classes": ["bert", "layers=2", "heads=4", "batch=3", "sequence=33", "classes=3"],
    "vit": ["vit", "layers=2", "heads=4", "batch=2", "image=24", "patch=8"],
    "llama": ["llama", "layers=2", "heads=4", "key_heads=2", "batch=2", "sequence=31"],
    "resnet": ["resnet", "width=8", "batch=3", "image=32"],
    "resnet_bottleneck": ["resnet", "width=8", "blocks=1,2", "bottleneck=1", "image=72", "batch=2"],
    "resnet_adamw": ["resnet", "width=8", "batch=2", "blocks=1,1", "image=16", "--optimizer", "adamw"],
}


def build_program(name):
    return os.path.join(os.path.dirname(os.path.dirname(harness.ACTSCOPE)), "tests", "programs", name)


def allowed(entry):
    """The error that ours may have: of the whole, of the worst entry."""
    return [factor * max(theirs, HALF_ULP) for factor, theirs in zip((FACTOR, WORST_FACTOR), entry["torch"])]


def too_far(entry):
    # "not <=": a NaN is too far.
    return not all(ours <= most for ours, most in zip(entry["ours"], allowed(entry)))


def describe(entry):
    pairs = (f"{ours:.2g} instead of {theirs:.2g}" for ours, theirs in zip(entry["ours"], entry["torch"]))
    return f"{entry['case']} {entry['array']}: relative error {', worst entry '.join(pairs)}"


class LayersCase(harness.TestCase):
    def compare(self, python, script, program, *arguments):
        path = build_program(program)
        if not os.access(path, os.X_OK):
            self.skipTest(f"{path} is not built: -DACTSCOPE_TESTS=ON")
        result = self.run_program([python, harness.program(script), "--program", path, "--folder", self.folder,
                                   *arguments])
        self.assertEqual(result.returncode, 0, result.stderr[-2000:])
        path = self.path("result.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write(result.stdout)
        return self.load(path)

    def check_errors(self, entries):
        wrong = [describe(entry) for entry in entries if too_far(entry)]
        self.assertFalse(wrong, f"farther from float64 than {FACTOR} times PyTorch's float32:\n" + "\n".join(wrong))


class Layers(LayersCase):
    def entries(self, python, group):
        return self.compare(python, "pytorch_kernels.py", "layers_op", "--actscope", harness.ACTSCOPE, group)

    def check(self, python, group):
        entries = self.entries(python, group)
        arrays = [entry for entry in entries if "array" in entry]
        self.assertTrue(arrays)
        self.check_errors(arrays)
        self.assertEqual([describe(entry) for entry in arrays if not entry["threads"]], [], "not the same bits")
        for entry in entries:
            if "held" in entry:
                self.assertEqual(entry["held"], entry["torch_held"], f"bytes that {entry['case']} holds for backward")
            if "sigmas" in entry:
                self.assertLess(abs(entry["sigmas"]), SIGMAS, f"{entry['case']} drops too many or too few")


class Controls(LayersCase):
    """A wrong formula is found out: the tolerance is no blanket."""

    def check(self, python, _):
        entries = self.compare(python, "pytorch_kernels.py", "layers_op", "--actscope", harness.ACTSCOPE, "controls")
        for case in {entry["case"] for entry in entries}:
            found = [entry for entry in entries if entry["case"] == case and "array" in entry and too_far(entry)]
            self.assertTrue(found, f"{case} passes for right")


def comparable_bytes(blocks):
    """What autograd holds less what it needs to be PyTorch: masks of masked_fill and indices of embedding, scalars that
    are divided by; the weights' sum of nll_loss. Rows that are taken out are views there, which keep all they are of."""
    kept = [block for block in blocks if block["dtype"] == "float32" or "max_pool2d_with_indices" in block["holders"]]
    return sum(block["bytes"] for block in kept if block["holders"] != ["nll_loss"])


class Models(LayersCase):
    def check(self, python, name):
        result = self.compare(python, "pytorch_kernels_model.py", "layers_model", *MODELS[name])
        self.check_errors(result["entries"])
        self.assertEqual(len(result["stepped"]), 3)
        self.check_errors(result["stepped"])
        self.check_held(name, result)

    def check_held(self, name, result):
        held, wanted = result["held"], comparable_bytes(result["torch_held"])
        if name == "llama":  # RMSNorm, SwiGLU and rotation written out hold intermediate results that ours do not
            self.assertLess(held, wanted)
        else:
            self.assertEqual(held + VIEWS.get(name, 0), wanted, "bytes held for backward")


# A row of each sequence, taken for the head, is a view in PyTorch and keeps the whole last hidden state: (sequence - 1)
# rows of width 128 for each example.
VIEWS = {"bert_classes": 4 * 3 * 32 * 128, "vit": 4 * 2 * 9 * 128}

harness.add_tests(Layers, GROUPS, Layers.check)
harness.add_tests(Controls, ["controls"], Controls.check)
harness.add_tests(Models, list(MODELS), Models.check)

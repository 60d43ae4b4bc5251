"""What the memory consists of, against the program's own tensors: within 1 % a category, at four places of three steps.

The program (tests/programs/pytorch_categories.py) makes each place a maximum of the timeline by a block of 64 MiB,
which counts as temporary; the highest of them is the peak. What it cannot tell by itself (temporary, small, other) is
held to the sum.
"""
import json
import shutil
import sqlite3

import harness

ALLOWED = 0.01
SPIKE = 64 << 20
KNOWN = ["parameter", "gradient", "optimizer_state", "input", "saved_activation"]
CATEGORIES = KNOWN + ["temporary", "small", "other"]
VARIANTS = {
    "sgd": ["--optimizer", "sgd"],
    "sgd_kept_gradients": ["--optimizer", "sgd", "--keep-gradients"],
    "adamw": ["--optimizer", "adamw"],
    "adamw_kept_gradients": ["--optimizer", "adamw", "--keep-gradients"],
    "accumulation": ["--optimizer", "adamw", "--accumulate", "2"],
    "checkpoint": ["--optimizer", "adamw", "--checkpoint"],
    "autocast": ["--optimizer", "adamw", "--autocast"],
    "custom_function": ["--optimizer", "adamw", "--first", "function"],
    "compiled": ["--optimizer", "adamw", "--first", "compiled"],
}
COMPILE_QUICKLY = {"TORCHINDUCTOR_COMPILE_THREADS": "1", "TORCHINDUCTOR_VEC_ISA_OK": "0",
                   "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS": "0"}


def stretches(samples):
    """The highest sample of each stretch of samples that show the program's block."""
    found, before = [], False
    for sample in samples:
        high = sample["temporary"] >= SPIKE
        if high and not before:
            found.append(sample)
        elif high and sample["live_bytes"] > found[-1]["live_bytes"]:
            found[-1] = sample
        before = high
    return found


class Categories(harness.TestCase):
    def samples(self, trace):
        store = self.path("run.sqlite")
        result = self.run_program([harness.ACTSCOPE, "analyze", trace, "-o", store])
        self.assertEqual(result.returncode, 0, result.stderr)
        with sqlite3.connect(store) as connection:
            connection.row_factory = sqlite3.Row
            samples = connection.execute("SELECT * FROM sample ORDER BY position").fetchall()
        connection.close()
        return samples

    def check(self, python, variant):
        if variant == "compiled" and not (harness.torch_at_least(python, 2, 1) and shutil.which("g++")):
            self.skipTest("no torch.compile: PyTorch 2.1 or later, and g++")
        command = [python, harness.program("pytorch_categories.py"), *VARIANTS[variant]]
        run = self.record(variant, command, env={**COMPILE_QUICKLY, "TORCHINDUCTOR_CACHE_DIR": self.path("compiled")})
        truth, samples, report = json.loads(run.stdout), self.samples(run.trace), self.report(run.trace)
        self.assertEqual(len(report["steps"]), 8 if variant == "accumulation" else 4)  # what is compiled makes none
        for sample in samples:
            self.assertEqual(sum(sample[name] for name in CATEGORIES), sample["live_bytes"])
        places = stretches(samples)
        self.assertEqual(len(places), len(truth))
        for sample, place in zip(places, truth):
            for name in KNOWN:
                if name in place:
                    self.assertWithin(ALLOWED, sample[name], place[name], f"{name} at {place['place']}")
        highest = max(places, key=lambda sample: sample["live_bytes"])
        self.assertEqual(report["peak"]["bytes"], highest["live_bytes"])
        self.assertEqual(report["categories_at_peak"], {name: highest[name] for name in CATEGORIES})
        self.check_sites(report)

    def check_sites(self, report):
        """A stack whose blocks are of several categories counts under each: sites say the same as categories do."""
        sums = dict.fromkeys(CATEGORIES, 0)
        for site in report["sites_at_peak"]:
            self.assertGreater(site["blocks"], 0)
            sums[site["category"]] += site["bytes"]
        sums["small"] = report["categories_at_peak"]["small"]  # they have no stacks
        self.assertEqual(sums, report["categories_at_peak"])


harness.add_tests(Categories, VARIANTS, Categories.check)

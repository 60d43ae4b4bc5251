"""What the memory consists of, against the program's own tensors: within 1 % a category, at four places of three steps.

The program (tests/programs/pytorch_categories.py) makes each place a maximum of the timeline by a block of 64 MiB,
which counts as temporary; the highest of them is the peak. What it cannot tell by itself (temporary, small, other) is
held to the sum.
"""
import json
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
}


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
        command = [python, harness.program("pytorch_categories.py"), *VARIANTS[variant]]
        run = self.record(variant, command)
        truth, samples, report = json.loads(run.stdout), self.samples(run.trace), self.report(run.trace)
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


harness.add_tests(Categories, VARIANTS, Categories.check)

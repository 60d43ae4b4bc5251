"""What is inferred where nobody tells: against the probe's truth on the same programs, on trainers whose saved bytes are known
by hand, and on programs that train nothing, of which nothing may be claimed."""
import difflib
import glob
import os
import shutil
import sqlite3
import subprocess
import textwrap
import unittest

import harness

LEAST = 0.95  # of the saved bytes, precision and recall of each step: what the design asks for
RELEASE = os.path.dirname(os.path.dirname(harness.ACTSCOPE))
TRAINER = os.path.join(RELEASE, "tests", "programs", "trainer")
LOOKALIKES = os.path.join(RELEASE, "tests", "programs", "lookalikes")
TRAIN_MLP = os.path.join(RELEASE, "examples", "c", "train_mlp")
EXAMPLES = os.path.join(harness.ROOT, "examples", "pytorch")

PYTORCH = {
    "gpt": ["--steps", "5", "--batch", "4", "--block", "64", "--embed", "128", "--sample", "3"],
    "mlp": ["--steps", "5"],
    "resnet": ["--steps", "4", "--batch", "16"],
}

# Skip connections: what the encoder makes waits for the decoder, last in, first out, as activations do. It trains nothing.
UNET = """
    import torch, torch.nn as nn, torch.nn.functional as F
    down = nn.ModuleList([nn.Conv2d(8 * 2**i, 8 * 2**(i + 1), 3, 2, 1) for i in range(4)])
    up = nn.ModuleList([nn.ConvTranspose2d(8 * 2**(i + 1), 8 * 2**i, 4, 2, 1) for i in range(4)])
    with torch.no_grad():
        for _ in range(8):
            x, skips = torch.randn(2, 8, 64, 64), []
            for layer in down:
                skips.append(x)
                x = F.relu(layer(x))
            for layer in reversed(up):
                x = F.relu(layer(x)) + skips.pop()
"""


class Inference(harness.TestCase):
    def saved_by_step(self, trace):
        """[(bytes, op that allocated it, eligible)] of each step's saved blocks of MIN_SIZE or more, as they were allocated."""
        store = trace + ".sqlite"
        result = self.run_program([harness.ACTSCOPE, "analyze", trace, "-o", store])
        self.assertEqual(result.returncode, 0, result.stderr)
        database = sqlite3.connect(store)
        self.addCleanup(database.close)
        steps = [[] for _ in database.execute("SELECT step FROM step")]
        for step, *block in database.execute(
                "SELECT step, bytes, op_allocated, eligible FROM saved_block WHERE step IS NOT NULL AND bytes >= ?"
                " ORDER BY alloc_ns, block", [harness.MIN_SIZE]):
            steps[step].append(tuple(block))
        return steps

    def check_against_probe(self, command):
        truth = self.record("probe", command).trace
        bare = self.record("bare", command, ["--no-probe"]).trace
        wanted, got = self.saved_by_step(truth), self.saved_by_step(bare)
        self.assertEqual(len(got), len(wanted), "steps")
        for step, (all_wanted, all_got) in enumerate(zip(wanted, got)):
            a, b = [block[:2] for block in all_wanted], [block[:2] for block in all_got]
            matched = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
            both = sum(a[i][0] for match in matched for i in range(match.a, match.a + match.size))
            self.assertGreaterEqual(both, LEAST * sum(size for size, _ in b), f"precision in step {step}")
            self.assertGreaterEqual(both, LEAST * sum(size for size, _ in a), f"recall in step {step}")
        # Nothing is called eligible that the probe knows not to be.
        eligible = [block[:2] for block in got[-1] if block[2]]
        for block in set(eligible):
            self.assertLessEqual(eligible.count(block), wanted[-1].count((*block, 1)), block)
        truth, report = self.report(truth), self.report(bare)
        self.assertEqual(truth["run"]["confidence"], None)
        self.assertEqual(report["run"]["evidence"], "inferred")
        self.assertGreaterEqual(report["run"]["confidence"], 0.8)
        self.assertLessEqual(report["run"]["confidence"], 1)
        for mine, theirs in zip(report["projection"], truth["projection"]):
            self.assertWithin(0.02, mine["peak_bytes"], theirs["peak_bytes"], f"peak at {mine['bits']} bits")

    def test_libtorch_cpp(self):
        self.check_against_probe([harness.libtorch_program(self), "5", "128", "2048"])

    # ---- trainers without a framework ----------------------------------------------------------------------------------

    def test_trainer_without_telling_names(self):
        run = self.record("layers", [TRAINER, "layers", "12"])
        report = self.report(run.trace)
        self.assertEqual(report["run"]["evidence"], "inferred")
        self.assertTrue(0.5 <= report["run"]["confidence"] < 0.95, report["run"]["confidence"])
        self.assertEqual(len(report["steps"]), 12)
        for step in report["steps"]:
            self.assertEqual(step["saved_bytes"], int(run.stdout.split()[0]))
        self.assertEqual([op["op"] for op in report["saved"]["by_op"]], ["one_step"])
        self.assertFalse(any(block["eligible"] for block in report["saved"]["list"]))
        text = self.run_program([harness.ACTSCOPE, "report", run.trace]).stdout
        self.assertIn("inferred from the order of allocations, confidence 0.", text)

    def test_train_mlp(self):
        """GELU's input and each linear layer's, as its comments say: all but the last hidden output lie there at the turn."""
        batch, width, layers = 512, 64, 3
        report = self.record_and_report("mlp", [TRAIN_MLP, "--steps", "7", "--batch", str(batch), "--width", str(width),
                                                "--layers", str(layers)])
        self.assertEqual(len(report["steps"]), 7)
        hidden = 4 * batch * width
        sizes = [block["bytes"] for block in report["saved"]["list"]]
        self.assertEqual(sizes.count(hidden), 2 * layers)
        self.assertWithin(0.05, report["saved"]["bytes"], 2 * layers * hidden + 4 * 2 * batch, "saved bytes")
        self.assertIn("model_forward", [op["op"] for op in report["saved"]["by_op"]])

    def check_persistent(self, trace):
        report = self.report(trace)
        self.assertEqual((report["steps"], report["saved"]["list"], report["run"]["evidence"]), ([], [], "none"))
        self.assertGreater(report["peak"]["lasting_bytes"], 0.9 * report["peak"]["bytes"])
        text = " ".join(self.run_program([harness.ACTSCOPE, "report", trace]).stdout.split())
        self.assertIn("If the program trains, it allocates its activations once", text)
        self.assertIn("actscope/mark.h", text)

    def test_trainer_that_allocates_once(self):
        self.check_persistent(self.record("once", [TRAINER, "once", "12"]).trace)

    def test_libfann(self):
        compiler = shutil.which("cc")
        flags = self.run_program(["pkg-config", "--cflags", "--libs", "fann"]) if shutil.which("pkg-config") else None
        if not compiler or not flags or flags.returncode:
            self.skipTest("no libfann: apt-get install libfann-dev")
        program = self.path("fann_xor")
        subprocess.run([compiler, "-O2", harness.program("fann_xor.c"), "-o", program, *flags.stdout.split(), "-lm"],
                       check=True)
        self.check_persistent(self.record("fann", [program, "20"]).trace)

    # ---- programs that train nothing -----------------------------------------------------------------------------------

    def check_no_claim(self, name, command, **more):
        trace = self.record(name, command, **more).trace
        for path in glob.glob(trace + "*"):
            report = self.report(path)
            self.assertEqual((report["steps"], report["saved"]["list"]), ([], []), f"{name}: {path}")
            self.assertEqual((report["run"]["evidence"], report["run"]["confidence"]), ("none", None), f"{name}: {path}")
            self.assertEqual(report["categories_at_peak"]["saved_activation"], 0)

    def test_loops_that_look_like_one(self):
        for kind in ("server", "queue", "recursion", "pipeline", "list", "stack", "cache"):
            self.check_no_claim(kind, [LOOKALIKES, kind])

    def test_tools(self):
        source = self.path("many.c")
        with open(source, "w", encoding="utf-8") as file:
            for i in range(80):
                file.write(f"double f{i}(double *a, int n) {{ double s = {i}; for (int i = 0; i < n; i++) {{"
                           f" s += a[i] * {i + 1}; if (s > {i * 3}) s = s / 3 + a[(i * 7) % n]; }} return s; }}\n")
        code = "import json\nfor i in range(20): json.loads(json.dumps({str(k): list(range(50)) for k in range(400)}))"
        query = ("CREATE TABLE t (a INT, b TEXT); WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE"
                 " x < 20000) INSERT INTO t SELECT x, hex(x) FROM c; CREATE INDEX i ON t (b);"
                 " SELECT count(*) FROM t AS x JOIN t AS y ON x.b = y.b;")
        commands = {
            "cc": ["gcc", "-O2", "-c", source, "-o", self.path("many.o")],
            "python": ["/usr/bin/python3", "-c", code],
            "sqlite": ["sqlite3", self.path("t.db"), query],
            "sort": ["sort", "-r", source],
            "xz": ["xz", "-k", "-2", source],
        }
        for name, command in commands.items():
            if shutil.which(command[0]):
                self.check_no_claim(name, command)

    def test_torch_that_only_infers(self):
        if not harness.pythons():
            self.skipTest("no PyTorch")
        self.check_no_claim("unet", [harness.pythons()[0], "-c", textwrap.dedent(UNET)])


def check_example(self, python, name):
    self.check_against_probe([python, os.path.join(EXAMPLES, name + ".py"), *PYTORCH[name]])


harness.add_tests(Inference, PYTORCH, check_example, every_torch=False)

if __name__ == "__main__":
    unittest.main()

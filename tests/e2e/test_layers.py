"""`record --layers`: saved blocks carry the names of layers that a plain run's own walk over the modules gives them,
whatever the program does in between; without the option nothing is there and nothing is done."""
import os
import sqlite3

import harness

PROGRAM = harness.program("pytorch_layers.py")
NAMED = ["nested", "shared", "recursion", "failing", "added", "threads", "scripted", "keyword"]
# What a walk over the modules cannot tell: modules that torch does not see, what backward computes again, graphs that
# were taken from a module's code.
OTHERS = ["listed", "reentrant", "checkpoint", "traced"]


def cases_of(python):
    compiled = ["compiled"] if harness.torch_at_least(python, 2, 1) else []
    return [*NAMED, *OTHERS, *compiled]


def counts(blocks):
    """How many blocks of a size each layer saved, of those that are recorded one by one."""
    found = {}
    for block in blocks:
        if block["bytes"] >= harness.MIN_SIZE:
            key = block["layer"], block["bytes"]
            found[key] = found.get(key, 0) + 1
    return found


class Store:
    """The store of a run; it has the blocks of every step."""

    def __init__(self, test, trace):
        path = trace + ".sqlite"
        result = test.run_program([harness.ACTSCOPE, "analyze", trace, "-o", path])
        test.assertEqual(result.returncode, 0, result.stderr)
        self.path = path
        self.database = sqlite3.connect(path)
        test.addCleanup(self.database.close)

    def rows(self, sql, *arguments):
        return self.database.execute(sql, arguments).fetchall()

    def kept(self, step):
        """What was held at the moment of most saved bytes: for these programs, at the end of the forward pass."""
        return [{"layer": layer, "bytes": size} for layer, size in
                self.rows("SELECT layer, bytes FROM saved_block WHERE step = ? AND at_saved_peak", step)]

    def layers(self, op, step):
        return {layer for layer, in self.rows("SELECT layer FROM saved_block WHERE op = ? AND step = ?", op, step)}


class Layers(harness.TestCase):
    def check(self, python, kind):
        getattr(self, kind)(python)

    def truth(self, python, cases):
        path = self.path("truth.json")
        plain = self.run_program([python, PROGRAM, *cases, "--truth", path])
        self.assertEqual(plain.returncode, 0, plain.stderr)
        truth = self.load(path)
        self.assertEqual(list(truth), cases)
        return plain, truth

    def check_kept(self, store, truth):
        for case, true in truth.items():
            if case in NAMED:
                with self.subTest(case=case):
                    self.assertTrue(true["kept"])
                    self.assertEqual(counts(store.kept(true["step"])), counts(true["kept"]))

    def every_case(self, python):
        """One process trains all of them in turn, and prints what it prints alone; warnings are errors in it, so that
        none comes from us either."""
        cases = cases_of(python)
        plain, truth = self.truth(python, cases)
        run = self.record("run", [python, PROGRAM, *cases], ["--layers", "--quiet"])
        self.assertEqual((run.stdout, run.stderr), (plain.stdout, plain.stderr))
        store = Store(self, run.trace)
        self.check_kept(store, truth)
        self.check_others(store, {case: true["step"] for case, true in truth.items()})

    def check_others(self, store, step):
        self.assertEqual(store.layers("gelu", step["listed"]), {"inner.0.GELU"})
        self.assertEqual(store.layers("mish", step["listed"]), {"Mish"})
        for case in ("reentrant", "checkpoint"):  # computed again in backward, when no root is called
            self.assertEqual(store.layers("gelu", step[case]), {"blocks.0.mlp.act", "blocks.1.mlp.act"})
        if "compiled" in step:
            self.assertEqual(store.layers("gelu", step["compiled"]), {"OptimizedModule"})

    def by_hooks(self, python):
        """The probe's second way, saved_tensors_hooks, gives the same names."""
        cases = ["nested", "failing"]
        _, truth = self.truth(python, cases)
        run = self.record("run", [python, PROGRAM, *cases], ["--layers", "--probe=hooks"])
        self.check_kept(Store(self, run.trace), truth)
        self.assertEqual(self.report(run.trace)["run"]["evidence"], "hooks")

    def views(self, python):
        """The list, its sums, the store's view and the page tell the same."""
        _, truth = self.truth(python, ["nested"])
        trace = self.record("run", [python, PROGRAM, "nested"], ["--layers"]).trace
        saved, store = self.report(trace)["saved"], Store(self, trace)
        wanted = {}
        for block in saved["list"]:
            sums = wanted.setdefault(block["layer"], [block["layer"], 0, 0, 0])
            sums[1:] = sums[1] + block["bytes"], sums[2] + 1, sums[3] + block["bytes"] * block["eligible"]
        rows = sorted(wanted.values())
        by_layer = [list(entry.values()) for entry in saved["by_layer"]]
        self.assertEqual(counts(saved["list"]), counts(truth["nested"]["kept"]))
        self.assertEqual(sorted(by_layer), rows)
        self.assertEqual(sorted(list(row) for row in store.rows("SELECT * FROM saved_by_layer")), rows)
        self.assertEqual([row[1] for row in by_layer], sorted((row[1] for row in rows), reverse=True))
        self.assertEqual(self.report(store.path)["saved"], saved)
        for source in (trace, store.path):
            page = self.run_program([harness.ACTSCOPE, "report", source, "--top", "0"]).stdout
            self.assertRegex(page, r"(?m)^  blocks\.\*\.mlp\.act +2 +128\.0 KiB ")
            self.assertRegex(page, r"(?m)^  head\.1 +1 +32\.0 KiB ")

    def child_of_fork(self, python):
        """Strings are numbered anew in a child's trace, also those of names that its parent has told already."""
        _, truth = self.truth(python, ["nested"])
        run = self.record("run", [python, PROGRAM, "nested", "--in-child"], ["--layers"])
        folder, name = os.path.split(run.trace)
        child, = (file for file in os.listdir(folder) if file.startswith(name + ".") and not file.endswith("sqlite"))
        for trace in (run.trace, os.path.join(folder, child)):
            self.check_kept(Store(self, trace), truth)

    def off(self, python):
        """Nothing is there, and torch is left alone."""
        code = ("import torch\nprint(torch.nn.Module.__call__.__qualname__, torch.nn.Module.__call__.__module__)\n"
                "x = torch.randn(100, 100, requires_grad=True)\ntorch.nn.GELU()(x * 1).sum().backward()")
        run = self.record("run", [python, "-c", code])
        self.assertEqual(run.stdout, self.run_program([python, "-c", code]).stdout)
        self.assertNotIn("no names", run.stderr)
        report = self.report(run.trace)
        self.assertEqual({block["layer"] for block in report["saved"]["list"]}, {""})
        self.assertEqual(report["saved"]["by_layer"], [])
        self.assertNotIn("by layer", self.run_program([harness.ACTSCOPE, "report", run.trace]).stdout)

    def isolated(self, python):
        run = self.record("run", [python, "-I", PROGRAM, "nested"], ["--layers"])
        self.assertIn("no names of layers", run.stderr)
        self.assertIn("-I, -E and -S", run.stderr)
        self.assertEqual(self.report(run.trace)["saved"]["by_layer"], [])


harness.add_tests(Layers, ["every_case", "by_hooks", "off"], Layers.check)
harness.add_tests(Layers, ["views", "child_of_fork", "isolated"], Layers.check, every_torch=False)


class LayersWithoutTorch(harness.TestCase):
    def test_program_without_torch(self):
        run = self.record("run", ["/usr/bin/python3", "-c", "print(1)"], ["--layers"])
        self.assertIn("did not import torch", run.stderr)
        self.assertEqual(run.stdout, "1\n")

    def test_no_probe(self):
        result = self.run_program([harness.ACTSCOPE, "record", "--layers", "--no-probe", "--", "true"])
        self.assertEqual(result.returncode, 2)
        self.assertIn("cannot be used with --no-probe", result.stderr)

"""`actscope diff` on real runs: a GPT exact and with codes, an edited program, stores, and what is damaged."""
import json
import os
import shutil

import harness

GPT = [os.path.join(harness.ROOT, "examples", "pytorch", "gpt.py"), "--steps", "2", "--layers", "2", "--embed", "128", "--batch", "8",
       "--sample", "0"]
BINARIES = os.path.join(os.path.dirname(os.path.dirname(harness.ACTSCOPE)))
TRAIN_ARENA = [os.path.join(BINARIES, "examples", "c", "train_arena"), "--steps", "2", "--layers", "2"]


class DiffCase(harness.TestCase):
    def diff(self, before, after, *options, status=0):
        result = self.run_program([harness.ACTSCOPE, "diff", before, after, *options])
        self.assertEqual(result.returncode, status, result.stderr)
        return result

    def diff_json(self, before, after, *options):
        diff = json.loads(self.diff(before, after, "--json", *options).stdout)
        self.assertEqual(diff["schema"], "actscope.diff/1")
        return diff


class FewBits(DiffCase):
    """What `apply` saved, told by what changed, must be what the exact run's projection had said."""

    def test_gpt(self):
        if not harness.pythons():
            self.skipTest("no PyTorch: apt-get install python3-torch, or scripts/make-torch-venv.sh")
        python = harness.pythons()[0]
        exact = self.record("exact", [python, *GPT], ["--layers"]).trace
        few = self.path("few.actscope")
        result = self.run_program([harness.ACTSCOPE, "apply", "--bits", "3", "--functions", "gelu", "--record", few, "--",
                                   python, *GPT])
        self.assertEqual(result.returncode, 0, result.stderr)
        exact_report, few_report = self.report(exact), self.report(few)
        diff = self.diff_json(exact, few)
        projection = exact_report["projection"][2]
        self.assertEqual(diff["projected"]["bits"], 3)
        self.assertEqual(diff["projected"]["projected_bytes"], projection["peak_bytes"])
        self.assertLess(abs(diff["projected"]["off_percent"]), 1)
        self.assertEqual(diff["peak"]["change"], few_report["peak"]["bytes"] - exact_report["peak"]["bytes"])
        gelu, = (row for row in diff["saved"]["by_op"] if row["op"] == "gelu")
        self.assertEqual(gelu["before"], projection["eligible_bytes"])
        self.assertIsNone(gelu["after"], "codes are no op's of autograd's")
        self.assertWithin(0.01, -diff["saved"]["change"], projection["eligible_bytes"] - projection["code_bytes"], "saved")
        self.assertIn("layers", [warning["about"] for warning in diff["warnings"]])
        self.assertEqual(diff["saved"]["by_layer"], [], "one of them has none")
        text = self.diff(exact, few).stdout
        self.assertIn("What is saved fell as 3-bit codes would have it", text)
        self.assertIn("Only the first run was recorded with --layers", text)


class Programs(DiffCase):
    def test_a_run_its_store_and_another_run(self):
        run = self.record("a", TRAIN_ARENA).trace
        again = self.record("b", TRAIN_ARENA).trace
        store = self.path("a.sqlite")
        self.assertEqual(self.run_program([harness.ACTSCOPE, "analyze", run, "-o", store]).returncode, 0)
        self.assertTrue(self.diff_json(run, store)["identical"])
        self.assertTrue(self.diff_json(store, run)["identical"])
        self.assertTrue(self.diff_json(run, again)["identical"], "the same program does the same")
        self.diff(run, again, "--max-growth", "0")

    def test_more_steps_and_layers(self):
        run = self.record("a", TRAIN_ARENA).trace
        more = self.record("b", [TRAIN_ARENA[0], "--steps", "3", "--layers", "3"]).trace
        before, after = self.report(run), self.report(more)
        diff = self.diff_json(run, more)
        self.assertEqual((diff["steps"]["complete"]["before"], diff["steps"]["complete"]["after"]), (2, 3))
        self.assertEqual(diff["peak"]["change"], after["peak"]["bytes"] - before["peak"]["bytes"])
        self.assertEqual(diff["saved"]["change"], after["saved"]["bytes"] - before["saved"]["bytes"])
        new, = (row for row in diff["saved"]["by_layer"] if row["before"] is None)
        self.assertEqual(new["layer"], "layers.2")
        self.assertEqual(sum(row["change"] for row in diff["saved"]["by_layer"]), diff["saved"]["change"])
        self.assertEqual(sum(row["change"] for row in diff["categories_at_peak"]), diff["peak"]["change"])
        rise = 100 * diff["peak"]["change"] / before["peak"]["bytes"]
        self.diff(run, more, "--max-growth", f"{rise + 0.1:.2f}")
        result = self.diff(run, more, "--max-growth", f"{rise - 0.1:.2f}%", status=1)
        self.assertIn("the peak rose from", result.stderr)
        self.diff(more, run, "--max-growth", "0")

    def test_an_edited_program(self):
        """Lines that moved are the same sites; one that came is new."""
        source = """#include <stdlib.h>
            %s
            char *volatile kept[9];
            static void *take(int n) { return malloc(n); }
            %s
            int main(void) {
              kept[0] = take(100000);
              kept[1] = malloc(200000);
              %s
              return 0;
            }
            """
        traces = []
        for name, texts in (("old", ("", "", "")), ("new", ("/* edited */\n", "\n\n", "kept[2] = malloc(300000);"))):
            folder = self.path(name)
            os.mkdir(folder)
            with open(os.path.join(folder, "edited.c"), "w", encoding="utf-8") as file:
                file.write(source % texts)
            self.run_program([shutil.which("cc") or "gcc", "-g", "-O0", "edited.c", "-o", "edited"], cwd=folder, check=True)
            traces.append(self.record(name + "_run", [os.path.join(folder, "edited")]).trace)
        diff = self.diff_json(*traces)
        changed = [row for row in diff["sites_at_peak"] if row["change"]]
        self.assertEqual([(row["change"], row["before"]) for row in changed], [(300000, 200000)], changed)
        self.assertEqual(changed[0]["site"], "edited.c main")
        take, = (row for row in diff["sites_at_peak"] if "take" in row["site"])
        self.assertEqual((take["before"], take["after"]), (100000, 100000))

    def test_what_is_damaged(self):
        run = self.record("a", TRAIN_ARENA).trace
        with open(run, "rb") as file:
            content = file.read()
        cut = self.path("cut.actscope")
        for size in (0, 100, len(content) // 2, len(content) - 1):
            with open(cut, "wb") as file:
                file.write(content[:size])
            for pair in ((run, cut), (cut, run)):
                result = self.run_program([harness.ACTSCOPE, "diff", *pair])
                self.assertEqual(result.returncode, 3, result.stdout)
                self.assertRegex(result.stderr, "^actscope: .*cut.actscope: ")

    def test_what_is_written_is_none_of_what_is_read(self):
        run = self.record("a", TRAIN_ARENA).trace
        result = self.diff(run, self.path("none"), "-o", run, status=2)
        self.assertIn("a.actscope", result.stderr)
        self.assertEqual(self.diff(run, run, "-o", self.path("out.txt")).stdout, "")
        with open(self.path("out.txt"), encoding="utf-8") as file:
            self.assertTrue(file.read().startswith("Nothing changed: "))

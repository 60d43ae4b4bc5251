"""What a report adds in words, on real runs: graphs that are kept step after step, and what apply leaves exact."""
import re

import harness

MIB = 1 << 20
AT = r"([\d.]+) MiB at the end of step (\d+)"
GROWS = re.compile(f"grows step by step, from {AT} to {AT}")


class Notes(harness.TestCase):
    def page(self, command, run):
        result = self.run_program([harness.ACTSCOPE, command, run.trace])
        self.assertEqual(result.returncode, 0, result.stderr)
        return " ".join(result.stdout.split())

    def check(self, python, what):
        run = self.record(what, [python, harness.program("pytorch_kept.py"), what])
        getattr(self, what)(python, [self.page("report", run), self.page("project", run)], int(run.stdout) / MIB)

    def leak(self, _, pages, saved):
        grows = GROWS.search(pages[0])
        self.assertTrue(grows, pages[0])
        last = int(grows[4])
        self.assertEqual(grows[2], "1")
        self.assertIn(last, (4, 5))  # at the end of the last step the program ends and lets go
        self.assertAlmostEqual(float(grows[1]), saved, delta=0.11)
        self.assertAlmostEqual(float(grows[3]), last * saved, delta=0.11)
        self.assertIn("a loss summed up without .item()", pages[0])

    def vary(self, _, pages, __):
        self.assertNotIn("grows step by step", pages[0])

    def alone(self, python, pages, _):
        """The words are followed: they name what has to be given, and it is replaced."""
        for page in pages:
            wanted = re.search(r"leaves exact unless named: actscope (apply --bits 3 --functions gelu,tanh)", page)
            self.assertTrue(wanted, page)
        program = [python, harness.program("pytorch_kept.py"), "alone"]
        applied = self.run_program([harness.ACTSCOPE, *wanted[1].split(), "--", *program])
        self.assertIn("where PyTorch keeps 24.0 MiB", applied.stderr)  # 6 steps, two functions, 2 MiB each


harness.add_tests(Notes, ["leak", "vary"], Notes.check)
harness.add_tests(Notes, ["alone"], Notes.check, every_torch=False)

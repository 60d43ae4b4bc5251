"""A process that forks: a trace for each, no more, and the figures of the parent are its own."""
import glob

import harness

FORK = """
import os, sys
import torch
def step():
    torch.nn.functional.gelu(model(torch.randn(256, 256))).sum().backward()
model = torch.nn.Linear(256, 256)
step()
child = os.fork()
if child == 0:
    step()
    os._exit(3)
assert os.waitpid(child, 0)[1] >> 8 == 3
step()
"""

LOADER = """
import torch
data = torch.utils.data.TensorDataset(torch.randn(1024, 256))
model = torch.nn.Linear(256, 256)
for batch, in torch.utils.data.DataLoader(data, batch_size=256, num_workers=2):
    torch.nn.functional.gelu(model(batch)).sum().backward()
"""

BLOCK = 4 * 256 * 256


class Children(harness.TestCase):
    def record_code(self, python, code, options=()):
        run = self.record("run", [python, "-c", code], options)
        return self.report(run.trace), sorted(glob.glob(run.trace + ".*"))

    def check_fork(self, python, _):
        report, others = self.record_code(python, FORK)
        self.assertEqual([step["saved_bytes"] for step in report["steps"]], [2 * BLOCK] * 2)
        self.assertEqual(len(others), 1, others[:5])
        child = self.report(others[0])
        self.assertEqual([step["saved_bytes"] for step in child["steps"]], [2 * BLOCK])
        self.assertNotEqual(child["run"]["pid"], report["run"]["pid"])

    def check_no_follow(self, python, _):
        report, others = self.record_code(python, FORK, ["--no-follow-children"])
        self.assertEqual(len(report["steps"]), 2)
        self.assertEqual(others, [])

    def check_loader(self, python, _):
        """Batches from workers are shared memory, off the heap: only gelu's input is seen."""
        report, others = self.record_code(python, LOADER)
        self.assertEqual([step["saved_bytes"] for step in report["steps"]], [BLOCK] * 4)
        self.assertEqual(harness.block_counts(report["saved"]["list"]), {(BLOCK, ("gelu",)): 1})
        self.assertLessEqual(len(others), 3, others[:5])  # two workers, and on some versions a resource tracker

    def record_shell(self, line, status=0):
        run = self.record("run", ["sh", "-c", line], status=status)
        return run, sorted(glob.glob(run.trace + ".*"))

    def test_what_was_before_exec_is_no_process(self):
        run, others = self.record_shell("exec env A=1 env B=2 sh -c 'exit 5'", status=5)
        self.assertEqual(others, [])
        self.assertNotIn("recorded:", run.stderr)

    def test_processes_are_counted_and_the_first_named(self):
        run, others = self.record_shell("env A=1 ls >/dev/null; env B=1 ls >/dev/null; exit 0")
        self.assertEqual(len(others), 2, others)
        self.assertIn(f"2 other processes recorded: {others[0]} ...\n", run.stderr)

    def test_many_processes_are_named_together(self):
        run, others = self.record_shell("for i in 1 2 3 4 5 6 7 8 9; do ls >/dev/null; done; exit 0")
        self.assertEqual(len(others), 9, others)
        self.assertIn(f"9 other processes recorded: {run.trace}.*\n", run.stderr)


harness.add_tests(Children, ["fork"], Children.check_fork)
harness.add_tests(Children, ["no_follow"], Children.check_no_follow)
harness.add_tests(Children, ["loader"], Children.check_loader)

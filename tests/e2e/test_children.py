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


harness.add_tests(Children, ["fork"], Children.check_fork)
harness.add_tests(Children, ["no_follow"], Children.check_no_follow)
harness.add_tests(Children, ["loader"], Children.check_loader)

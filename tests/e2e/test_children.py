"""A process that forks: a trace for each, no more, and the figures of the parent are its own."""
import glob
import json
import os

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

POOL = """
import multiprocessing, subprocess, sys
def work(size):
    return len(bytearray(size << 20))
if __name__ == "__main__":
    method = sys.argv[1]
    if method == "subprocess":
        for size in (5, 6):
            subprocess.run([sys.executable, "-c", f"bytearray({size} << 20)"], check=True)
    else:
        with multiprocessing.get_context(method).Pool(2) as pool:
            pool.map(work, [5, 6])
    main = bytearray(20 << 20)
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

    def check_pool(self, method, role, least):
        """Who allocates in its children is seen as what it is, and its bytes are not the parent's."""
        program = self.path("pool.py")
        with open(program, "w", encoding="utf-8") as file:
            file.write(POOL)
        run = self.record("run", ["/usr/bin/python3", program, method])
        runs = [run.trace, *sorted(glob.glob(run.trace + ".*"))]
        result = self.run_program([harness.ACTSCOPE, "report", *runs, "--json"])
        self.assertEqual(result.returncode, 0, result.stderr)
        whole = json.loads(result.stdout)
        main, = [process for process in whole["processes"] if process["role"] == "main"]
        self.assertEqual(main["path"], run.trace)
        self.assertTrue(20 << 20 <= main["peak"]["bytes"] < 25 << 20, main["peak"])
        peaks = [process["peak"]["bytes"] for process in whole["processes"] if process["role"] == role]
        self.assertGreaterEqual(len(peaks), least, whole["nodes"])
        self.assertTrue(6 << 20 <= max(peaks) < 12 << 20, peaks)
        hint = self.run_program([harness.ACTSCOPE, "report", run.trace]).stderr
        self.assertIn(f"{len(runs) - 1} other processes were recorded with it", hint)
        self.assertIn(f"actscope report {run.trace} {run.trace}.*\n", hint)

    def test_pool_by_fork(self):
        self.check_pool("fork", "worker", 2)

    def test_pool_by_spawn(self):
        self.check_pool("spawn", "worker", 2)

    def test_pool_by_forkserver(self):
        self.check_pool("forkserver", "worker", 2)

    def test_pool_of_subprocesses(self):
        self.check_pool("subprocess", "helper", 2)

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


class RemovedTraces(harness.TestCase):
    """By the program, while it runs: what happened is said."""

    def test_of_the_command_itself(self):
        run = self.record("gone", ["/bin/sh", "-c", f'echo $$; rm -f "{self.path("gone.actscope")}".*; :'])
        self.assertIn(f"there is no trace of pid {run.stdout.strip()}, the command itself: it was removed", run.stderr)

    def test_with_the_folder(self):
        folder = self.path("folder")
        os.mkdir(folder)
        run = self.record("folder/gone", ["/bin/sh", "-c", f'rm -r "{folder}"; :'])
        self.assertIn("the folder of ", run.stderr)
        self.assertIn(" was removed while the program ran", run.stderr)

    def test_none(self):
        run = self.record("there", ["/bin/sh", "-c", "/bin/true; exec /bin/true"])
        self.assertNotIn("removed", run.stderr)

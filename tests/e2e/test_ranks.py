"""Ranks of a real DistributedDataParallel training (gloo, on the CPU) under torchrun, mpirun and torch.multiprocessing: a trace
for each, and a report of the whole. What is true the ranks themselves say: their numbers, their workers', the rows of their
batches, and when each held a large block."""
import functools
import glob
import json
import os
import shutil
import socket
import unittest

import harness

RANKS, WORKERS, HEAVY, KILLED = 4, 2, 2, 1
ROWS, WIDTH, HIDDEN = 256, 128, 1024  # of pytorch_ddp.py
BLOCK = 32 << 20
MIB = 1 << 20
DDP = harness.program("pytorch_ddp.py")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def mpi_environment():
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1"}


@functools.lru_cache(maxsize=None)
def has_mpirun():
    return shutil.which("mpirun") is not None


def saved_bytes(rows, batch_on_heap):
    """The batch, gelu's input and result, and what the loss squares; a worker's batch is shared memory."""
    return 4 * rows * ((WIDTH if batch_on_heap else 0) + 2 * HIDDEN + WIDTH)


class Ranks(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.truth_folder = self.path("truth")
        os.mkdir(self.truth_folder)

    def truth(self):
        found = [self.load(path) for path in glob.glob(os.path.join(self.truth_folder, "rank*.json"))]
        return {truth["rank"]: truth for truth in found}

    def whole(self, runs, status=0):
        result = self.run_program([harness.ACTSCOPE, "report", *runs, "--json"])
        self.assertEqual(result.returncode, status, result.stderr)
        report = json.loads(result.stdout)
        self.assertEqual(report["schema"], "actscope.ranks/1")
        return report

    def recorded(self, run):
        return sorted(glob.glob(glob.escape(run) + "*"))

    def mains(self, report):
        return {process["rank"]: process for process in report["processes"] if process["role"] == "main"}

    def need_mpirun(self):
        if not has_mpirun():
            self.skipTest("no mpirun: apt-get install openmpi-bin")

    # ---- one recording, all ranks below it ------------------------------------------------------------------------------

    def check_torchrun(self, python, _):
        # Debian's torchrun 1.13 starts under Python 3.11 only where it is told what to redirect.
        run = self.record("run", [python, "-m", "torch.distributed.run", "--nproc_per_node", str(RANKS), "--master_port",
                                  str(free_port()), "-r", "1", "-t", "1", "--log_dir", self.path("logs"), DDP, "--truth",
                                  self.truth_folder, "--workers", str(WORKERS), "--heavy", str(HEAVY), "--turns"])
        truth = self.truth()
        self.assertEqual(sorted(truth), list(range(RANKS)), run.stderr)
        self.assertEqual(os.readlink(run.trace), os.path.basename(run.trace) + ".rank0")
        report = self.whole(self.recorded(run.trace))
        self.check_processes(report, truth)
        self.check_sums(report, truth)
        self.check_saved(report, truth, batch_on_heap=False)
        self.check_buckets(f"{run.trace}.rank0", truth[0])

    def check_processes(self, report, truth):
        self.assertEqual((report["mains"], report["world_size"], report["missing_ranks"]), (RANKS, RANKS, []))
        mains = self.mains(report)
        self.assertEqual({rank: process["pid"] for rank, process in mains.items()},
                         {rank: told["pid"] for rank, told in truth.items()})
        for rank, told in truth.items():
            workers = {process["pid"] for process in report["processes"]
                       if process["role"] == "worker" and process["main_path"] == mains[rank]["path"]}
            self.assertEqual(workers, set(told["workers"]), f"workers of rank {rank}")
        launchers = [process["pid"] for process in report["processes"] if process["role"] == "launcher"]
        self.assertEqual(launchers, [truth[0]["ppid"]])

    def check_sums(self, report, truth):
        """The ranks held a large block in turn: the sum never needed more than one of them."""
        node, = report["nodes"]
        self.assertTrue(node["exact"])
        self.assertEqual(sum(node["bytes_at_peak"].values()), node["peak_bytes"])
        self.assertEqual(node["sum_of_peaks"], sum(process["peak"]["bytes"] for process in report["processes"]))
        self.assertLess(node["peak_bytes"], node["sum_of_peaks"] - (RANKS - 1) * BLOCK + 4 * MIB)
        self.assertGreater(node["peak_bytes"], node["sum_of_peaks"] - (RANKS - 1) * BLOCK - 8 * MIB)
        when = report["start_unix_ns"] + node["time_ns"]
        turns = [rank for rank, told in truth.items() if told["turn"][0] <= when <= told["turn"][1]]
        self.assertEqual(len(turns), 1, f"{when} is in the turns of {turns}")
        for rank, process in self.mains(report).items():
            missing = process["peak"]["bytes"] - process["bytes_at_node_peak"]
            self.assertEqual(missing < MIB, rank in turns, f"rank {rank} has {missing:,} bytes less than at its peak")

    def check_saved(self, report, truth, batch_on_heap):
        for rank, process in self.mains(report).items():
            self.assertEqual(process["saved_bytes"], saved_bytes(truth[rank]["rows"], batch_on_heap), f"rank {rank}")
        spread = report["spread"]["saved_bytes"]
        self.assertEqual(spread["highest"], saved_bytes(2 * ROWS, batch_on_heap))
        self.assertEqual(spread["median"], saved_bytes(ROWS, batch_on_heap))
        self.assertTrue(spread["highest_path"].endswith(f".rank{HEAVY}"), spread["highest_path"])

    def check_buckets(self, path, told):
        """What DistributedDataParallel adds: a copy of the gradients."""
        sites = [site for site in self.report(path)["sites_at_peak"] if "Reducer::initialize_buckets" in site["site"]]
        self.assertEqual([(site["bytes"], site["category"]) for site in sites], [(told["parameter_bytes"], "gradient")])

    # ---- mpirun ---------------------------------------------------------------------------------------------------------

    def check_mpirun(self, python, _):
        """One recording of mpirun; and what becomes of the whole where one trace is a store, one damaged."""
        self.need_mpirun()
        run = self.record("run", ["mpirun", "-n", "2", python, DDP, "--truth", self.truth_folder, "--heavy", "1"],
                          env=mpi_environment())
        truth = self.truth()
        report = self.whole(self.recorded(run.trace))
        self.assertEqual({rank: process["pid"] for rank, process in self.mains(report).items()},
                         {rank: told["pid"] for rank, told in truth.items()})
        self.assertTrue(report["highest_path"].endswith(".rank1"), "twice the rows")
        store = self.path("rank0.sqlite")
        self.assertEqual(self.run_program([harness.ACTSCOPE, "analyze", run.trace, "-o", store]).returncode, 0)
        mixed = self.whole([store, f"{run.trace}.rank1"])
        exact = self.whole([f"{run.trace}.rank0", f"{run.trace}.rank1"])
        self.assertEqual((mixed["nodes"][0]["exact"], exact["nodes"][0]["exact"]), (False, True))
        self.assertGreaterEqual(mixed["nodes"][0]["peak_bytes"], exact["nodes"][0]["peak_bytes"])
        self.assertEqual(mixed["spread"]["peak_bytes"]["highest"], exact["spread"]["peak_bytes"]["highest"])
        self.check_damaged(run.trace)

    def check_damaged(self, run):
        with open(run + ".rank1", "r+b") as file:
            file.truncate(os.path.getsize(run + ".rank1") // 2)
        result = self.run_program([harness.ACTSCOPE, "report", *self.recorded(run)])
        self.assertEqual(result.returncode, 3)
        self.assertIn("1 of 3 runs could not be read", result.stderr)
        self.assertIn("run.actscope.rank1", result.stdout)
        self.assertIn("Of the job's 2 ranks 1 is not here: 1.", result.stdout)
        self.assertIn(".rank0", json.dumps(self.whole(self.recorded(run), status=3)["highest_path"]))

    def check_killed(self, python, _):
        """A recording for each rank; one rank is killed in the middle of a step, and mpirun ends the others."""
        self.need_mpirun()
        run = self.path("run.act")
        result = self.run_program(["mpirun", "-n", str(RANKS), harness.ACTSCOPE, "record", "-o", run, "--", python, DDP,
                                   "--truth", self.truth_folder, "--kill", str(KILLED)], env=mpi_environment())
        self.assertNotEqual(result.returncode, 0)
        report = self.whole(glob.glob(run + ".rank*"))
        mains = self.mains(report)
        self.assertEqual(sorted(mains), list(range(RANKS)), result.stderr)
        self.assertEqual(report["missing_ranks"], [])
        killed = mains[KILLED]
        self.assertEqual((killed["exit_status"], killed["complete"]), (137, False))
        self.assertEqual(killed["saved_bytes"], saved_bytes(ROWS, batch_on_heap=True))
        self.assertEqual(killed["steps"], 3, "two whole ones and the one it was killed in")
        page = self.run_program([harness.ACTSCOPE, "report", *glob.glob(run + ".rank*")]).stdout
        self.assertRegex(page, rf"\n +{KILLED} +{killed['pid']} .* SIGKILL\n")
        self.assertIn(f"The trace of rank {KILLED} is incomplete", page)

    # ---- torch.multiprocessing ------------------------------------------------------------------------------------------

    def check_multiprocessing(self, python, method):
        """Nothing in the environment says which rank a process is; the program does."""
        run = self.record("run", [python, harness.program("pytorch_spawn.py"), self.truth_folder, method])
        report = self.whole(self.recorded(run.trace))
        self.assertEqual({rank: process["pid"] for rank, process in self.mains(report).items()},
                         {rank: told["pid"] for rank, told in self.truth().items()})
        self.assertEqual(report["world_size"], 2)
        launcher, = [process for process in report["processes"] if process["role"] == "launcher"]
        self.assertEqual(launcher["exit_status"], 0)


harness.add_tests(Ranks, ["torchrun"], Ranks.check_torchrun)
harness.add_tests(Ranks, ["fork"], Ranks.check_multiprocessing)
for _python in harness.pythons()[:1]:  # what follows is ours, not PyTorch's: one of them is enough
    setattr(Ranks, "test_mpirun", lambda self, python=_python: self.check_mpirun(python, None))
    setattr(Ranks, "test_killed", lambda self, python=_python: self.check_killed(python, None))
    setattr(Ranks, "test_spawn", lambda self, python=_python: self.check_multiprocessing(python, "spawn"))

if __name__ == "__main__":
    unittest.main()

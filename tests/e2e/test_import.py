"""actscope import: PyTorch's memory snapshots as runs. The truth is the snapshot's own structure, replayed here: one that
PyTorch made, and those of an allocator that is simulated the way the caching allocator of CUDA records itself."""
import collections
import json
import os
import pickle
import random
import re
import sqlite3
import unittest

import harness

BEFORE = "allocated before the history begins"
START_US = 1_700_000_000_000_000


# ---- a device with a caching allocator that is recorded --------------------------------------------------------------

def frame(file, line, name):
    return {"filename": file, "line": line, "name": name}


LOOP = frame("/home/me/train.py", 120, "main")
TORCH = frame("/usr/lib/python3/dist-packages/torch/nn/modules/linear.py", 116, "forward")
PLACES = [[TORCH, frame("/home/me/model.py", 30 + i, "forward"), LOOP] for i in range(12)] + [[LOOP], []]


class Device:
    """Allocates and frees at random; keeps the last `entries` events, as a ring buffer does."""

    def __init__(self, number, entries, seed):
        self.random = random.Random(seed)
        self.number, self.entries = number, entries
        self.trace, self.live, self.pending = [], {}, []
        self.free, self.top = [], 0x7F0000000000 + (number << 36)
        self.time = START_US

    def record(self, action, address, size, frames):
        self.time += self.random.choice((0, 0, 1, 3, 50))
        self.trace.append({"action": action, "addr": address, "size": size, "stream": 0, "frames": list(frames),
                           "time_us": self.time})

    def allocate(self):
        size, place = self.random.choice((100, 4096, 65536, 1 << 20)) + self.random.randrange(64), self.random.choice(PLACES)
        if not self.free:
            self.record("segment_alloc", self.top, 20 << 20, place)
            self.free = [self.top + (i << 21) for i in range(10)]
            self.top += 20 << 20
        address = self.free.pop(self.random.randrange(len(self.free)))
        self.live[address] = size, place
        self.record("alloc", address, size, place)

    def release(self):
        address = self.random.choice(list(self.live))
        size, place = self.live[address]
        self.record("free_requested", address, size, [LOOP])
        if self.random.random() < 0.1:  # another stream still uses it
            self.pending.append(address)
            self.live[address] = size, place
        else:
            self.complete(address)

    def complete(self, address):
        size, _ = self.live.pop(address)
        self.record("free_completed", address, size, [])
        self.free.append(address)

    def run(self, count):
        for _ in range(count):
            if self.pending and self.random.random() < 0.5:
                self.complete(self.pending.pop(0))
            busy = set(self.pending)
            if len(self.live) > 40 + self.random.randrange(200) and len(self.live) > len(busy):
                address = next(a for a in self.live if a not in busy)
                self.live[address] = self.live.pop(address)
                self.release_one(busy)
            else:
                self.allocate()

    def release_one(self, busy):
        candidates = [a for a in self.live if a not in busy]
        live = {a: self.live.pop(a) for a in busy}
        try:
            if candidates:
                self.release()
        finally:
            self.live.update(live)

    def segments(self):
        blocks = [{"address": a, "size": -(-s // 512) * 512, "requested_size": s, "frames": list(place),
                   "state": "active_pending_free" if a in self.pending else "active_allocated"}
                  for a, (s, place) in self.live.items()]
        blocks += [{"address": a, "size": 512, "requested_size": 0, "frames": [], "state": "inactive"} for a in self.free]
        return {"device": self.number, "address": 0, "total_size": 0, "stream": 0, "blocks": blocks}

    def history(self):
        return self.trace[-self.entries:]


def snapshot(*devices):
    traces = [[] for _ in range(1 + max(device.number for device in devices))]
    for device in devices:
        traces[device.number] = device.history()
    return {"segments": [device.segments() for device in devices], "device_traces": traces, "allocator_settings": {}}


# ---- the truth -------------------------------------------------------------------------------------------------------

class Replay:
    """The live bytes of one device of a snapshot over its history: the peak, when, and by stack."""

    def __init__(self, dump, number=0):
        events = [e for e in dump["device_traces"][number] if e["action"] in ("alloc", "free_completed")]
        self.live, seen = {}, set()
        for event in events:
            if event["addr"] not in seen and event["action"] == "free_completed":
                self.live[event["addr"]] = event["size"], ()
            seen.add(event["addr"])
        for segment in dump["segments"]:
            address = segment["address"]
            for block in segment["blocks"] if segment.get("device", 0) == number else ():
                address = block.get("address", address)
                if block["state"].startswith("active") and address not in seen:
                    self.live[address] = block["requested_size"], self.stack(block["frames"])
                address += block["size"]
        self.earlier = len(self.live)
        self.peak, self.peak_us = self.total(), None
        self.at_peak = dict(self.live)
        now = self.peak
        for event in events:
            size = event["size"]
            if event["action"] == "alloc":
                self.live[event["addr"]] = size, self.stack(event["frames"])
                now += size
            else:
                del self.live[event["addr"]]
                now -= size
            if now > self.peak:
                self.peak, self.peak_us, self.at_peak = now, event.get("time_us"), dict(self.live)

    def total(self):
        return sum(size for size, _ in self.live.values())

    @staticmethod
    def stack(frames):
        """Outermost first, as stacks are collapsed."""
        return tuple(f["name"] for f in reversed(frames))

    def by_stack(self):
        sums = collections.Counter()
        for size, stack in self.at_peak.values():
            sums[stack] += size
        return sums


class Importing(harness.TestCase):
    def dump(self, what, name="run.pickle", protocol=pickle.DEFAULT_PROTOCOL):
        with open(self.path(name), "wb") as file:
            pickle.dump(what, file, protocol)

    def actscope(self, *words, status=0):
        result = self.run_program([harness.ACTSCOPE, *words], cwd=self.folder)
        self.assertEqual(result.returncode, status, result.stderr)
        return result

    def bring(self, what, *options, protocol=pickle.DEFAULT_PROTOCOL):
        self.dump(what, protocol=protocol)
        return self.actscope("import", "run.pickle", "-o", "run.act", *options)

    def collapsed(self):
        """{stack without lines and files: bytes}"""
        sums = collections.Counter()
        for line in self.actscope("export", "run.act", "--format", "collapsed").stdout.splitlines():
            stack, _, size = line.rpartition(" ")
            sums[tuple(re.sub(r"^\S+:\d+ ", "", name) for name in stack.split(";"))] += int(size)
        return sums


class Simulated(Importing):
    def test_peak_and_stacks_of_the_whole_history(self):
        device = Device(0, 10**9, 1)
        device.run(3000)
        dump = snapshot(device)
        truth = Replay(dump)
        for protocol in (2, 5):
            said = self.bring(dump, protocol=protocol).stderr
            self.assertNotIn("before the history", said)
            report = self.report(self.path("run.act"))
            self.assertEqual(report["peak"]["bytes"], truth.peak)
            first = next(e["time_us"] for e in dump["device_traces"][0])
            self.assertEqual(report["peak"]["time_ns"], (truth.peak_us - first) * 1000)
            self.assertEqual(sum(report["categories_at_peak"].values()), truth.peak)

    def test_stacks_at_the_peak(self):
        """Blocks without frames apart: those have no stack to be compared."""
        device = Device(0, 10**9, 2)
        device.run(2000)
        dump = snapshot(device)
        self.bring(dump)
        truth = Replay(dump).by_stack()
        truth.pop((), None)
        got = self.collapsed()
        self.assertLessEqual(len(set(got) - set(truth)), 1)
        self.assertEqual({stack: got[stack] for stack in truth}, dict(truth))

    def test_a_ring_buffer_that_lost_the_beginning(self):
        for entries in (1500, 100, 1):
            with self.subTest(entries=entries):
                device = Device(0, entries, 3)
                device.run(3000)
                dump = snapshot(device)
                truth = Replay(dump)
                said = self.bring(dump).stderr
                self.assertIn(f"{truth.earlier} blocks (", said)
                report = self.report(self.path("run.act"))
                self.assertEqual(report["peak"]["bytes"], truth.peak)
                self.assertIn((BEFORE,), self.collapsed())

    def test_no_history(self):
        device = Device(0, 10**9, 4)
        device.run(500)
        dump = {**snapshot(device), "device_traces": [[]]}
        for what in (dump, dump["segments"]):
            self.assertIn("has no history", self.bring(what).stderr)
            self.assertEqual(self.report(self.path("run.act"))["peak"]["bytes"], Replay(dump).peak)

    def test_several_devices(self):
        small, large = Device(0, 10**9, 5), Device(2, 10**9, 6)
        small.run(100)
        large.run(300)
        dump = snapshot(small, large)
        self.assertIn("this is device 2; 1 more is in the snapshot: --device", self.bring(dump).stderr)
        self.assertEqual(self.report(self.path("run.act"))["peak"]["bytes"], Replay(dump, 2).peak)
        self.bring(dump, "--device", "0")
        report = self.report(self.path("run.act"))
        self.assertEqual(report["peak"]["bytes"], Replay(dump, 0).peak)
        self.assertEqual(report["run"]["command"], "actscope import run.pickle --device 0")
        said = self.actscope("import", "run.pickle", "-o", "run.act", "--device", "1", status=2).stderr
        self.assertIn("nothing of device 1 is in it; device 2 has most", said)

    def test_sites_are_lines_of_the_program(self):
        """Not those of PyTorch's own modules."""
        place = [TORCH, frame("/home/me/model.py", 31, "forward"), LOOP]
        self.bring({"segments": [], "device_traces": [[
            {"action": "alloc", "addr": 4096, "size": 1 << 20, "stream": 0, "frames": place, "time_us": START_US}]]})
        text = self.actscope("report", "run.act").stdout
        self.assertIn("model.py:31 forward < train.py:120 main", text)
        self.assertNotIn("pid", text)
        self.assertIn("began 2023-11-1", self.actscope("info", "run.act").stdout)

    def test_every_command_works_on_it(self):
        device = Device(0, 2000, 7)
        device.run(3000)
        dump = snapshot(device)
        self.bring(dump)
        peak = Replay(dump).peak
        for words in (["info"], ["report"], ["report", "--format", "csv"], ["report", "--format", "md"],
                      ["report", "--format", "html"], ["project"], ["export", "--format", "chrome"],
                      ["export", "--format", "massif"], ["diff", "run.act"]):
            with self.subTest(words=words):
                self.assertTrue(self.actscope(words[0], "run.act", *words[1:]).stdout)
        self.actscope("export", "run.act", "--format", "pprof", "-o", "peak.pb.gz")
        self.actscope("analyze", "-q", "run.act")
        with sqlite3.connect(self.path("run.act.sqlite")) as store:
            self.assertEqual(store.execute("SELECT peak_bytes FROM run").fetchone(), (peak,))


class MadeByPyTorch(Importing):
    """From torch.profiler: no times, frames that have all in their names, blocks that are older than the history."""


def check_profile(self, python, _):
    if not harness.torch_at_least(python, 2, 1):
        self.skipTest("this PyTorch makes no snapshot of a profile")
    result = self.run_program([python, harness.program("pytorch_snapshot.py"), self.path("run.pickle")])
    self.assertEqual(result.returncode, 0, result.stderr)
    with open(self.path("run.pickle"), "rb") as file:
        dump = pickle.load(file)
    truth = Replay(dump)
    said = self.actscope("import", "run.pickle", "-o", "run.act").stderr
    self.assertIn("its events have no times", said)
    report = self.report(self.path("run.act"))
    self.assertEqual(report["peak"]["bytes"], truth.peak)
    text = self.actscope("report", "run.act", "--top", "0").stdout
    with open(harness.program("pytorch_snapshot.py"), encoding="utf-8") as file:
        line = 1 + file.read().splitlines().index("    def forward(self, x):")  # the profiler names a function's first
    self.assertIn(f"pytorch_snapshot.py:{line} forward", text)
    wanted = collections.Counter()
    for stack, size in truth.by_stack().items():
        wanted[tuple(re.sub(r"^.+\(\d+\): ", "", name) for name in stack) or (BEFORE,)] += size
    self.assertEqual(dict(self.collapsed()), dict(wanted))


harness.add_tests(MadeByPyTorch, ["profile"], check_profile)


class Refused(Importing):
    def test_nothing_is_executed(self):
        class Evil:
            def __reduce__(self):
                return os.mkdir, ("executed",)

        for protocol in range(2, 6):
            self.dump({"segments": [], "device_traces": [[Evil()]]}, protocol=protocol)
            said = self.actscope("import", "run.pickle", "-o", "run.act", status=3).stderr
            self.assertRegex(said, r"^actscope: run.pickle: byte \d+ asks to import, call or build an object")
        self.assertEqual(os.listdir(self.folder), ["run.pickle"])

    def test_cut_files(self):
        device = Device(0, 10**9, 8)
        device.run(200)
        self.dump(snapshot(device))
        with open(self.path("run.pickle"), "rb") as file:
            whole = file.read()
        for size in (1, 10, 1000, len(whole) // 2, len(whole) - 1):
            with open(self.path("run.pickle"), "wb") as file:
                file.write(whole[:size])
            said = self.actscope("import", "run.pickle", "-o", "run.act", status=3).stderr
            self.assertRegex(said, r"^actscope: run.pickle: .*: not a whole pickle; save it again")
        self.assertEqual(os.listdir(self.folder), ["run.pickle"])

    def test_what_is_there_is_left_alone(self):
        self.dump({"segments": [], "device_traces": []})
        with open(self.path("notes"), "w", encoding="utf-8") as file:
            file.write("mine")
        for target in ("notes", "run.pickle", "./run.pickle"):
            with self.subTest(target=target):
                self.actscope("import", "run.pickle", "-o", target, status=2)
        with open(self.path("notes"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "mine")

    def test_a_trace_that_is_there_is_replaced_only_by_a_whole_one(self):
        device = Device(0, 10**9, 9)
        device.run(50)
        self.bring(snapshot(device))
        before = os.stat(self.path("run.act")).st_size
        self.dump({"segments": [], "device_traces": []})
        said = self.actscope("import", "run.pickle", "-o", "run.act", status=3).stderr
        self.assertIn("no block and no event", said)
        self.assertEqual(os.stat(self.path("run.act")).st_size, before)

    def test_quiet(self):
        device = Device(0, 10, 10)
        device.run(50)
        self.assertEqual(self.bring(snapshot(device), "--quiet").stderr, "")


if __name__ == "__main__":
    unittest.main()

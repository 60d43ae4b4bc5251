"""Exports open in the tools that they are for: each is read by that tool where it is installed (ms_print, go tool pprof),
and always by a reader written here from the format's description; figures are held against the report's."""
import glob
import json
import os
import re
import shutil
import sys
from fractions import Fraction

import harness
import profile_proto

GPT = [os.path.join(harness.ROOT, "examples", "pytorch", "gpt.py"), "--steps", "3", "--layers", "2", "--embed", "128",
       "--block", "64", "--sample", "1"]


class ExportCase(harness.TestCase):
    def export(self, run, form):
        path = self.path("out." + form)
        result = self.run_program([harness.ACTSCOPE, "export", run, "--format", form, "-o", path])
        self.assertEqual(result.returncode, 0, result.stderr)
        return path

    def store(self, trace):
        path = self.path("run.sqlite")
        result = self.run_program([harness.ACTSCOPE, "analyze", trace, "-o", path])
        self.assertEqual(result.returncode, 0, result.stderr)
        return path

    # ---- Chrome ----

    def chrome(self, run):
        with open(self.export(run, "chrome"), encoding="utf-8") as file:
            return json.load(file, parse_float=Fraction)

    def check_chrome_schema(self, trace):
        """What "Trace Event Format" asks of each kind of event that is used."""
        self.assertIn(trace["displayTimeUnit"], ("ms", "ns"))
        needed = {"M": {"name", "args"}, "C": {"name", "ts", "args"}, "X": {"name", "ts", "dur", "cat"},
                  "i": {"name", "ts", "s"}}
        for event in trace["traceEvents"]:
            self.assertIn(event["ph"], needed)
            self.assertFalse(needed[event["ph"]] - event.keys(), event)
            self.assertIsInstance(event["pid"], int)
            self.assertIsInstance(event["tid"], int)
            for key in ("ts", "dur"):
                self.assertGreaterEqual(event.get(key, 0), 0, event)
            if event["ph"] == "C":
                self.assertTrue(event["args"] and all(isinstance(v, int) for v in event["args"].values()), event)
            if event["ph"] == "i":
                self.assertIn(event["s"], ("g", "p", "t"))

    def check_nesting(self, trace):
        """Slices of a thread lie beside or within one another; on a lane of saved blocks, beside."""
        threads = {}
        for event in trace["traceEvents"]:
            if event["ph"] == "X":
                threads.setdefault(event["tid"], []).append((event["ts"], -event["dur"], event["cat"]))
        for slices in threads.values():
            open_ends = []
            for begin, minus_duration, category in sorted(slices):
                while open_ends and open_ends[-1] <= begin:
                    open_ends.pop()
                self.assertTrue(not open_ends or category != "saved", "saved blocks overlap on a lane")
                if open_ends:
                    self.assertLessEqual(begin - minus_duration, open_ends[-1], "slices cross")
                open_ends.append(begin - minus_duration)

    def check_chrome(self, run, report):
        trace = self.chrome(run)
        self.check_chrome_schema(trace)
        self.check_nesting(trace)
        events = trace["traceEvents"]
        live = [sum(e["args"].values()) for e in events if e["ph"] == "C" and e["name"] == "live bytes"]
        self.assertEqual(max(live), report["peak"]["bytes"])
        by_category = [e["args"] for e in events if e["ph"] == "C" and e["name"] == "live bytes by category"]
        self.assertEqual([sum(args.values()) for args in by_category], live)
        self.assertIn(report["categories_at_peak"], [{c: args.get(c, 0) for c in report["categories_at_peak"]}
                                                     for args in by_category])
        instants = [e["name"] for e in events if e["ph"] == "i"]
        self.assertEqual(sorted(instants), sorted([f"step {s['index']}" for s in report["steps"]] + ["peak"]))
        return events

    def check_chrome_slices(self, events, report):
        """Each block of the step that is reported is a slice, from its first save to its last release."""
        step = report["saved"]["step"]
        slices = [e for e in events if e.get("cat") == "saved" and e["args"]["step"] == step]
        found = {(e["args"]["bytes"], tuple(e["args"]["holders"]), e["ts"], e["dur"]) for e in slices}
        for block in report["saved"]["list"]:
            begin = Fraction(min(h["save_ns"] for h in block["holders"]), 1000)
            end = Fraction(max(h["release_ns"] for h in block["holders"]), 1000)
            self.assertIn((block["bytes"], tuple(h["op"] for h in block["holders"]), begin, end - begin), found)
        steps = {e["args"]["step"] for e in events if e.get("cat") == "saved"}
        self.assertEqual(steps, {s["index"] for s in report["steps"]}, "saved blocks of every step")
        saved = [e["args"]["bytes"] for e in events if e["ph"] == "C" and e["name"] == "saved bytes"]
        self.assertEqual(max(saved), max(s["saved_bytes"] for s in report["steps"]))

    # ---- collapsed ----

    def check_collapsed(self, run, report):
        """As flamegraph.pl and speedscope read a line: all up to the last space is the stack, what follows a number."""
        path, total = self.export(run, "collapsed"), 0
        with open(path, encoding="utf-8") as file:
            for line in file:
                match = re.fullmatch(r"(.+) (\d+)\n", line)
                self.assertTrue(match, line)
                self.assertTrue(all(name and name == name.strip() for name in match.group(1).split(";")), line)
                self.assertGreater(int(match.group(2)), 0)
                total += int(match.group(2))
        self.assertEqual(total, report["peak"]["bytes"])
        self.check_flamegraph(path)

    def check_flamegraph(self, path):
        script = shutil.which("flamegraph.pl") or shutil.which("flamegraph")
        if script:
            result = self.run_program([script, "--countname", "bytes", path])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("</svg>", result.stdout)

    # ---- pprof ----

    def check_pprof(self, run, report):
        path = self.export(run, "pprof")
        profile = profile_proto.load(path)
        strings = profile["string_table"]
        self.assertEqual(strings[0], "")
        types = [(strings[t["type"]], strings[t["unit"]]) for t in profile["sample_type"]]
        self.assertEqual(types, [("inuse_objects", "count"), ("inuse_space", "bytes")])
        self.assertEqual(strings[profile["default_sample_type"]], "inuse_space")
        self.check_pprof_tables(profile)
        self.assertEqual(sum(s["value"][1] for s in profile["sample"]), report["peak"]["bytes"])
        self.check_go_pprof(path, report)
        return profile

    def check_pprof_tables(self, profile):
        """Ids are unique and not 0, and whatever refers to one finds it."""
        ids = {}
        for table in ("mapping", "location", "function"):
            ids[table] = {entry["id"] for entry in profile[table]}
            self.assertEqual(len(ids[table]), len(profile[table]))
            self.assertNotIn(0, ids[table])
        for location in profile["location"]:
            self.assertIn(location["mapping_id"], ids["mapping"] | {0})
            self.assertTrue(location["line"])
            self.assertLessEqual({line["function_id"] for line in location["line"]}, ids["function"])
        for sample in profile["sample"]:
            self.assertTrue(sample["location_id"])
            self.assertLessEqual(set(sample["location_id"]), ids["location"])
            self.assertEqual(len(sample["value"]), len(profile["sample_type"]))
        numbers = [f[key] for f in profile["function"] for key in ("name", "system_name", "filename")]
        numbers += [m[key] for m in profile["mapping"] for key in ("filename", "build_id")]
        numbers += [label[key] for s in profile["sample"] for label in s["label"] for key in ("key", "str")]
        self.assertLess(max(numbers), len(profile["string_table"]))

    def check_go_pprof(self, path, report):
        tools = glob.glob("/usr/lib/go-*/pkg/tool/*/pprof")  # where Debian's golang-go has it
        go = [shutil.which("go"), "tool", "pprof"] if shutil.which("go") else tools[:1]
        if os.environ.get("PPROF"):
            go = [os.environ["PPROF"]]
        if go:
            result = self.run_program([*go, "-unit=b", "-top", path])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertNotIn("<unknown>", result.stdout)
            total = re.search(r"of (\d+)B total", result.stdout) or re.search(r"= (\d+)B", result.stdout)
            self.assertEqual(int(total.group(1)), report["peak"]["bytes"], result.stdout[:400])

    # ---- massif ----

    def check_massif(self, run, report):
        path = self.export(run, "massif")
        with open(path, encoding="utf-8") as file:
            snapshots = MassifReader(self, file.read()).read()
        peaks = [s for s in snapshots if s["heap_tree"] == "peak"]
        self.assertEqual([s["mem_heap_B"] for s in peaks], [report["peak"]["bytes"]])
        self.assertEqual(peaks[0]["time"], report["peak"]["time_ns"] // 1000000)
        self.assertEqual(max(s["mem_heap_B"] for s in snapshots), report["peak"]["bytes"])
        self.assertLessEqual(len(snapshots), 100)
        self.check_ms_print(path, report)
        return peaks[0]

    def check_ms_print(self, path, report):
        if shutil.which("ms_print"):
            result = self.run_program(["ms_print", path])
            self.assertEqual((result.returncode, result.stderr), (0, ""), result.stdout[-400:])
            self.assertIn("(peak)]", result.stdout)
            self.assertIn(f"{report['peak']['bytes']:,}", result.stdout)


class MassifReader:
    """massif.out as ms_print's source reads it: comments from '#' on, key=value lines, a tree of nNUMBER: lines."""

    def __init__(self, test, text):
        lines = [re.sub("#.*", "", line) for line in text.split("\n")]
        self.test, self.lines = test, [line for line in lines if line.strip()]

    def take(self, pattern):
        match = re.fullmatch(pattern, self.lines.pop(0))
        self.test.assertTrue(match, pattern)
        return match

    def read(self):
        self.take(r"desc: .*")
        self.take(r"cmd: .+")
        self.take(r"time_unit: (i|ms|B)")
        snapshots = []
        while self.lines:
            snapshots.append(self.snapshot())
            self.test.assertEqual(snapshots[-1]["snapshot"], len(snapshots) - 1)
        times = [s["time"] for s in snapshots]
        self.test.assertEqual(times, sorted(times))
        return snapshots

    def snapshot(self):
        result = {}
        for key in ("snapshot", "time", "mem_heap_B", "mem_heap_extra_B", "mem_stacks_B"):
            result[key] = int(self.take(key + r"=(\d+)").group(1))
        result["heap_tree"] = self.take(r"heap_tree=(empty|detailed|peak)").group(1)
        if result["heap_tree"] != "empty":
            result["tree"] = self.node(0)
            self.test.assertEqual(result["tree"]["bytes"], result["mem_heap_B"])
        return result

    def node(self, depth):
        match = self.take(rf" {{{depth}}}n(\d+): (\d+) (.+)")
        node = {"bytes": int(match.group(2)), "text": match.group(3), "children": []}
        for _ in range(int(match.group(1))):
            node["children"].append(self.node(depth + 1))
        below = sum(child["bytes"] for child in node["children"])
        self.test.assertLessEqual(below, node["bytes"])
        if depth == 0:
            self.test.assertEqual(below, node["bytes"], "the first level accounts for all")
        return node


class Plain(ExportCase):
    """A program without PyTorch: no steps, no saved blocks."""

    def test_every_format(self):
        code = "kept = [bytearray(1 << 20) for _ in range(8)]; kept = None; print(len([bytearray(5000)] * 100))"
        run = self.record("plain", [sys.executable, "-c", code]).trace
        report = self.report(run)
        events = self.check_chrome(run, report)
        self.assertFalse([e for e in events if e["ph"] == "X"])
        self.check_collapsed(run, report)
        self.check_pprof(run, report)
        self.check_massif(run, report)

    def test_python_lines(self):
        """Functions of Python have their files and lines in every format, and keep names such as <module>."""
        self.write_program("lines.py", "def keep():\n    return bytearray(1 << 20)\n\n\nkept = [keep()]\n")
        run = self.record("lines", [sys.executable, self.path("lines.py")], ["--python-stacks"]).trace
        report = self.report(run)
        self.check_collapsed(run, report)
        with open(self.path("out.collapsed"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"lines\.py:5 <module>;(.*;)?lines\.py:2 keep")
        profile = self.check_pprof(run, report)
        strings = profile["string_table"]
        functions = {strings[f["name"]]: f for f in profile["function"]
                     if strings[f["filename"]] == self.path("lines.py")}
        self.assertEqual(set(functions), {"<module>", "keep"})
        self.assertEqual(functions["<module>"]["system_name"], 0)
        lines = {line["line"] for location in profile["location"] for line in location["line"]
                 if line["function_id"] == functions["keep"]["id"]}
        self.assertEqual(lines, {2})
        self.check_massif(run, report)

    def write_program(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_binary_is_kept_from_a_terminal(self):
        run = self.record("true", ["/bin/true"]).trace
        command = f"{harness.ACTSCOPE} export {run} --format pprof"
        result = self.run_program(["script", "-qec", command, "/dev/null"])
        self.assertEqual(result.returncode, 2, result.stdout)
        self.assertIn("-o", result.stdout)

    def test_unknown_format(self):
        result = self.run_program([harness.ACTSCOPE, "export", "x", "--format", "perf"])
        self.assertEqual(result.returncode, 2)
        self.assertIn("collapsed, chrome, pprof, massif", result.stderr)


class Torch(ExportCase):
    def check(self, python, _kind):
        run = self.record("gpt", [python, *GPT]).trace
        report = self.report(run)
        self.check_collapsed(run, report)
        self.check_torch_chrome(run, report)
        self.check_torch_pprof(run, report)
        self.check_torch_massif(run, report)
        self.check_torch_store(run)

    def check_torch_chrome(self, run, report):
        self.check_chrome_slices(self.check_chrome(run, report), report)

    def check_torch_pprof(self, run, report):
        profile = self.check_pprof(run, report)
        strings, totals = profile["string_table"], {}
        for sample in profile["sample"]:
            labels = {strings[label["key"]]: strings[label["str"]] for label in sample["label"]}
            totals[labels["category"]] = totals.get(labels["category"], 0) + sample["value"][1]
        # A site counts whole for the category of most of its bytes.
        self.assertWithin(0.01, totals["saved_activation"], report["categories_at_peak"]["saved_activation"], "saved")
        built = {os.path.basename(strings[m["filename"]]): strings[m["build_id"]] for m in profile["mapping"]}
        torch = next(identity for name, identity in built.items() if name.startswith("libtorch_cpu.so"))
        self.assertRegex(torch, "^([0-9a-f]{2}){8,}$")

    def check_torch_massif(self, run, report):
        tree = self.check_massif(run, report)["tree"]
        largest = max((child for child in tree["children"] if "[small blocks]" not in child["text"]),
                      key=lambda child: child["bytes"])
        self.assertRegex(largest["text"], "^0x0: .*alloc_cpu")
        self.assertTrue(largest["children"])

    def check_torch_store(self, run):
        """What a store exports is the trace's, byte for byte."""
        store = self.store(run)
        for form in ("collapsed", "chrome", "pprof", "massif"):
            with open(self.export(run, form), "rb") as file:
                of_trace = file.read()
            with open(self.export(store, form), "rb") as file:
                self.assertEqual(file.read(), of_trace, form)


harness.add_tests(Torch, ["gpt"], Torch.check)

"""`record --python-stacks`: the lines in the stacks of blocks are those that Python itself says, block by block, in every
CPython there is; and the program is none the worse for it."""
import functools
import glob
import json
import os
import re
import sqlite3
import subprocess

import harness

PROGRAM = harness.program("python_lines.py")
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
CASES = ["functions", "comprehensions", "generators", "classes", "decorators", "callbacks", "exceptions", "collected",
         "executed", "recursion", "threads", "tasks", "signals", "traced", "imported"]
DEPTH = 128  # frames of a stack, the native ones included


@functools.lru_cache(maxsize=None)
def version_of(python):
    try:
        result = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                                capture_output=True, text=True, timeout=60, check=True)
        return result.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


@functools.lru_cache(maxsize=None)
def interpreters():
    """(name, path): Debian's, and one of each version, where pyenv or PATH has them."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    found = [("debian", "/usr/bin/python3")] if os.access("/usr/bin/python3", os.X_OK) else []
    for version in VERSIONS:
        paths = sorted(glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python3")))
        paths += [os.path.join(folder, "python" + version) for folder in os.environ.get("PATH", "").split(":")]
        found += [(version, path) for path in paths if version_of(path) == version][:1]
    return tuple(found)


def has(python, module):
    return subprocess.run([python, "-c", "import " + module], capture_output=True, timeout=60).returncode == 0


def add_version_tests(case):
    """test_KIND_python_NAME calls check_KIND(self, path); of a version that is not there, skipped."""
    kinds = ["every_block", "every_malloc", "stress", "places", "wrong_layout"]
    there = dict(interpreters())
    for kind in kinds:
        for name in ("debian", *VERSIONS):
            def test(self, name=name, kind=kind):
                if name not in there:
                    self.skipTest("no CPython " + name)
                getattr(self, "check_" + kind)(there[name])
            setattr(case, f"test_{kind}_python_{name}", test)
    return case


class Store:
    """What lived at the peak, by the frames of its stack."""

    def __init__(self, test, trace):
        path = trace + ".sqlite"
        result = test.run_program([harness.ACTSCOPE, "analyze", trace, "-o", path])
        test.assertEqual(result.returncode, 0, result.stderr)
        database = sqlite3.connect(path)
        self.frames = {row[0]: row[1:] for row in database.execute("SELECT frame, file, line, function, module FROM frame")}
        self.stacks = {key: [self.frames[frame] for frame in json.loads(frames)]
                       for key, frames in database.execute("SELECT stack, frames FROM stack")}
        self.sites = database.execute("SELECT stack, bytes, blocks, site FROM site").fetchall()
        database.close()

    @staticmethod
    def lines(stack):
        """Of the program: without the functions of a package that it has called."""
        lines = [(file, line, function) for file, line, function, module in stack if file and not module]
        while lines and "-packages/" in lines[0][0]:
            lines.pop(0)
        return tuple(lines)

    def by_lines(self):
        """(lines, was the stack cut?) -> bytes."""
        found = {}
        for key, size, _, _ in self.sites:
            stack = self.stacks[key]
            lines = self.lines(stack)
            cut = not stack or stack[-1][2] not in ("_start", "clone3", "__clone3")
            found[lines, cut] = found.get((lines, cut), 0) + size
        return found


def as_utf8(text):
    return "".join("\ufffd" if 0xD800 <= ord(c) < 0xE000 else c for c in text)


class PythonLines(harness.TestCase):
    def truth(self, path):
        """Bytes by frames."""
        wanted = {}
        for block in self.load(path):
            frames = tuple((as_utf8(file), line, function) for file, line, function in block["frames"])
            wanted[frames] = wanted.get(frames, 0) + block["bytes"]
        return wanted

    def run_case(self, python, cases, options=(), **more):
        run = self.record("run", [python, PROGRAM, self.path("truth.json"), *cases], ["--python-stacks", *options], **more)
        self.assertNotIn("no lines of Python", run.stderr)
        return Store(self, run.trace), self.truth(self.path("truth.json"))

    def compare(self, store, wanted):
        """Every block has the lines that it was made in: all of them, or as many as the stack had room for."""
        found = store.by_lines()
        for frames, size in wanted.items():
            whole = found.get((frames, False))
            if whole is not None and whole >= size:
                found[frames, False] = whole - size
                continue
            cut = [key for key in found if key[1] and key[0] and key[0] == frames[:len(key[0])] and len(key[0]) > 8]
            sizes = [found[key] for key in cut]
            if size not in sizes:
                near = [key for key in found if key[0][:1] == frames[:1]]
                self.fail(f"{size} bytes at {frames[:4]}...: found {whole}, cut {sizes}, others there: "
                          f"{[(found[key], key[1], key[0][:4]) for key in near]}")
            found[cut[sizes.index(size)]] = 0

    def check_every_block(self, python):
        cases = CASES + (["arrays"] if has(python, "numpy") else []) + (["greenlets"] if has(python, "greenlet") else [])
        store, wanted = self.run_case(python, cases)
        info = json.loads(self.run_program([harness.ACTSCOPE, "info", "--json", self.path("run.actscope")]).stdout)
        self.assertRegex(info["python"], r"^CPython %s\.\d+$" % re.escape(version_of(python)))
        self.assertGreater(len(wanted), 150)
        self.compare(store, wanted)

    def check_every_malloc(self, python):
        """The interpreter's own objects, too, come from malloc, so that frames are read in the midst of everything."""
        store, wanted = self.run_case(python, ["functions", "generators", "executed", "exceptions"],
                                      ["--min-size", "0"], env={"PYTHONMALLOC": "malloc"})
        self.compare(store, wanted)

    def check_stress(self, python):
        run = self.record("run", [python, harness.program("python_lines_stress.py"), self.path("truth.json")],
                          ["--python-stacks"])
        self.assertEqual(run.stdout, json.dumps({"kept": len(self.load(self.path("truth.json")))}) + "\n")
        child, = glob.glob(run.trace + ".*")
        self.compare(Store(self, run.trace), self.truth(self.path("truth.json")))
        self.compare(Store(self, child), self.truth(self.path("truth.json.child")))

    def check_places(self, python):
        """Lines stand where the interpreter's evaluation functions stood: none is left, and C's frames are between."""
        store, wanted = self.run_case(python, ["callbacks"])
        frames = {frame for frame in wanted if frame[0][2].endswith("<lambda>")}
        seen = 0
        for stack in store.stacks.values():
            lines = store.lines(stack)
            if lines not in frames:
                continue
            seen += 1
            names = [function for _, _, function, _ in stack]
            self.assertNotIn("_PyEval_EvalFrameDefault", names)
            first, last = names.index(lines[0][2]), len(names) - 1 - names[::-1].index(lines[-1][2])
            self.assertTrue([name for name in names[:first] if "bytearray" in name.lower()], names)
            self.assertIn("_start", names[last:])
            between = names[first + 1:names.index(lines[1][2])]
            self.assertTrue(between, "no frame of C between the callback and who asked for it")
        self.assertGreaterEqual(seen, 3)


    def check_wrong_layout(self, python):
        run = self.record("run", [python, harness.program("python_wrong_layout.py")], ["--python-stacks"])
        own = int(version_of(python).split(".")[1])
        found = dict(line.split() for line in run.stdout.splitlines())
        self.assertEqual(found.pop(str(own)), "passed")
        self.assertEqual((found.pop("8"), found.pop("14")), ("refused", "refused"))
        self.assertEqual(set(found.values()), {"failed"}, found)

    def test_interpreters_that_are_not_read(self):
        """A program that is no Python, or one that reads no start-up file: a note, and nothing else."""
        for command in (["/bin/echo", "fine"], [*"/usr/bin/python3 -I -c".split(), "print('fine')"],
                        [*"/usr/bin/python3 -S -c".split(), "print('fine')"]):
            run = self.record("run", command, ["--python-stacks"])
            self.assertEqual(run.stdout, "fine\n")
            self.assertIn("note: no lines of Python: no Python", run.stderr)

    def test_without_stacks(self):
        """Lines have nowhere to go: wrong usage, before anything runs."""
        result = self.run_program([harness.ACTSCOPE, "record", "--python-stacks", "--stack-depth", "0", "-o",
                                   self.path("run.actscope"), "--", "/bin/echo", "ran"])
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("--python-stacks puts lines into stacks", result.stderr)

    def check_tensors(self, python, _):
        """Blocks that torch makes have the lines of those who asked, through torch's own lines of Python."""
        store, wanted = self.run_case(python, ["tensors"], ["--no-probe"])
        self.compare(store, wanted)

    def check_saved(self, python, _):
        """A saved activation is the line's that made it; our own start-up files, at work in between, are left out."""
        for options in (["--layers"], ["--probe=hooks"]):
            with self.subTest(options=options):
                truth = self.path("truth.json")
                run = self.record("run", [python, PROGRAM, truth, "training"], ["--python-stacks", *options])
                report = self.report(run.trace)
                outputs = [(block["bytes"], block["frames"][0]) for block in self.load(truth) if "output" in block]
                made = [block for block in report["saved"]["list"] if block["op_allocated"] not in ("", "randn", "pow")]
                self.assertGreaterEqual(len(made), 4, report["saved"]["list"])
                for block in made:
                    lines = [line for line in block["python_stack"] if line["file"] == PROGRAM]
                    innermost = [lines[0][key] for key in ("file", "line", "function")]
                    self.assertIn((block["bytes"], innermost), outputs, block)
                    self.assertTrue(block["site"].startswith("%s:%d %s" % (os.path.basename(PROGRAM), *innermost[1:])), block)
                for file, _, _, _ in Store(self, run.trace).frames.values():
                    self.assertNotIn("/actscope/startup/", file)


add_version_tests(PythonLines)
for _kind in ("tensors", "saved"):
    harness.add_tests(PythonLines, [_kind], getattr(PythonLines, "check_" + _kind))

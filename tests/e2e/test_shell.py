"""The habits of a good tool: help, progress lines, colour, --quiet, exit statuses, suggestions, output that cannot be
written, and what `doctor' tells of this machine."""
import json
import os
import pickle
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import harness
from terminal import Terminal, without_escapes

TINY = ["mlp", "--set", "layers=1", "--set", "width=8", "--set", "inputs=6", "--batch", "4"]
TINY_GPT = ["gpt", "--set", "layers=1", "--set", "width=16", "--set", "heads=2", "--sequence", "8", "--batch", "2"]
# Long enough for a progress line, which comes after 0.4 s, on any machine; a second or two on a slow one.
TRAINING = ["replay", "gpt", "--bits", "0", "--steps", "30"]
ERASED = "\r\x1b[K"


class Shell(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="actscope-shell.")
        self.addCleanup(shutil.rmtree, self.folder)
        self.env = {key: value for key, value in os.environ.items()
                    if key not in ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "VIRTUAL_ENV", "CONDA_PREFIX")}
        self.env.update(LC_ALL="C.UTF-8", TERM="xterm", OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive")

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def run_shell(self, line, **settings):
        """A line of sh, $A the program."""
        return subprocess.run(["sh", "-c", line], cwd=self.folder, capture_output=True, text=True, check=False,
                              timeout=harness.TIMEOUT_S, env={**self.env, "A": harness.ACTSCOPE, **settings})

    def actscope(self, *words, **settings):
        return subprocess.run([harness.ACTSCOPE, *words], cwd=self.folder, capture_output=True, text=True, check=False,
                              timeout=harness.TIMEOUT_S, env={**self.env, **settings}, stdin=subprocess.DEVNULL)

    def terminal(self, *words, columns=80, stdout=None, **settings):
        """The program at a terminal."""
        terminal = Terminal([harness.ACTSCOPE, *words], self.folder, {**self.env, **settings}, columns,
                            self.path(stdout) if stdout else None)
        self.addCleanup(terminal.close)
        return terminal

    def record(self, name="run.act"):
        self.assertEqual(self.actscope("record", "-q", "--min-size", "0", "-o", name, "--", "/bin/sh", "-c", ":").stderr,
                         "")


# ---- progress -------------------------------------------------------------------------------------------------------

class Progress(Shell):
    def lines(self, text):
        """Those that were drawn over each other."""
        return [line for line in text.replace("\x1b[K", "").split("\r") if line.strip()]

    def test_a_line_that_goes_again(self):
        terminal = self.terminal(*TRAINING, stdout="out")
        self.assertEqual(terminal.finish(harness.TIMEOUT_S), 0)
        drawn = self.lines(terminal.all)
        self.assertTrue(drawn, terminal.all)
        self.assertTrue(terminal.all.endswith(ERASED))
        for line in drawn:
            self.assertRegex(line, r"^actscope: training  [━─]{8,} +\d+%(  \d+:\d\d left)?$")
            self.assertLess(len(line), 80)
        shares = [int(re.search(r"(\d+)%", line).group(1)) for line in drawn]
        self.assertEqual(shares, sorted(shares))
        with open(self.path("out"), encoding="utf-8") as out:
            self.assertIn("gpt", out.read())

    def test_widths(self):
        """The window is made narrow on the way."""
        terminal = self.terminal(*TRAINING, columns=50, stdout="out", LC_ALL="C")
        terminal.expect("%")
        terminal.resize(30)
        terminal.expect(r"training +\d+%$")  # one may have been on its way
        mark = len(terminal.all)
        self.assertEqual(terminal.finish(harness.TIMEOUT_S), 0)
        for line in self.lines(terminal.all[:mark]):
            self.assertRegex(line, r"^actscope: training(  \[=* *\])? +\d+%(  \d+:\d\d left)?$")
            self.assertLess(len(line), 50)
        for line in self.lines(terminal.all[mark:]):
            self.assertLess(len(line), 30)

    def test_none_where_it_is_not_wanted(self):
        for words, settings in ((["--quiet"], {}), ([], {"TERM": "dumb"}), ([], {"TERM": ""})):
            with self.subTest(words=words, settings=settings):
                terminal = self.terminal(*TRAINING, *words, stdout="out", **settings)
                self.assertEqual(terminal.finish(harness.TIMEOUT_S), 0)
                self.assertEqual(terminal.all, "")
        self.assertEqual(self.actscope(*TRAINING).stderr, "")

    def test_none_from_the_background(self):
        shell = Terminal(["bash", "--norc", "--noprofile", "-i"], self.folder, {**self.env, "PS1": "ready: "})
        self.addCleanup(shell.close)
        shell.expect("ready: $")
        shell.send(f"{harness.ACTSCOPE} {' '.join(TRAINING)} >out & wait; echo e''nd\n")
        self.assertNotIn("training", shell.expect("\nend"))
        self.assertGreater(os.path.getsize(self.path("out")), 0)


# ---- help -----------------------------------------------------------------------------------------------------------

FAKE_MAN = """#!/bin/sh
echo "$@" >>asked
case $1 in -w) exit {found} ;; esac
echo "the page of $1"
"""


class Help(Shell):
    def test_commands_in_groups(self):
        result = self.actscope("help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(result.stdout, self.actscope("--help").stdout)
        groups = re.findall(r"^(\w.*):$", result.stdout, re.M)
        self.assertIn("Record a run", groups)
        self.assertGreater(len(groups), 4)
        self.assertTrue(all(len(line) <= 80 for line in result.stdout.splitlines()), result.stdout)

    def test_in_a_pipe_and_without_man(self):
        text = self.actscope("report", "--help").stdout
        self.assertIn("Usage: actscope report [OPTION...] RUN", text)
        self.write("man", FAKE_MAN.format(found=0), 0o755)
        self.assertEqual(self.actscope("help", "report", PATH=self.folder).stdout, text)
        os.unlink(self.path("man"))
        terminal = self.terminal("help", "report", PATH=self.folder)
        self.assertEqual(terminal.finish(), 0)
        self.assertEqual(terminal.all.replace("\r\n", "\n"), text)

    def test_man_at_a_terminal(self):
        self.write("man", FAKE_MAN.format(found=0), 0o755)
        terminal = self.terminal("help", "report", PATH=self.folder)
        self.assertEqual(terminal.finish(), 0)
        self.assertRegex(terminal.all, r"^the page of (\S*/)?actscope-report")
        with open(self.path("asked"), encoding="ascii") as asked:
            self.assertRegex(asked.read(), r"^-w \S*actscope-report\S*\n\S*actscope-report\S*\n$")

    def test_man_without_the_page(self):
        self.write("man", FAKE_MAN.format(found=16), 0o755)
        terminal = self.terminal("help", "report", PATH=self.folder)
        self.assertEqual(terminal.finish(), 0)
        self.assertIn("Usage: actscope report", terminal.all)

    def expect_page_of_info(self, program):
        """Found by where the program is, not by MANPATH."""
        if not shutil.which("man"):
            self.skipTest("no man: install man-db")
        terminal = Terminal([program, "help", "info"], self.folder, {**self.env, "MANPAGER": "cat",
                                                                     "MANPATH": self.folder})
        self.addCleanup(terminal.close)
        self.assertEqual(terminal.finish(), 0)
        self.assertIn("ACTSCOPE-INFO(1)", re.sub(".\x08", "", without_escapes(terminal.all)))

    def test_the_page_before_it_is_installed(self):
        self.expect_page_of_info(harness.ACTSCOPE)

    def test_the_page_of_this_installation(self):
        os.makedirs(self.path("prefix/bin"))
        os.makedirs(self.path("prefix/share/man/man1"))
        shutil.copy(harness.ACTSCOPE, self.path("prefix/bin/actscope"))
        shutil.copy(os.path.join(harness.ROOT, "docs", "man", "actscope-info.1"), self.path("prefix/share/man/man1"))
        self.expect_page_of_info(self.path("prefix/bin/actscope"))

    def test_suggestions(self):
        for words, message in (
                (["reprot"], "actscope: unknown command 'reprot': did you mean 'report'?"),
                (["help", "verfy"], "actscope: unknown command 'verfy': did you mean 'verify'?"),
                (["report", "--fromat=json", "x"], "actscope: unrecognized option '--fromat'; did you mean '--format'?"),
                (["report", "--format", "jsno", "x"], "csv, md, html; did you mean 'json'?"),
                (["export", "--format", "masif", "x"], "did you mean 'massif'?"),
                (["project", "--functions", "gelu,sliu", "x"], "did you mean 'silu'?"),
                (["quantize", "gleu"], "did you mean 'gelu'?"),
                (["verify", "--tensors", "x,y", "--function", "sulu"], "did you mean 'silu'?"),
                (["apply", "--bits", "3", "--functions", "gelu,sliu", "--", "python3"], "did you mean 'silu'?"),
                (["plan", "gtp2"], "did you mean 'gpt2'?"),
                (["plan", "gpt", "--set", "widht=3"], "did you mean 'width'?"),
                (["replay", "resnet50"], "did you mean 'resnet-50'?"),
                (["replay", "gpt", "--optimizer", "adam"], "did you mean 'adamw'?"),
                (["imprt", "x"], "did you mean 'import'?"), (["import", "--devcie", "1", "x"], "did you mean '--device'?"),
                (["record", "--qiet", "--", "true", "--fromat"], "'--qiet'; did you mean '--quiet'?")):
            with self.subTest(words=words):
                result = self.actscope(*words)
                self.assertEqual((result.returncode, result.stdout), (2, ""))
                self.assertIn(message, result.stderr)

    def test_no_suggestions(self):
        """What is nothing like, what is no option but a value, and what belongs to another program."""
        self.assertNotIn("mean", self.actscope("report", "--xyzzy", "x").stderr)
        self.assertNotIn("mean", self.actscope("report", "-o", "--jsno", "missing").stderr)
        self.assertNotIn("mean", self.actscope("report", "--", "--jsno").stderr)
        self.assertEqual(self.actscope("record", "-o", "x", "--", "sh", "-c", "exit 5", "--qiet").returncode, 5)
        self.assertEqual(self.actscope("record", "-o", "y", "sh", "-c", "exit 6", "--qiet").returncode, 6)


# ---- exit statuses --------------------------------------------------------------------------------------------------

# Each command through the statuses that it can end with; $A is the program, in a folder with run.act, a run, rich.act, one
# with a higher peak, snapshot, a pickle, and words, nothing that is known. `record' and `apply' pass on those of the program that they run.
STATUSES = [
    (2, "$A"), (0, "$A help"), (0, "$A help info"), (0, "$A --version"), (2, "$A nosuch"), (2, "$A help nosuch"),
    (2, "$A help info report"), (3, "$A help >/dev/full"), (3, "$A --version >/dev/full"),
    (0, "$A record -o t -- true"), (1, "$A record -o t -- false"), (7, "$A record -o t -- sh -c 'exit 7'"),
    (143, "$A record -o t -- sh -c 'kill -TERM $$'"), (2, "$A record"), (2, "$A record --min-size x -- true"),
    (3, "$A record -o t -- /nonexistent"), (3, "$A record -o /nonexistent/t -- true"), (3, "$A record -o t -- ./words"),
    (0, "$A apply --bits 3 -- python3 -c pass"), (1, "$A apply --bits 3 -- python3 -c 'raise SystemExit(1)'"),
    (9, "$A apply --bits 3 -- python3 -c 'raise SystemExit(9)'"), (2, "$A apply -- python3"), (2, "$A apply --bits 3"),
    (2, "$A apply --bits 3 --functions nosuch -- python3"), (3, "$A apply --bits 3 -- true"),
    (3, "$A apply --bits 3 --weight histogram:none -- python3"), (3, "$A apply --bits 3 -- nonexistent-python"),
    (0, "$A info run.act"), (2, "$A info"), (3, "$A info words"), (3, "$A info none"), (3, "$A info run.act >/dev/full"),
    (0, "$A analyze -q run.act"), (2, "$A analyze run.act -o run.act"), (2, "$A analyze run.act -o words"),
    (3, "$A analyze none"), (3, "$A analyze run.act -o /nonexistent/s"),
    (0, "$A report run.act -f html"), (3, "$A report run.act -q --plots words"), (3, "$A report run.act --verify words"),
    (3, "$A report run.act --verify missing"), (0, "$A report run.act"), (2, "$A report run.act -f nosuch"), (2, "$A report run.act -o ./run.act"),
    (0, "$A report run.act run.act"), (3, "$A report run.act words"), (2, "$A report run.act words --op gelu"),
    (2, "$A report run.act words -f csv --table by_op"), (2, "$A report run.act -f csv --table nodes"),
    (2, "$A report run.act words -f html"), (2, "$A report run.act words --plots d"),
    (2, "$A report run.act words -o ./run.act"), (3, "$A info run.act words"), (0, "$A info run.act run.act --json"),
    (2, "$A project run.act run.act"), (2, "$A record -o 'x%z' -- true"), (2, "$A record -o 'x%q{NONE_SUCH}' -- true"),
    (3, "$A report words"), (3, "$A report run.act -o /nonexistent/r"), (3, "$A report run.act >/dev/full"),
    (0, "$A diff run.act rich.act"), (0, "$A diff --max-growth 0 run.act run.act"),
    (1, "$A diff --max-growth 1 run.act rich.act"), (2, "$A diff run.act"), (3, "$A diff run.act none"),
    (3, "$A diff run.act run.act >/dev/full"),
    (0, "$A project run.act"), (2, "$A project run.act --bits 9"), (3, "$A project none"),
    (3, "$A project run.act >/dev/full"),
    (0, "$A import snapshot -o i"), (2, "$A import snapshot"), (2, "$A import -o i"), (2, "$A import snapshot -o words"),
    (2, "$A import snapshot -o snapshot"), (2, "$A import snapshot --device 1 -o i"), (3, "$A import none -o i"),
    (3, "$A import words -o i"), (3, "$A import snapshot -o /nonexistent/i"),
    (0, "$A export run.act -f massif"), (2, "$A export run.act"), (3, "$A export words -f massif"),
    (3, "$A export run.act -f pprof >/dev/full"),
    (0, "$A quantize gelu"), (2, "$A quantize nosuch"), (2, "$A quantize --table words -o words"),
    (3, "$A quantize --table none"), (3, "$A quantize --table words"), (3, "$A quantize gelu >/dev/full"),
    (0, "$A plan mlp"), (2, "$A plan nosuch"), (2, "$A plan mlp --set nosuch=1"), (2, "$A plan mlp --sequence 4"),
    (3, "$A plan none.model"), (3, "$A plan words.model"), (3, "$A plan mlp >/dev/full"),
    (0, "$A models"), (2, "$A models nosuch"), (3, "$A models >/dev/full"),
    (0, "$A replay run.act"), (0, "$A replay $TINY --steps 1"), (2, "$A replay nosuch"), (2, "$A replay mlp --steps 0"),
    (2, "$A replay run.act --steps 1"), (3, "$A replay none.act"), (3, "$A replay $TINY --steps 1 >/dev/full"),
    (0, "$A verify run.act"), (0, "$A verify $TINY --data random --min-cosine 0.01"),
    (1, "$A verify $TINY --data random --bits 1 --min-cosine 0.9999999"), (2, "$A verify nosuch"), (2, "$A verify"),
    (2, "$A verify $TINY --train --all"), (2, "$A verify $TINY --train --min-cosine 0.9"), (3, "$A verify none.act"),
    (2, "$A verify $TINY --data random --data-file words"), (3, "$A verify words"),
    (3, "$A verify $GPT --train --optimizer sgd --rate 1e5 --steps 20 --seeds 1 --data-file words"),  # it diverges
    (3, "$A verify $TINY --data random >/dev/full"),
    (0, "$A doctor"), (1, "ACTSCOPE_FEWBIT_ISA=nosuch $A doctor"), (2, "$A doctor words"), (3, "$A doctor >/dev/full"),
]


class Statuses(Shell):
    def test_each_command_through_its_statuses(self):
        self.record()
        self.assertEqual(self.actscope("record", "-qo", "rich.act", "--", sys.executable, "-c", "x = bytearray(10**7)")
                         .returncode, 0)
        self.write("words", "no trace, no table, no model\n" * 40)
        shutil.copy(self.path("words"), self.path("words.model"))
        with open(self.path("snapshot"), "wb") as file:
            pickle.dump({"segments": [], "device_traces": [[{"action": "alloc", "addr": 4096, "size": 8}]]}, file)
        seen = {}
        for status, line in STATUSES:
            with self.subTest(line=line):
                result = self.run_shell(line, TINY=" ".join(TINY), GPT=" ".join(TINY_GPT))
                self.assertEqual(result.returncode, status, result.stderr)
                if status in (2, 3):
                    self.assertRegex(result.stderr, "(?m)^(actscope|Usage:)")
                self.assertNotIn("Traceback", result.stderr)
                seen.setdefault((line.split("$A ") + [""])[1].split(" ")[0], set()).add(status)
        for command in re.findall(r"^  ([a-z]+) +\S", self.actscope("--help").stdout.split("Start")[0], re.M):
            with self.subTest(command=command):
                self.assertLessEqual({0, 2, 3}, seen.get(command, set()))
        for command in ("record", "apply", "diff", "verify", "doctor"):
            self.assertIn(1, seen[command])


# ---- output ---------------------------------------------------------------------------------------------------------

class Output(Shell):
    def test_colour(self):
        self.record()
        for words, settings, colour in (
                ([], {}, False), (["--color=always"], {}, True), (["--color"], {}, True),
                (["--color=always"], {"NO_COLOR": "1"}, True), ([], {"CLICOLOR_FORCE": "1"}, True),
                (["--color=never"], {"CLICOLOR_FORCE": "1"}, False),
                ([], {"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, False)):
            for command in ("report", "info", "project", "models", "doctor"):
                with self.subTest(command=command, words=words, settings=settings):
                    run = [] if command in ("models", "doctor") else ["run.act"]
                    self.assertEqual("\x1b[" in self.actscope(command, *run, *words, **settings).stdout, colour)

    def test_a_reader_that_goes_away(self):
        """By SIGPIPE, which a shell calls 141, without a word; where a parent has it ignored, the status is 0."""
        self.record()
        for command in ("report run.act --json", "models", "--help", "help", "doctor --json", "export run.act -f massif"):
            with self.subTest(command=command):
                result = self.run_shell(f"{{ $A {command}; echo $? >status; }} | true; cat status")
                self.assertIn(result.stdout, ("0\n", "141\n"))
                self.assertEqual(result.stderr, "")
                result = self.run_shell(f"trap '' PIPE; {{ $A {command}; echo $? >status; }} | true; cat status")
                self.assertEqual((result.stdout, result.stderr), ("0\n", ""))

    def test_closed_standard_output(self):
        self.record()
        for command in ("report run.act", "--help", "--version", "help", "help report", "report --help"):
            with self.subTest(command=command):
                result = self.run_shell(f"$A {command} >&-")
                self.assertEqual(result.returncode, 3)
                self.assertIn("actscope: cannot write the output: ", result.stderr)
        self.assertEqual(self.run_shell("$A record -q -o t -- true >&-").returncode, 0)  # which had nothing to write

    def limited(self, *words, blocks=1):
        """With files of at most so many KiB."""
        return subprocess.run([harness.ACTSCOPE, *words], cwd=self.folder, env=self.env, capture_output=True, text=True,
                              timeout=harness.TIMEOUT_S, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (blocks << 10,) * 2))

    def test_files_that_may_not_grow(self):
        """ulimit -f: told, and nothing is left half-made."""
        self.record()
        self.assertGreater(len(self.actscope("report", "run.act", "--json").stdout), 1024)
        before = sorted(os.listdir(self.folder))
        for words in (["report", "run.act", "--json", "-o", "out"], ["export", "run.act", "-f", "chrome", "-o", "out"],
                      ["analyze", "run.act", "-o", "out"]):
            with self.subTest(words=words):
                result = self.limited(*words)
                self.assertEqual(result.returncode, 3, result.stderr)
                self.assertIn("File too large", result.stderr)
                self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_ended_by_a_signal(self):
        """At the worst moment, when the file is written but does not have its name yet: it is gone, and the status is the
        signal's. A library that is preloaded raises the signal in rename()."""
        self.record()
        self.write("at_rename.c", "#include <signal.h>\n#include <stdlib.h>\n"
                                  "int rename(const char *a, const char *b) {\n"
                                  "  (void)a; (void)b; raise(atoi(getenv(\"NUMBER\"))); return 0;\n}\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", "at_rename.so", "at_rename.c"], cwd=self.folder, check=True)
        before = sorted(os.listdir(self.folder))
        for words in (["report", "run.act", "-o", "out"], ["analyze", "-q", "run.act", "-o", "out"]):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                with self.subTest(words=words, number=number):
                    result = self.actscope(*words, LD_PRELOAD=self.path("at_rename.so"), NUMBER=str(int(number)))
                    self.assertEqual(result.returncode, -number, result.stderr)
                    self.assertEqual(sorted(os.listdir(self.folder)), before)
            result = self.run_shell("trap '' HUP; $A " + " ".join(words), LD_PRELOAD=self.path("at_rename.so"),
                                    NUMBER=str(int(signal.SIGHUP)))
            self.assertEqual(result.returncode, 0, "a signal that is ignored stays so")
            for left in set(os.listdir(self.folder)) - set(before):  # this rename() has done nothing
                os.unlink(self.path(left))

    def test_the_recorded_program_keeps_the_signal(self):
        """What actscope survives is not what the program is to survive."""
        result = self.actscope("record", "-qo", "x", "--", "sh", "-c", "kill -XFSZ $$; exit 3")
        self.assertEqual(result.returncode, 128 + signal.SIGXFSZ)

    def test_quiet(self):
        self.record()
        for words in (["analyze", "run.act"], ["report", "run.act", "-o", "r"], ["record", "-o", "x", "--", "true"],
                      ["verify", *TINY, "--data", "random", "--min-cosine", "0"]):
            for option in ("-q", "--quiet"):
                with self.subTest(words=words):
                    result = self.actscope(words[0], option, *words[1:])
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
        result = self.actscope("report", "-q", "none")
        self.assertEqual(result.returncode, 3)
        self.assertIn("none", result.stderr)

    def test_commas_in_names_of_tensors(self):
        header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
        text = header + " " * (117 - len(header)) + "\n"
        for name in ("a,b.npy", "d,y.npy"):
            with open(self.path(name), "wb") as file:
                file.write(b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.encode() + b"\0\0\x80?\0\0\0@")
        result = self.actscope("verify", "--tensors", r"a\,b.npy,d\,y.npy", "--function", "gelu", "--min-cosine", "0")
        self.assertEqual(result.returncode, 0, result.stderr)
        result = self.actscope("verify", "--tensors", "a,b.npy,d,y.npy", "--function", "gelu")
        self.assertEqual(result.returncode, 2)
        self.assertIn(r"write \,", result.stderr)


# ---- doctor ---------------------------------------------------------------------------------------------------------

class Doctor(Shell):
    def doctor(self, **settings):
        result = self.actscope("doctor", "--json", **settings)
        self.assertEqual(result.stderr, "")
        report = json.loads(result.stdout)
        self.assertEqual(report["schema"], "actscope.doctor/1")
        states = [check["state"] for check in report["checks"]]
        self.assertEqual(result.returncode, 1 if "failed" in states else 0)
        self.assertEqual(report["ready"], "failed" not in states)
        return report, {check["name"]: check for check in report["checks"]}

    def test_this_machine(self):
        report, checks = self.doctor()
        self.assertTrue(report["ready"], report)
        self.assertRegex(checks["a recording"]["found"], r"of this program: [1-9]\d* events")
        self.assertEqual(checks["kernel"]["found"], f"Linux {os.uname().release}, {os.uname().machine}")
        self.assertEqual(checks["C library"]["found"], " ".join(os.confstr("CS_GNU_LIBC_VERSION").split()))
        self.assertEqual(checks["processors"]["found"], str(len(os.sched_getaffinity(0))))
        self.assertEqual(report["version"], self.actscope("--version").stdout.split()[1])
        self.assertIn(self.actscope("doctor").returncode, (0, 1))

    def test_pythons_are_asked(self):
        """As the interpreters themselves tell."""
        for python in harness.pythons():
            with self.subTest(python=python):
                folder = os.path.dirname(python)
                report, checks = self.doctor(PATH=folder)
                told = next(one for one in report["pythons"] if one["from"] == "python3")
                self.assertEqual(os.path.realpath(told["path"]), os.path.realpath(python))
                version = subprocess.run([told["path"], "-c", "import torch; print(torch.__version__)"], check=True,
                                         capture_output=True, text=True).stdout.strip()
                self.assertEqual(told["torch"], version)
                self.assertTrue(os.path.exists(told["libfewbit"]), told)
                self.assertEqual(checks["drop-in"]["state"], "ok")

    def test_an_environment_comes_first(self):
        os.makedirs(self.path("venv/bin"))
        self.write("venv/bin/python", "#!/bin/sh\necho python 3.10.1; echo torch 9.9.9; echo fewbit /x\n", 0o755)
        report, _ = self.doctor(VIRTUAL_ENV=self.path("venv"))
        self.assertEqual(report["pythons"][0], {"path": self.path("venv/bin/python"), "from": "VIRTUAL_ENV",
                                                "version": "3.10.1", "torch": "9.9.9", "libfewbit": "/x"})

    def test_what_is_absent(self):
        report, checks = self.doctor(PATH=self.folder)
        self.assertTrue(report["ready"])
        for name in ("gnuplot", "man", "python3"):
            self.assertEqual((checks[name]["state"], checks[name]["found"]), ("absent", "not found"))
            self.assertTrue(checks[name]["effect"])
        self.assertEqual(report["pythons"], [])

    def test_what_is_broken(self):
        self.write("gnuplot", "#!/bin/sh\nexit 1\n", 0o755)
        self.write("python3", "#!/bin/sh\necho python 3.11.2; echo torch 2.0.0; echo 'why no libfewbit anywhere'\n", 0o755)
        report, checks = self.doctor(PATH=self.folder)
        self.assertEqual(checks["gnuplot"]["state"], "absent")
        self.assertEqual(checks["drop-in"]["state"], "failed")
        self.assertIn("no libfewbit anywhere", checks["drop-in"]["effect"])
        self.assertFalse(report["ready"])

    def test_forced_instruction_set(self):
        report, checks = self.doctor(ACTSCOPE_FEWBIT_ISA="ref")
        self.assertEqual(report["instruction_set"], "ref")
        self.assertEqual(checks["instruction set"]["state"], "note")
        _, checks = self.doctor(ACTSCOPE_FEWBIT_ISA="nosuch")
        self.assertEqual(checks["instruction set"]["state"], "failed")

    def test_a_program_without_its_library(self):
        os.makedirs(self.path("bin"))
        shutil.copy(harness.ACTSCOPE, self.path("bin/actscope"))
        result = subprocess.run([self.path("bin/actscope"), "doctor"], env=self.env, capture_output=True, text=True,
                                check=False, timeout=harness.TIMEOUT_S)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"failed preload library  not found\n +nothing can be recorded here: ")

    def test_limits(self):
        result = self.run_shell("ulimit -f 2048; ulimit -n 100; $A doctor --json")
        checks = {check["name"]: check for check in json.loads(result.stdout)["checks"]}
        self.assertEqual(checks["file size"]["state"], "note")
        self.assertRegex(checks["file size"]["found"], r"^[12]\.0 MiB")  # sh counts in 512 bytes, bash in 1024
        self.assertEqual(checks["open files"]["found"], "100 (ulimit -n)")

    def test_nothing_is_left_behind(self):
        self.doctor(TMPDIR=self.folder)
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    unittest.main()

"""Completion: what `actscope __complete` offers is held against --help and against what the commands take, and bash and zsh
themselves are made to complete, at a terminal."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
from terminal import WAIT_S, Terminal

COMPLETIONS = os.path.join(harness.ROOT, "completions")


def actscope(*words, check=False):
    return subprocess.run([harness.ACTSCOPE, *words], capture_output=True, text=True, timeout=harness.TIMEOUT_S,
                          check=check, stdin=subprocess.DEVNULL)


def complete(*words):
    """(candidates, directives) for "actscope WORDS", the last of which is typed."""
    lines = actscope("__complete", "actscope", *words, check=True).stdout.splitlines()
    return ([line.split("\t")[0] for line in lines if not line.startswith(":")],
            [line for line in lines if line.startswith(":")])


def commands():
    """As the list of commands has them."""
    return re.findall(r"^  ([a-z]+) +\S", actscope("--help", check=True).stdout.split("Start with")[0], re.M)


def documented_options(command):
    """{"--name": the word of its value, or ""} of a command's --help."""
    text = actscope(command, "--help", check=True).stdout
    return {name: value or "" for name, value in
            re.findall(r"^ +(?:-\S, )?(--[a-z][a-z0-9-]*)(?:\[?=([^\s\]]+)\]?)?", text, re.M)}


class Candidates(unittest.TestCase):
    def test_commands_are_those_that_help_lists(self):
        listed = commands()
        self.assertGreater(len(listed), 12)
        self.assertEqual(complete("")[0], listed)
        self.assertEqual(complete("help", "")[0], listed)
        self.assertEqual(complete("pl"), (["plan"], []))
        self.assertEqual(complete("--v")[0], ["--version"])
        self.assertEqual(complete("nosuch", "--"), ([], []))

    def test_options_are_those_that_help_tells(self):
        for command in commands():
            with self.subTest(command=command):
                offered, _ = complete(command, "--")
                self.assertEqual(set(offered), set(documented_options(command)))
                self.assertEqual(len(offered), len(set(offered)))

    def test_values_are_those_that_are_taken(self):
        """Each is taken, and what is none of them is not: --help is looked at after the options before it."""
        enumerated = 0
        for command in commands():
            for option, word in documented_options(command).items():
                values = [value for value in complete(command, f"{option}=")[0] if not value.endswith(":")]
                for value in values:
                    with self.subTest(value=f"{command} {value}"):
                        self.assertTrue(value.startswith(f"{option}="))
                        self.assertEqual(actscope(command, value, "--help").returncode, 0)
                if values and option not in ("--function", "--functions"):  # some look at names later
                    with self.subTest(option=f"{command} {option}"):
                        self.assertTrue(word)
                        self.assertEqual(actscope(command, f"{option}=nonsense", "--help").returncode, 2)
                        enumerated += 1
        self.assertGreater(enumerated, 12)

    def test_what_argp_lists_as_choices_is_offered(self):
        """Where a message names the choices, these are what is offered."""
        for command, option in (("report", "--format"), ("report", "--table"), ("report", "--sort"),
                                ("export", "--format"), ("record", "--probe"), ("replay", "--optimizer"),
                                ("replay", "--data"), ("project", "--functions"), ("quantize", "--method")):
            with self.subTest(option=f"{command} {option}"):
                message = actscope(command, f"{option}=nonsense").stderr
                named = re.search(r"s are: ([^;\n]*)", message)
                self.assertTrue(named, message)
                self.assertEqual(complete(command, option, "")[0], named.group(1).split(", "))

    def test_models_and_functions(self):
        models = [name for name in complete("plan", "")[0] if not name.startswith(":")]
        self.assertIn("roberta-base", models)
        for name in models:
            self.assertEqual(actscope("plan", name, "--bits", "1", "-o", "/dev/null").returncode, 0, name)
        self.assertEqual(complete("quantize", "gelu_")[0], ["gelu_tanh"])
        for name in complete("quantize", "")[0]:
            self.assertEqual(actscope("quantize", name, "-b", "1", "-o", "/dev/null").returncode, 0, name)
        self.assertEqual(complete("project", "r", "--functions", "gelu,si"), (["gelu,silu", "gelu,sigmoid"],
                                                                             [":nospace"]))
        self.assertIn("all", complete("apply", "--functions", "")[0])

    def test_files_and_programs(self):
        self.assertEqual(complete("report", ""), ([], [":files"]))
        self.assertEqual(complete("report", "run.act", "run.act.1", ""), ([], [":files"]))
        self.assertEqual(complete("project", "run.act", ""), ([], []))
        self.assertEqual(complete("diff", "run.act", ""), ([], [":files"]))
        self.assertEqual(complete("report", "--output", ""), ([], [":files"]))
        self.assertEqual(complete("quantize", "gelu", "--weight=histogram:x"), ([], [":files"]))
        self.assertEqual(complete("replay", "vit-")[0], ["vit-b", "vit-l"])
        self.assertEqual(complete("record", ""), ([], [":program 2"]))
        self.assertEqual(complete("record", "-o", "x", "--", "py"), ([], [":program 5"]))
        self.assertEqual(complete("record", "--layers", "python3", "--", "--lay"), ([], [":program 3"]))
        self.assertEqual(complete("record", "-qo", ""), ([], [":files"]))
        self.assertEqual(complete("report", "--", "-"), ([], [":files"]))


# ---- shells ---------------------------------------------------------------------------------------------------------

class Shells(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="actscope-completion.")
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("run one.act", "store.sqlite"):
            with open(os.path.join(self.folder, name), "w", encoding="ascii"):
                pass
        self.env = {"PATH": os.path.dirname(os.path.abspath(harness.ACTSCOPE)) + ":" + os.environ["PATH"],
                    "TERM": "xterm", "HOME": self.folder, "LC_ALL": "C.UTF-8", "PS1": "$ ", "INPUTRC": "/dev/null"}

    def terminal(self, *argv):
        terminal = Terminal(list(argv), self.folder, self.env)
        self.addCleanup(terminal.close)
        return terminal

    def check_at(self, shell, cases):
        """What is typed, a tab behind it, and what the line is then."""
        for typed, line in cases:
            shell.send(typed + "\t")
            shell.expect(re.escape(line))
            shell.send("\x15")  # kill the line

    CASES = (("actscope proj", "actscope project "),
             ("actscope report --form", "actscope report --format "),
             ("actscope report --format=js", "actscope report --format=json "),
             ("actscope report --format cs", "actscope report --format csv "),
             ("actscope project x --functions gelu,sil", "actscope project x --functions gelu,silu"),
             ("actscope quantize gelu --weight unif", "actscope quantize gelu --weight uniform:"),
             ("actscope plan roberta", "actscope plan roberta-base "),
             ("actscope info store", "actscope info store.sqlite "),
             ("actscope info run", "actscope info run\\ one.act "),
             ("actscope report -o sto", "actscope report -o store.sqlite "))

    def test_bash_at_a_terminal(self):
        shell = self.terminal("bash", "--norc", "--noprofile", "-i")
        shell.send("bind 'set enable-bracketed-paste off'; PS1='ready: '\n")
        shell.expect("ready: $")
        shell.send(f"source '{COMPLETIONS}/actscope.bash'; echo sour''ced\n")
        shell.expect("\nsourced\n(.|\n)*ready: $")
        self.check_at(shell, self.CASES)
        shell.send("actscope report --sort \t\t")
        self.assertRegex(shell.expect("time"), "blocks +bytes +eligible +name +time")

    def bash(self, line, *words):
        """What bash's completion function answers for the line, split into words as bash does."""
        script = ('source "$1/actscope.bash"; shift; COMP_LINE=$1; shift; COMP_POINT=${#COMP_LINE}; COMP_WORDS=("$@"); '
                  "COMP_CWORD=$(($# - 1)); _actscope; printf '%s\\n' \"${COMPREPLY[@]}\"")
        result = subprocess.run(["bash", "-c", script, "bash", COMPLETIONS, line, *words], capture_output=True,
                                text=True, check=True, cwd=self.folder, env=self.env, timeout=WAIT_S)
        self.assertEqual(result.stderr, "")
        return result.stdout.splitlines()

    def test_bash_words(self):
        self.assertEqual(self.bash("actscope re", "actscope", "re"), ["record", "report", "replay"])
        self.assertEqual(self.bash("actscope report --format=", "actscope", "report", "--format", "="),
                         complete("report", "-f", "")[0])
        self.assertEqual(self.bash("actscope report --format= ", "actscope", "report", "--format", "=", ""),
                         ["run one.act", "store.sqlite"])
        self.assertEqual(self.bash("actscope report --format=m", "actscope", "report", "--format", "=", "m"), ["md"])
        self.assertEqual(self.bash("actscope quantize gelu --weight=histogram:st", "actscope", "quantize", "gelu",
                                   "--weight", "=", "histogram", ":", "st"), ["store.sqlite"])
        self.assertEqual(self.bash("actscope record -- cat st", "actscope", "record", "--", "cat", "st"),
                         ["store.sqlite"])
        self.assertIn("true", self.bash("actscope record tru", "actscope", "record", "tru"))

    @unittest.skipUnless(shutil.which("zsh"), "no zsh: install zsh to test its completion")
    def test_zsh_at_a_terminal(self):
        shell = self.terminal("zsh", "-f", "-i")
        shell.send("unset zle_bracketed_paste; PS1='ready: '\n")
        shell.expect("ready: $")
        shell.send(f"fpath=('{COMPLETIONS}' $fpath); autoload -Uz compinit; compinit -u -d dump; echo load''ed\n")
        shell.expect("\nloaded\n(.|\n)*ready: $")
        self.check_at(shell, self.CASES)
        shell.send("actscope report --sort \t")
        self.assertRegex(shell.expect("time"), "blocks +bytes +eligible +name +time")
        shell.send("\x15actscope models --co\t")
        shell.expect("--color ")
        shell.send("\x15actscope record --la\t -- actscope inf\t sto\t")
        shell.expect(r"actscope record --layers +-- actscope info +store\.sqlite ")


if __name__ == "__main__":
    unittest.main()

"""Manual pages: one for each command, with the sections that a reader looks for and the options that --help tells, and
rendered without a warning."""
import glob
import os
import re
import shutil
import subprocess
import unittest

import harness
from test_shell_completion import commands, documented_options

MANUALS = os.path.join(harness.ROOT, "docs", "man")
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"]
WITHOUT = {"help": {"OPTIONS"}, "info": {"FILES"}, "models": {"FILES"}, "project": {"FILES"}, "quantize": {"FILES"},
           "apply": {"FILES"}}


def pages():
    return sorted(glob.glob(os.path.join(MANUALS, "*.1")))


def source(command):
    with open(os.path.join(MANUALS, f"actscope-{command}.1"), encoding="utf-8") as page:
        return page.read()


def plain(text):
    """Without fonts and escapes."""
    return re.sub(r"\\f[BIRP]|\"", "", text).replace("\\-", "-")


class Manuals(unittest.TestCase):
    def test_each_command_has_one(self):
        with open(os.path.join(MANUALS, "actscope.1"), encoding="utf-8") as page:
            whole = plain(page.read())
        listed = commands()
        for command in listed:
            with self.subTest(command=command):
                self.assertTrue(os.path.exists(os.path.join(MANUALS, f"actscope-{command}.1")))
                self.assertIn(f".BR {command}  (see  actscope-{command} (1))", whole)
                self.assertRegex(whole.split(".SH SEE ALSO")[1], rf"\.BR actscope-{command} \(1\)")
        described = {os.path.basename(page)[len("actscope-"):-len(".1")] for page in pages()} - {""}
        self.assertEqual(described, set(listed))

    def test_sections(self):
        for command in commands():
            with self.subTest(command=command):
                found = re.findall(r"^\.SH (.*)$", source(command), re.M)
                wanted = [section for section in SECTIONS if section not in WITHOUT.get(command, ())]
                self.assertLessEqual(set(wanted), set(found))
                self.assertEqual([section for section in found if section in wanted], wanted, "in this order")

    def test_options_are_those_that_help_tells(self):
        for command in commands():
            with self.subTest(command=command):
                page = plain(source(command))
                options = set(documented_options(command)) - {"--help", "--usage"}
                for option in options:
                    self.assertTrue(re.search(rf"{option}(?![a-z-])", page), f"{option} is not in the page")
                tagged = re.findall(r"^\.TP\n\.B[RI]* (-.*)$", page, re.M)
                named = {name for line in tagged for name in re.findall(r"--[a-z][a-z0-9-]*", line)}
                self.assertLessEqual(named, options, "of the page, that the command has not")

    def test_examples_have_options_that_there_are(self):
        for command in commands():
            examples = plain(source(command).split(".SH EXAMPLES")[1].split(".SH")[0])
            for word, line in re.findall(r"actscope ([a-z]+)((?: [^|#&\n]*)?)", examples):
                with self.subTest(line=line):
                    own = line.split(" -- ")[0]
                    self.assertIn(word, commands())
                    self.assertLessEqual(set(re.findall(r"--[a-z][a-z0-9-]*", own)), set(documented_options(word)))

    def test_tables_are_those_that_report_names(self):
        result = subprocess.run([harness.ACTSCOPE, "report", "run.act", "--format", "csv", "--table", "none"],
                                capture_output=True, text=True, check=False)
        named = re.search(r"the tables are: ([a-z_, ]+)", result.stderr).group(1).split(", ")
        part = source("report").split("\\-\\-table = ")[1].split(".TP")[0]
        listed = re.findall(r"^\.BR (.*)$", part.split("wants it:")[1], re.M)
        words = [word for line in listed for word in re.sub(r"\"[^\"]*\"", " ", line).replace(";", "").split()]
        self.assertEqual(set(words), set(named))

    def test_no_warnings(self):
        """Of groff, and of mandoc where it is there."""
        if not shutil.which("man"):
            self.skipTest("no man: install man-db")
        for page in pages():
            with self.subTest(page=os.path.basename(page)):
                result = subprocess.run(["man", "--warnings=w", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
                                        capture_output=True, text=True, check=False, env={**os.environ, "MANWIDTH": "80"})
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                if shutil.which("mandoc"):
                    lint = subprocess.run(["mandoc", "-Tlint", "-W", "warning", page], capture_output=True, text=True,
                                          check=False)
                    self.assertEqual(lint.stdout + lint.stderr, "")

    def test_one_line_for_each(self):
        """whatis takes "name - what it is" from NAME."""
        for command in commands():
            with self.subTest(command=command):
                self.assertRegex(source(command), rf"\.SH NAME\nactscope-{command} \\- \S.*\n\.SH SYNOPSIS")


if __name__ == "__main__":
    unittest.main()

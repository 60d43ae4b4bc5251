"""What README and the pages of docs/ tell to type works as it stands there, in a folder that looks like a fresh clone.

Commands are the lines of indented or fenced blocks that begin with a program of RUNNABLE. A line with a placeholder (RUN,
MODEL, "...") is not one. Exit status 0 is expected, or N where the line's comment says "status N". Pages share a folder,
and what one page ran already is not run again for another: a guide goes on where another began.
"""
import contextlib
import glob
import os
import pickle
import re
import shutil
import unittest

import harness
import test_import

PAGES = ["README.md", "docs/guide.md"]  # in this order; then every other page that shows a command
PAGES += sorted({"docs/" + os.path.basename(page) for page in glob.glob(os.path.join(harness.ROOT, "docs", "*.md"))} -
                set(PAGES))
RUNNABLE = ("actscope", "sqlite3", "cc", "export", "gnuplot", "python3", "cmake --install")
PLACEHOLDER = re.compile(r"(^|[ =])(\.\.\.|[A-Z]+[0-9]?(\.[a-z]+)?)(?=$|[ :,])")
FILE_NAME = re.compile(r"^(?:#|//|/\*) (\w+\.(?:py|c|cpp))\b")
# Trainings for the tables of docs/verification.md take minutes each; the last of two options counts. Two steps teach a
# model nothing, so that whether the check falls short is chance.
SHORTENED = {"docs/verification.md": (re.compile(r"^actscope verify .*--train|--steps"), " --seeds 1 --steps 2")}


def blocks(text):
    """Lines of code, in order: of fenced blocks and of those indented by four."""
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


def commands(text):
    """(command, expected status) of every line that can be run as it stands."""
    pending = ""
    for line in blocks(text):
        line = pending + line
        if line.endswith("\\"):
            pending = line[:-1]
            continue
        pending = ""
        command, _, comment = line.partition("  #")
        command = command.strip().removeprefix("$ ")
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", "", re.sub(r"^([A-Z_]+=\S+ )*", "", command))
        if bare.startswith(tuple(word + " " for word in RUNNABLE)) and not PLACEHOLDER.search(bare):
            status = re.search(r"status (\d+)", comment)
            yield command, int(status.group(1)) if status else 0


def files(text):
    """(name, text) of the fenced blocks that are files to write: their first line is a comment with the name."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S):
        name = FILE_NAME.match(block)
        if name:
            yield name.group(1), block


def fill_clone(folder):
    """Makes the folder one with what a clone has, and a HOME to install to."""
    for name in ("examples", "docs", "scripts", "tests", "python", "include", "completions", "README.md"):
        os.symlink(os.path.join(harness.ROOT, name), os.path.join(folder, name))
    os.makedirs(os.path.join(folder, "build"))
    os.symlink(os.path.dirname(os.path.dirname(harness.ACTSCOPE)), os.path.join(folder, "build", "release"))
    for name in ("mlp.py", "common.py"):
        shutil.copy(os.path.join(harness.ROOT, "examples", "pytorch", name), folder)
    os.rename(os.path.join(folder, "mlp.py"), os.path.join(folder, "train.py"))
    device = test_import.Device(number=0, entries=10**6, seed=1)  # no run on a GPU is to be had
    device.run(300)
    with open(os.path.join(folder, "run.pickle"), "wb") as file:
        pickle.dump(test_import.snapshot(device), file)
    os.makedirs(os.path.join(folder, "bin"))
    os.symlink(harness.pythons()[0], os.path.join(folder, "bin", "python3"))
    torchrun = os.path.join(folder, "bin", "torchrun")  # Debian's own does not start under Python 3.11
    with open(torchrun, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec {harness.pythons()[-1]} -m torch.distributed.run -r 1 -t 1 --log_dir logs "$@"\n')
    os.chmod(torchrun, 0o755)


def surroundings(folder):
    libraries = os.path.join(folder, ".local", "lib")
    return {"HOME": folder, "PAGER": "cat", "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive",
            "PATH": os.pathsep.join([os.path.dirname(harness.ACTSCOPE), os.path.join(folder, "bin"),
                                     os.path.join(folder, "build", "release", "examples", "c"), os.environ["PATH"]]),
            "PKG_CONFIG_PATH": os.pathsep.join(os.path.join(libraries, *at, "pkgconfig")
                                               for at in ((), ("x86_64-linux-gnu",), ("aarch64-linux-gnu",)))}


class Docs(harness.TestCase):
    """One test for all pages: they share their folder, and side by side they would wait for each other."""

    def run_page(self, page, done):
        """Messages of what did not end as it should; done: results by command, of the pages before."""
        with open(os.path.join(harness.ROOT, page), encoding="utf-8") as file:
            text = file.read()
        shortened, tail = SHORTENED.get(page, (None, ""))
        for name, content in files(text):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(content)
        for command, status in commands(text):
            if shortened and shortened.search(command):
                command, status = command + tail, None
            if command not in done:
                with harness.INSTALLING if "--install" in command else contextlib.nullcontext():
                    done[command] = self.run_program(["bash", "-c", command], cwd=self.folder,
                                                     env=surroundings(self.folder))
            result = done[command]
            if result.returncode not in ((0, 1) if status is None else (status,)):
                yield f"{page}: {command}: status {result.returncode}\n{result.stdout}{result.stderr}"

    def test_pages(self):
        if not harness.pythons():
            self.skipTest("no PyTorch: apt-get install python3-torch, or scripts/make-torch-venv.sh")
        fill_clone(self.folder)
        done = {}
        wrong = [message for page in PAGES for message in self.run_page(page, done)]
        self.assertGreater(len(done), 40)
        self.assertFalse(wrong, "\n".join(wrong))


class Links(unittest.TestCase):
    """Links of the pages to files, and to titles of pages."""

    def anchors(self, page):
        """What GitHub makes of titles."""
        with open(page, encoding="utf-8") as file:
            titles = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", file.read(), flags=re.M | re.S), re.M)
        return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

    def test_lead_somewhere(self):
        links = 0
        for page in [*PAGES, "CONTRIBUTING.md", "CHANGELOG.md"]:
            with open(os.path.join(harness.ROOT, page), encoding="utf-8") as file:
                found = re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", file.read())
            for name, anchor in found:
                path = os.path.normpath(os.path.join(harness.ROOT, os.path.dirname(page), name))
                path = os.path.join(harness.ROOT, page) if not name else path
                self.assertTrue(os.path.exists(path), f"{page}: {name}")
                if anchor:
                    self.assertIn(anchor, self.anchors(path), f"{page}: {name}#{anchor}")
                links += 1
        self.assertGreater(links, 50)


class Parser(unittest.TestCase):
    """The parser itself: what counts as a command and what does not."""

    def test_commands(self):
        text = ("text\n    actscope record -o a.act -- python3 train.py   # status 3, says why\n    output of it\n"
                "```\n$ actscope report a.act \\\n    --top 3\nactscope info RUN\nactscope report ...\n```\nactscope report no.act\n"
                "    sqlite3 a.db 'SELECT X FROM Y'\n    A_B=1 actscope models\n")
        self.assertEqual(list(commands(text)), [("actscope record -o a.act -- python3 train.py", 3),
                                                ("actscope report a.act --top 3", 0),
                                                ("sqlite3 a.db 'SELECT X FROM Y'", 0), ("A_B=1 actscope models", 0)])

    def test_files(self):
        text = "```python\n# check.py\nx = 1\n```\n```\nactscope models\n```\n```c\nint x;\n```\n"
        self.assertEqual(list(files(text)), [("check.py", "# check.py\nx = 1\n")])


if __name__ == "__main__":
    unittest.main()

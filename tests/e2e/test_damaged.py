"""Damaged, cut, empty and foreign files given to every command that reads: exit status 3 and a clear sentence, no crash.

A changed byte of a trace that is still being recorded may go unnoticed (it has no checksums yet), so there only a crash and
a wrong status fail. In a finished trace every change is noticed: status 3, or exactly the output of the whole file where
the byte is one that nobody reads.
"""
import os
import random

import harness

COMMANDS = {
    "info": ["info", "--json"],
    "report": ["report", "--format", "json"],
    "project": ["project", "--json"],
    "export": ["export", "--format", "collapsed"],
    "analyze": ["analyze"],
}
FLIPS, CUTS = 60, 25  # a file kind and a command; with four kinds and five commands some 1,700 runs
PROGRAM = "x = [bytes(5000 + i) for i in range(200)]; del x[50:]; y = bytearray(1 << 20)"


class Damaged(harness.TestCase):
    def run_reader(self, command, path):
        argv = [harness.ACTSCOPE, *COMMANDS[command]]
        argv[2:2] = [path]
        if command == "analyze":
            argv += ["-o", self.path("out.sqlite")]
        return self.run_program(argv)

    def check(self, command, path, what):
        """Runs it and returns its output, None if it refused the file as it should."""
        result = self.run_reader(command, path)
        self.assertIn(result.returncode, (0, 3), f"{command} of {what}: {result.stderr}")
        if result.returncode == 3:
            self.assertTrue(result.stderr.startswith("actscope: "), f"{command} of {what}: {result.stderr!r}")
            self.assertGreater(len(result.stderr), 25, f"{command} of {what} says too little: {result.stderr!r}")
            return None
        return result.stdout

    def make(self, kind):
        options = {"raw": ["--no-compress"], "packed": []}.get(kind, [])
        trace = self.record(kind, ["/usr/bin/python3", "-S", "-c", PROGRAM], options).trace
        if kind == "store":
            store = self.path("whole.sqlite")
            result = self.run_program([harness.ACTSCOPE, "analyze", trace, "-o", store])
            self.assertEqual(result.returncode, 0, result.stderr)
            return store
        if kind == "unfinished":
            return self.make_unfinished()
        return trace

    def make_unfinished(self):
        """What a process leaves that is killed together with its launcher: no launcher packs it."""
        folder = os.path.dirname(os.path.dirname(harness.ACTSCOPE))
        preload = os.path.join(folder, "lib", "actscope", "actscope_preload.so")
        code = PROGRAM + "; import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        env = {"LD_PRELOAD": preload, "ACTSCOPE_TRACE": self.path("killed")}
        self.run_program(["/usr/bin/python3", "-S", "-c", code], env=env)
        names = [name for name in os.listdir(self.folder) if name.startswith("killed.")]
        self.assertEqual(len(names), 1, names)
        return self.path(names[0])

    def damage(self, kind):
        whole = self.make(kind)
        with open(whole, "rb") as file:
            data = file.read()
        random_bytes = random.Random(kind)
        path = self.path("damaged")
        for command in COMMANDS:
            if kind == "store" and command == "analyze":
                continue  # is a store already
            intact = self.check(command, whole, f"the whole {kind}")
            self.assertIsNotNone(intact, f"{command} refuses the whole {kind}")
            for i in range(FLIPS + CUTS):
                if i < FLIPS:
                    changed = bytearray(data)
                    # Half of the changes in the first pages, where headers and schemas are.
                    at = random_bytes.randrange(min(len(data), 8192) if i % 2 else len(data))
                    changed[at] ^= 1 << random_bytes.randrange(8)
                    what = f"{kind}, byte {at} changed"
                else:
                    at = random_bytes.randrange(len(data))
                    changed, what = data[:at], f"{kind}, cut to {at} bytes"
                with open(path, "wb") as file:
                    file.write(changed)
                output = self.check(command, path, what)
                if kind in ("packed", "raw") and command == "report" and output is not None:
                    self.assertEqual(output, intact, f"{command} of {what}: accepted, and says something else")

    def test_packed(self):
        self.damage("packed")

    def test_raw(self):
        self.damage("raw")

    def test_unfinished(self):
        self.damage("unfinished")

    def test_store(self):
        self.damage("store")

    def test_foreign(self):
        """Every reader refuses what is neither trace nor store, and says which file and why."""
        contents = {"empty": b"", "text": b"hello\n", "zeros": bytes(100000), "elf": open("/bin/true", "rb").read(),
                    "magic only": b"ACTSCOPE", "sqlite magic": b"SQLite format 3\0" + bytes(84)}
        for name, content in contents.items():
            with open(self.path(name), "wb") as file:
                file.write(content)
            for command in COMMANDS:
                result = self.run_reader(command, self.path(name))
                self.assertEqual(result.returncode, 3, f"{command} of {name}: {result.stderr}")
                self.assertIn(self.path(name), result.stderr)
        for command in COMMANDS:
            for path in (self.folder, self.path("not there")):
                result = self.run_reader(command, path)
                self.assertEqual(result.returncode, 3, f"{command} of {path}: {result.stderr}")
                self.assertIn(path, result.stderr)

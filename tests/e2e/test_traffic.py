"""What a program without saves allocates, how often for nothing, and what it leaves: against its own count, and heaptrack's."""
import os
import re
import shutil

import harness

KEYS = ("allocations", "bytes", "temporary", "end_blocks", "end_bytes")


class Traffic(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.program = self.path("leaks")
        result = self.run_program([shutil.which("cc") or "gcc", "-g", "-O0", "-I", harness.ROOT, harness.program("leaks.c"),
                                   "-o", self.program])
        self.assertEqual(result.returncode, 0, result.stderr)

    def truth(self, run):
        """{function: figures by KEYS}, and (blocks, bytes asked for) of the small ones."""
        lines = [line.split() for line in run.stdout.splitlines()]
        sites = {words[0]: dict(zip(KEYS, map(int, words[1:]))) for words in lines if len(words) == 6}
        small, = ([int(word) for word in words[1:]] for words in lines if words[0] == "small")
        return sites, small

    def test_sites_and_sums(self):
        run = self.record("leaks", [self.program])
        sites, (small, small_bytes) = self.truth(run)
        traffic = self.report(run.trace)["traffic"]
        for name, figures in sites.items():
            found, = (site for site in traffic["sites"] if re.search(rf" {name}\b", site["site"]))
            self.assertEqual({key: found[key] for key in KEYS}, figures, name)
        self.assertEqual(traffic["small"]["end_blocks"], small)
        self.assertGreaterEqual(traffic["small"]["end_bytes"], small_bytes, "usable bytes are no fewer than those asked for")
        for key in KEYS:
            self.assertEqual(traffic["blocks"][key], sum(site[key] for site in traffic["sites"]), key)

    def test_every_block_one_by_one(self):
        run = self.record("leaks", [self.program], ["--min-size", "0"])
        sites, (small, small_bytes) = self.truth(run)
        traffic = self.report(run.trace)["traffic"]
        main, = (site for site in traffic["sites"] if re.search(r" take < \S+ main$", site["site"]))
        self.assertEqual((main["end_blocks"], main["end_bytes"]), (small, small_bytes))
        self.assertEqual(traffic["small"]["allocations"], 0)
        self.assertEqual(traffic["blocks"]["temporary"], sum(site["temporary"] for site in sites.values()))

    def test_the_page(self):
        run = self.record("leaks", [self.program])
        text = self.run_program([harness.ACTSCOPE, "report", run.trace]).stdout
        for line in ("    2,000 x  15.3 MiB in all; all given back at once", "  743.3 KiB  in 150 blocks",
                     "  488.3 KiB  in 1 of its 50 blocks"):
            self.assertIn(line + "\n", text)
        self.assertNotIn("outside any step", text)
        self.assertNotIn("other", text.split("Notes")[0], "no category is known")
        store = self.path("leaks.sqlite")
        self.assertEqual(self.run_program([harness.ACTSCOPE, "analyze", run.trace, "-o", store]).returncode, 0)
        self.assertEqual(self.run_program([harness.ACTSCOPE, "report", store]).stdout, text)

    def test_heaptrack_counts_the_same(self):
        if not shutil.which("heaptrack"):
            self.skipTest("no heaptrack: apt-get install heaptrack")
        traffic = self.report(self.record("leaks", [self.program], ["--min-size", "0"]).trace)["traffic"]["blocks"]
        data = self.path("heaptrack")
        self.run_program(["heaptrack", "-o", data, self.program], check=True)
        data = next(path for path in (data + ".zst", data + ".gz") if os.path.exists(path))
        text = self.run_program(["heaptrack_print", "-f", data, "-p", "0", "-a", "0", "-T", "0"], check=True).stdout
        calls = int(re.search(r"calls to allocation functions: (\d+)", text)[1])
        temporary = int(re.search(r"temporary memory allocations: (\d+)", text)[1])
        self.assertIn(calls - traffic["allocations"], (0, 1), "but for the pool of libstdc++ that heaptrack brings along")
        self.assertEqual(temporary, traffic["temporary"])

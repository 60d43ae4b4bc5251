"""Plots as files: what is drawn, that the scripts draw it again by themselves, and what stands in the data."""
import base64
import csv
import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import browser
import harness

BUILD = os.path.dirname(os.path.dirname(harness.ACTSCOPE))
TRAIN_GPT = os.path.join(BUILD, "examples", "c", "train_gpt")
MARKS_MANY = os.path.join(BUILD, "tests", "programs", "marks_many")
HOSTILE = "`touch taken` $(touch taken) @x 'a' \"b\" \t{/Bold c}_d^e <svg onload=x> & %s\\"
NAMES = ["gradients", "lifetimes", "savings", "steps", "timeline"]
MAGIC = {"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n", "pdf": b"%PDF-"}

# Every text of an SVG with its place in pixels, and how large its letters are.
TEXTS = """[...document.querySelectorAll("text")].filter(text => text.textContent.trim()).map(text => {
    const r = text.getBoundingClientRect();
    return [text.textContent.trim(), r.left, r.right, (r.top + r.bottom) / 2, parseFloat(getComputedStyle(text).fontSize),
            r.width > r.height];
})"""
# Whether an image has anything but white in the outermost pixels of each side: something was cut off there.
TOUCHES = """new Promise((done, fail) => {
    const image = new Image();
    image.onerror = fail;
    image.onload = () => {
        const canvas = document.createElement("canvas"), w = canvas.width = image.width, h = canvas.height = image.height;
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        done([[0, 0, w, 2], [0, h - 2, w, 2], [0, 0, 2, h], [w - 2, 0, 2, h]].map(
            side => context.getImageData(...side).data.some(byte => byte != 255)));
    };
    image.src = "data:image/png;base64,%s";
})"""


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Plots(harness.TestCase):
    def draw(self, trace, *options, status=0, **more):
        folder = self.path("plots")
        result = self.run_program([harness.ACTSCOPE, "report", trace, "-o", self.path("report.txt"), "--plots", folder,
                                   *options], **more)
        self.assertEqual(result.returncode, status, result.stderr)
        return folder, result.stderr

    def rows(self, folder, name):
        with open(os.path.join(folder, name + ".tsv"), encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def check_pictures(self, folder, names):
        for name in names:
            for kind, magic in MAGIC.items():
                self.assertEqual(read(os.path.join(folder, f"{name}.{kind}"))[:len(magic)], magic, f"{name}.{kind}")
            xml.etree.ElementTree.parse(os.path.join(folder, f"{name}.svg"))

    def test_files_data_and_scripts(self):
        trace = self.record("gpt", [TRAIN_GPT, "--steps", "4", "--layers", "2", "--sample", "0"]).trace
        report, verify = self.report(trace), self.path("verify.json")
        result = self.run_program([harness.ACTSCOPE, "replay", trace, "--bits", "1,2,3", "--json", "-o", verify])
        self.assertEqual(result.returncode, 0, result.stderr)
        folder, said = self.draw(trace, "--verify", verify)
        self.assertIn("drew 5 plots in ", said)
        self.assertEqual(sorted(os.listdir(folder)), sorted(
            [f"{name}.{kind}" for name in NAMES for kind in ("gp", "tsv", "svg", "png", "pdf")] + ["style.gp"]))
        self.check_pictures(folder, NAMES)
        self.check_data(folder, report)
        self.check_scripts(folder)

    @unittest.skipUnless(browser.chromium(), "no Chromium: apt-get install chromium")
    def test_texts_can_be_read(self):
        """None is cut off, or runs into another."""
        trace = self.record("gpt", [TRAIN_GPT, "--steps", "4", "--layers", "4", "--sample", "0"]).trace
        verify = self.path("verify.json")
        result = self.run_program([harness.ACTSCOPE, "verify", "mlp", "--bits", "1,2,3", "--min-cosine", "0", "--json", "-o", verify])
        self.assertEqual(result.returncode, 0, result.stderr)
        folder, _ = self.draw(trace, "--verify", verify)
        pictures = [os.path.join(folder, name) for name in NAMES]
        for name in ("hardshrink", "silu"):
            pictures.append(self.path(name))
            for kind in ("svg", "png"):
                result = self.run_program([harness.ACTSCOPE, "quantize", name, "--plot", f"{pictures[-1]}.{kind}"])
                self.assertEqual(result.returncode, 0, result.stderr)
        with browser.Browser() as chromium:
            canvas = chromium.open(self.write("canvas.html", "<!DOCTYPE html>"))
            for picture in pictures:
                with self.subTest(picture=picture):
                    self.check_layout(chromium.open(picture + ".svg"))
                    png = base64.b64encode(read(picture + ".png")).decode()
                    self.assertEqual(canvas.evaluate(TOUCHES % png), [False] * 4)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def check_layout(self, page):
        texts = page.evaluate(TEXTS)
        width = page.evaluate("document.documentElement.viewBox.baseVal.width")
        self.assertGreater(len(texts), 5)
        for i, (text, left, right, middle, size, level) in enumerate(texts):
            self.assertTrue(0 <= left and right <= width, (text, left, right))
            for other, from_, to, height, _, other_level in texts[:i]:
                if level and other_level and left < to and from_ < right:
                    self.assertGreater(abs(middle - height), 1.1 * size, (text, other))

    def check_data(self, folder, report):
        """The plots say what the report says."""
        timeline = self.rows(folder, "timeline")
        self.assertEqual(max(int(row["live_bytes"]) for row in timeline), report["peak"]["bytes"])
        projected = {p["bits"]: p["peak_bytes"] for p in report["projection"]}
        self.assertEqual(max(int(row["few_bit_bytes"]) for row in timeline), projected[3])
        for row in timeline:
            self.assertEqual(sum(int(row[name]) for name in report["categories_at_peak"]), int(row["live_bytes"]))
        peak = next(row for row in timeline if int(row["live_bytes"]) == report["peak"]["bytes"])
        self.assertEqual({name: int(peak[name]) for name in report["categories_at_peak"]}, report["categories_at_peak"])
        savings = self.rows(folder, "savings")
        self.assertEqual([int(row["peak_bytes"]) for row in savings], [report["peak"]["bytes"], *projected.values()])
        steps = self.rows(folder, "steps")
        self.assertEqual([(int(row["step"]), int(row["peak_bytes"]), int(row["saved_bytes"])) for row in steps],
                         [(s["index"], s["peak_bytes"], s["saved_bytes"]) for s in report["steps"]])
        lifetimes = self.rows(folder, "lifetimes")
        self.assertEqual(sorted(int(row["bytes"]) for row in lifetimes),
                         sorted(sorted((b["bytes"] for b in report["saved"]["list"]), reverse=True)[:40]))
        saves = [float(row["save_s"]) for row in lifetimes]
        self.assertEqual(saves, sorted(saves))
        self.assertTrue(all(float(r["alloc_s"]) <= float(r["save_s"]) <= float(r["release_s"]) <= float(r["end_s"]) + 1e-9
                            for r in lifetimes))

    def check_scripts(self, folder):
        """The pictures are made again by `gnuplot NAME.gp` alone, elsewhere too, and in the style that style.gp has."""
        copy = self.path("copy")
        os.mkdir(copy)
        for name in os.listdir(folder):
            if name.endswith((".gp", ".tsv")):
                shutil.copy(os.path.join(folder, name), copy)
        style = os.path.join(copy, "style.gp")
        with open(style, encoding="utf-8") as file:
            text = file.read()
        with open(style, "w", encoding="utf-8") as file:
            file.write(text.replace("kinds = 'svg png pdf'", "kinds = 'svg'").replace("'#009e73'", "'#123456'"))
        for name in NAMES:
            result = self.run_program(["gnuplot", name + ".gp"], cwd=copy)
            self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        before, after = (read(os.path.join(place, "savings.svg")).decode() for place in (folder, copy))
        self.assertEqual(before.replace("rgb(  0, 158, 115)", "rgb( 18,  52,  86)"), after)
        self.assertEqual(*(read(os.path.join(place, "steps.svg")) for place in (folder, copy)))

    def test_names_are_text(self):
        trace = self.record("few", [MARKS_MANY, "40", HOSTILE], ["--min-size", "0"]).trace
        folder, _ = self.draw(trace, cwd=self.folder)
        self.assertEqual([name for _, _, names in os.walk(self.folder) for name in names if name == "taken"], [])
        text = "".join(xml.etree.ElementTree.parse(os.path.join(folder, "lifetimes.svg")).getroot().itertext())
        self.assertIn(" B `touch taken` $(… <svg onload=x> & %s\\\n", text)

    def test_without_gnuplot(self):
        trace = self.record("few", [MARKS_MANY, "40", "x"], ["--min-size", "0"]).trace
        bare = self.path("bin")
        os.mkdir(bare)
        folder, said = self.draw(trace, env={"PATH": bare})
        self.assertIn("install gnuplot-nox", said)
        self.assertEqual({name.rsplit(".", 1)[1] for name in os.listdir(folder)}, {"gp", "tsv"})

    def test_what_cannot_be_written_or_read_is_told(self):
        trace = self.record("few", [MARKS_MANY, "40", "x"], ["--min-size", "0"]).trace
        report = [harness.ACTSCOPE, "report", trace, "-o", "/dev/null"]
        file = self.path("file")
        with open(file, "w", encoding="utf-8") as out:
            out.write("{}")
        for options, status, said in ((["--plots", file], 3, "file"), (["--plots", "/proc/none"], 3, "/proc/none"),
                                      (["--verify", file], 3, "not made by `actscope verify --json'"),
                                      (["--verify", self.path("none")], 3, "none"), (["--verify", "/"], 3, "/"),
                                      (["--verify", file, "-o", file], 2, "would be lost")):
            result = subprocess.run([*report, *options], capture_output=True, text=True, check=False)
            self.assertEqual(result.returncode, status, f"{options}: {result.stderr}")
            self.assertIn(said, result.stderr)

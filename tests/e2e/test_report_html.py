"""The HTML report in a browser: what it shows are the report's figures, its tables sort and filter, its flame graph can be walked,
and nothing is asked of the network. Recorded from the C example and from a program with hostile names."""
import json
import os
import re
import subprocess
import unittest

import browser
import harness

BUILD = os.path.dirname(os.path.dirname(harness.ACTSCOPE))
TRAIN_GPT = os.path.join(BUILD, "examples", "c", "train_gpt")
MARKS_MANY = os.path.join(BUILD, "tests", "programs", "marks_many")
HOSTILE = "</script><img src=x onerror=document.title='taken'>\"' &amp; `touch taken` \\"

# The ratio of contrast of every text that is seen with what lies behind it, by the rules of WCAG 2: the least, and whose.
CONTRAST = r"""(() => {
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const behind = (element) => {
    if (!element) return rgba(getComputedStyle(document.body).backgroundColor).slice(0, 3);
    const style = getComputedStyle(element), colors = [style.backgroundColor];
    const stops = style.backgroundImage.match(/(rgba?|color)\([^()]*\)/g); // a bar behind a figure
    if (stops) colors.push(stops[0]);
    return colors.reduce((below, color) => over(rgba(color), below), behind(element.parentElement));
  };
  let least = [99, ''];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || /^(title|desc|script)$/i.test(element.tagName)) continue;
    const svg = element.closest('svg.plot, svg.flame'), style = getComputedStyle(element);
    const frame = element.closest('.flame svg'), below = frame ? rgba(getComputedStyle(frame.querySelector('rect')).fill).slice(0, 3)
      : behind(svg ? svg.parentElement : element);
    const color = over(rgba(svg ? style.fill : style.color), below);
    const [a, b] = [light(color), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < least[0]) least = [ratio, text.slice(0, 60)];
  }
  return least;
})()"""


def words(text):
    return " ".join(text.split())


@unittest.skipUnless(browser.chromium(), "no Chromium: apt-get install chromium")
class Page(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.browser = browser.Browser()
        self.browser.__enter__()
        self.addCleanup(self.browser.__exit__)

    def make(self, trace, *options, **more):
        path = self.path("page.html")
        result = self.run_program([harness.ACTSCOPE, "report", trace, "--format", "html", "-o", path, *options], **more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return path, result.stderr

    def check_quiet(self, page, path):
        self.assertEqual(page.complaints, [])
        self.assertEqual([url for url in page.requests if url != f"file://{path}" and not url.startswith("data:")], [])

    def column(self, page, table, number):
        """The texts of a column's cells that are seen."""
        return page.evaluate(f"[...document.querySelectorAll('#table-{table} tbody tr')].filter((row) => !row.hidden)"
                             f".map((row) => row.cells[{number}].textContent)")

    # ---- the C example ----

    def test_figures_tables_and_flame_graph(self):
        trace = self.record("gpt", [TRAIN_GPT, "--steps", "4", "--layers", "3", "--sample", "0"]).trace
        verify = self.path("verify.json")
        result = self.run_program([harness.ACTSCOPE, "replay", trace, "--bits", "1,2,3", "--json", "-o", verify])
        self.assertEqual(result.returncode, 0, result.stderr)
        report = self.report(trace)
        path, _ = self.make(trace, "--verify", verify)
        page = self.browser.open(path)
        self.check_answer(page, report, trace)
        self.check_plots(page)
        self.check_sorting(page, report)
        self.check_filter(page, report)
        self.check_flame(page, report)
        self.check_looks(page)
        self.check_quiet(page, path)

    def check_answer(self, page, report, trace):
        text = self.run_program([harness.ACTSCOPE, "report", trace]).stdout
        answer = page.evaluate("Object.fromEntries([...document.querySelectorAll('.answer > div')]"
                               ".map((div) => [div.id, [div.querySelector('b').textContent, div.textContent]]))")
        said = re.match(r"The heap peaked at (.*?), (.*?); (.*?) of that is activations saved for backward\. "
                        r"With 3-bit gradients it would have been (.*?): (.*?) \((.*?)\) less\.", words(text))
        self.assertTrue(said, text[:400])
        self.assertEqual((answer["answer-peak"][0], answer["answer-saved"][0], answer["answer-few-bit"][0]), said.group(1, 3, 4))
        self.assertIn(said[2], answer["answer-peak"][1])
        self.assertIn(f"{said[5]} ({said[6]}) less", answer["answer-few-bit"][1])
        share = 100 * report["categories_at_peak"]["saved_activation"] / report["peak"]["bytes"]
        self.assertEqual(answer["answer-saved"][0], f"{share:.1f}%")

    def check_plots(self, page):
        """All of them, each once on a screen of this width, with a title and a description of its own."""
        plots = page.evaluate("[...document.querySelectorAll('svg.plot')].map((svg) => [svg.id, svg.checkVisibility(), "
                              "svg.querySelector('title').textContent, svg.querySelector('desc').textContent])")
        names = ["timeline", "savings", "gradients", "lifetimes", "steps"]
        self.assertEqual([plot[0] for plot in plots if plot[1]], [f"plot-{name}-wide" for name in names])
        self.assertEqual([plot[0] for plot in plots if not plot[1]], [f"plot-{name}-narrow" for name in names])
        self.assertTrue(all(plot[2] and len(plot[3]) > 40 for plot in plots))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        self.assertEqual(len(ids), len(set(ids)), "ids are unique")
        missing = page.evaluate("[...document.querySelectorAll('use, [aria-labelledby], nav a')].flatMap((element) => "
                                "(element.getAttribute('aria-labelledby') || element.getAttribute('href').slice(1)).split(' '))"
                                ".filter((id) => !document.getElementById(id))")
        self.assertEqual(missing, [])
        left = page.evaluate("[...document.querySelectorAll('.plot [fill], .plot [stroke]')].flatMap((e) => [e.getAttribute("
                             "'fill'), e.getAttribute('stroke')]).filter((c) => c && !/^(none|currentColor|var\\(.*\\))$/.test(c))")
        self.assertEqual(left, [], "colours that would not follow light and dark")

    def check_sorting(self, page, report):
        ops = report["saved"]["by_op"]
        self.assertEqual(self.column(page, "by_op", 0), [op["op"] for op in ops])
        head = "document.querySelectorAll('#table-by_op thead th')"
        page.evaluate(f"{head}[0].querySelector('button').click()")
        self.assertEqual(self.column(page, "by_op", 0), sorted((op["op"] for op in ops), key=str.lower))
        self.assertEqual(page.evaluate(f"[...{head}].map((th) => th.getAttribute('aria-sort'))")[:2], ["ascending", None])
        blocks = [th for th in page.evaluate(f"[...{head}].map((th) => th.dataset.key)")].index("blocks")
        page.evaluate(f"{head}[{blocks}].querySelector('button').focus()")
        page.key("Enter")
        self.assertEqual(self.column(page, "by_op", blocks), sorted((str(op["blocks"]) for op in ops), key=int, reverse=True))
        page.key("Enter")
        self.assertEqual(self.column(page, "by_op", blocks), sorted((str(op["blocks"]) for op in ops), key=int))
        self.assertEqual(page.evaluate(f"{head}[{blocks}].getAttribute('aria-sort')"), "ascending")

    def check_filter(self, page, report):
        layers = [layer["layer"] for layer in report["saved"]["by_layer"]]
        page.evaluate("document.querySelector('#layers details').open = true")
        seen = self.column(page, "by_layer", 0)
        self.assertEqual(len(seen), 12, f"of {len(layers)} layers the first ones")
        page.evaluate("document.querySelector('#layers details input').focus()")
        page.type("BLOCKS.1 mlp")
        wanted = [layer for layer in layers if "blocks.1" in layer and "mlp" in layer]
        self.assertTrue(wanted)
        self.assertEqual(sorted(self.column(page, "by_layer", 0)), sorted(wanted))
        self.assertEqual(page.evaluate("document.querySelector('#layers details [role=status]').textContent"),
                         f"{len(wanted)} of {len(layers)} rows")
        page.type(" nothing of this")
        self.assertEqual(self.column(page, "by_layer", 0), [])
        page.evaluate("(() => { const input = document.querySelector('#layers details input'); input.value = '';"
                      "input.dispatchEvent(new Event('input')); })()")
        page.evaluate("document.querySelector('#layers details .all').click()")
        self.assertEqual(sorted(name.replace("(in no layer)", "") for name in self.column(page, "by_layer", 0)), sorted(layers))

    def check_flame(self, page, report):
        """The widest way down, by keys; then out of it again."""
        width = ("parseFloat(document.activeElement.getAttribute('width'))")
        root = page.evaluate("document.querySelector('#flame-graph > svg title').textContent")
        self.assertIn("100.0% of the peak", root)
        page.evaluate("document.querySelector('#flame-graph > svg').focus()")
        for _ in range(3):
            page.key("ArrowDown")
        title = page.evaluate("document.activeElement.querySelector('title').textContent")
        self.assertEqual(page.evaluate("document.getElementById('flame-detail').textContent"), title)
        before = page.evaluate(width)
        page.key("Enter")
        self.assertEqual(page.evaluate(width), 100)
        page.key("Escape")
        self.assertAlmostEqual(page.evaluate(width), before, 2)
        page.key("ArrowUp")
        self.assertNotEqual(page.evaluate("document.activeElement.querySelector('title').textContent"), title)

    def check_looks(self, page):
        """No wider than a telephone, all text with enough contrast, in every scheme; all rows on paper."""
        for look in ({"width": 1200}, {"width": 1200, "dark": True}, {"width": 360}, {"width": 360, "dark": True},
                     {"width": 800, "media": "print"}):
            with self.subTest(**look):
                page.show(**look)
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), look["width"])
                ratio, text = page.evaluate(CONTRAST)
                self.assertGreaterEqual(ratio, 4.5, f"{text!r} cannot be read well")
                shown = page.evaluate("[...document.querySelectorAll('svg.plot')].filter((svg) => svg.checkVisibility()).length")
                self.assertEqual(shown, 5)
        page.show(1200)

    # ---- names that are markup, many blocks ----

    def test_hostile_names_and_many_blocks(self):
        trace = self.record("many", [MARKS_MANY, "100000", HOSTILE], ["--min-size", "0"]).trace
        path, _ = self.make(trace)
        self.assertLess(os.path.getsize(path), 1 << 20)
        page = self.browser.open(path)
        self.assertFalse(os.path.exists("taken"))
        self.assertNotEqual(page.evaluate("document.title"), "taken")
        self.assertEqual(page.evaluate("document.querySelectorAll('img, script').length"), 1)
        self.assertIn(HOSTILE, self.column(page, "by_op", 0))
        self.assertIn(f".{HOSTILE}1896 B", page.evaluate("document.getElementById('table-by_layer').textContent"))
        self.assertRegex(page.evaluate("document.querySelector('#layers details .rest').textContent"),
                         r"^and 99,900 more, \d+\.\d MiB; --top 0 shows all$")
        self.check_quiet(page, path)

    # ---- without gnuplot, without anything saved ----

    def test_without_gnuplot(self):
        trace = self.record("few", [MARKS_MANY, "0", "x"], ["--min-size", "0"]).trace
        bare = self.path("bin")
        os.mkdir(bare)
        path, said = self.make(trace, env={"PATH": bare})
        self.assertIn("install gnuplot-nox for plots; the page has no plots", said)
        page = self.browser.open(path)
        self.assertIn("This page has no plots: gnuplot", page.evaluate("document.querySelector('.notes.warns').textContent"))
        self.assertEqual(page.evaluate("document.querySelectorAll('svg.plot').length"), 0)
        self.assertEqual(page.evaluate("document.querySelector('#answer-saved b').textContent"), "not known")
        self.check_quiet(page, path)


if __name__ == "__main__":
    unittest.main()

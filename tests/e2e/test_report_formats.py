"""The same figures in text, JSON, CSV, Markdown and HTML, with and without a selection: what one format says is read back and
held against the JSON."""
import csv
import html.parser
import io
import json
import os
import re

import harness

GPT = [os.path.join(harness.ROOT, "examples", "pytorch", "gpt.py"), "--steps", "4"]
SELECTIONS = {
    "all": [],
    "an_op": ["--op", "gelu,softmax"],
    "a_layer": ["--layer", "blocks.*.mlp", "--sort", "time"],
    "a_step": ["--step", "1", "--sort", "name"],
    "the_first_three": ["--top", "3", "--sort", "eligible"],
    "a_time": ["--since", "1ms", "--until", "1h", "--sort", "blocks"],
}
# What `actscope verify --json` writes, as far as a report reads it.
VERIFY = {"schema": "actscope.verify/1", "kind": "model", "model": "gpt", "bits": [
    {"bits": bits, "min_cosine": 1 - 0.1 ** bits, "mean_cosine": 1 - 0.05 ** bits, "max_relative_error": 0.3 ** bits}
    for bits in (1, 2, 3)]}


def words(size):
    """Bytes as format_bytes writes them."""
    if size < 1024:
        return f"{size} B"
    unit = next(i for i in range(1, 7) if size < 1024 ** (i + 1) or i == 6)
    for unit in (unit, unit + 1):
        scaled = size / 1024 ** unit
        digits = 2 if unit >= 3 and scaled < 100 else 1
        if float(f"{scaled:.{digits}f}") < 1024:
            break
    return f"{scaled:.{digits}f} {'KMGTPE'[unit - 1]}iB"


def markdown_tables(text):
    """{title: rows, each a dict}, and {title: {word: figure}} for lists."""
    tables = {}
    for section in re.split(r"^## ", text, flags=re.M)[1:]:
        title, body = section.split("\n", 1)
        rows = [[re.sub(r"\\(.)", r"\1", cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in body.splitlines() if line.startswith("|")]
        rows = [[cell.strip() for cell in row] for row in rows]
        if rows:
            tables[title] = [dict(zip(rows[0], row)) for row in rows[2:]]
        else:
            tables[title] = dict(line[2:].split(": ", 1) for line in body.splitlines() if line.startswith("- "))
    return tables


class HtmlTables(html.parser.HTMLParser):
    """{name: rows, each {key or title: (text, figure)}} of tables and, one row each, of lists of terms."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.table, self.heads, self.cell, self.key = {}, None, None, None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        name = attributes.get("id", "")
        if tag in ("table", "dl") and name.startswith("table-"):
            self.table = self.tables.setdefault(name[len("table-"):], [])
            self.heads = []
            if tag == "dl":
                self.table.append({})
        elif tag == "tr" and self.table is not None and self.heads:
            self.table.append({})
        elif tag in ("th", "td", "dd") and self.table is not None:
            self.cell, self.key = "", (attributes.get("scope") == "col", attributes.get("data-key"), attributes.get("data-v"))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("th", "td", "dd") and self.cell is not None:
            is_head, key, figure = self.key
            if is_head:
                self.heads.append(key or self.cell)
            else:
                row = self.table[-1]
                row[key if tag == "dd" else self.heads[len(row)]] = (self.cell, figure)
            self.cell = None
        elif tag in ("table", "dl"):
            self.table = None


class Formats(harness.TestCase):
    def check(self, python, _kind):
        self.trace = self.record("gpt", [python, *GPT], ["--layers"]).trace
        self.store = self.path("run.sqlite")
        result = self.run_program([harness.ACTSCOPE, "analyze", self.trace, "-o", self.store])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.verify = self.path("verify.json")
        with open(self.verify, "w", encoding="utf-8") as file:
            json.dump(VERIFY, file)
        for name, options in SELECTIONS.items():
            with self.subTest(name):
                self.check_selection(options)

    def show(self, form, *options, run=None):
        """Of the store, which is read in no time, unless a run is named."""
        result = self.run_program([harness.ACTSCOPE, "report", run or self.store, "--format", form, "--verify", self.verify,
                                   *options])
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def check_selection(self, options):
        report = json.loads(self.show("json", *options))
        if not options or "--step" in options:
            self.assertEqual(json.loads(self.show("json", *options, run=self.trace)), report, "a trace says the same")
        self.check_selected(report, options)
        self.check_csv(report, options)
        top = options if "--top" in options else [*options, "--top", "0"]
        self.check_markdown(report, markdown_tables(self.show("md", *top)))
        self.check_text(report, self.show("text", *top), options)
        self.check_html(report, HtmlTables(self.show("html", *top)).tables)

    def check_selected(self, report, options):
        """The JSON is what was asked for."""
        blocks = report["saved"]["list"]
        self.assertTrue(blocks)
        if "--op" in options:
            self.assertTrue(all(harness.holder_names(b) in [("gelu",), ("softmax",)] for b in blocks))
            self.assertEqual(sorted(o["op"] for o in report["saved"]["by_op"]), ["gelu", "softmax"])
        if "--layer" in options:
            self.assertTrue(all(re.fullmatch(r"blocks\.\d+\.mlp\.\d+", b["layer"]) for b in blocks))
            saves = [min(h["save_ns"] for h in b["holders"]) for b in blocks]
            self.assertEqual(saves, sorted(saves))
        if "--step" in options:
            self.assertEqual(report["saved"]["step"], 1)
            step = report["steps"][1]
            self.assertEqual((sum(b["bytes"] for b in blocks), len(blocks)), (step["saved_bytes"], step["saved_blocks"]))
        if "--top" in options:
            self.assertEqual(len(blocks), 3)
        self.assertEqual("selection" in report, any(o in options for o in ("--op", "--layer", "--step", "--since")))

    # ---- CSV ----

    def check_csv(self, report, options):
        rows = list(csv.reader(io.StringIO(self.show("csv", *options))))
        self.assertEqual(rows[0], ["table", "row", "figure", "value"])
        self.assertTrue(all(len(row) == 4 for row in rows))
        figures = {tuple(row[:3]): row[3] for row in rows[1:]}
        self.assertEqual(len(figures), len(rows) - 1, "a figure twice")
        for wanted in self.flat(report):
            self.assertIn(wanted, figures)
            self.same(figures.pop(wanted), wanted, report)
        self.assertFalse([key for key in figures if key[0] != "list"], "what the JSON does not say")
        for table in ("by_op", "by_layer", "list", "steps", "projection"):
            self.check_csv_table(report, table, options)

    def flat(self, report):
        """Every figure; stacks are none: a spreadsheet has their nearest line, the site."""
        for table in ("run", "peak", "selection"):
            for key in report.get(table, {}):
                yield table, "", key
        for name in report["categories_at_peak"]:
            yield "categories_at_peak", name, "bytes"
        for key in ("step", "bytes", "blocks"):
            yield "saved", "", key
        for table, name in (("by_op", "op"), ("by_layer", "layer")):
            for row in report["saved"][table]:
                yield from ((table, row[name], key) for key in row if key != name)
        for table, name in (("projection", "bits"), ("gradients", "bits"), ("steps", "index")):
            for row in report[table]:
                yield from ((table, str(row[name]), key) for key in row if key != name)
        for index, site in enumerate(report["sites_at_peak"]):
            yield from (("sites_at_peak", str(index), key) for key in site if key != "python_stack")
        for name in ("blocks", "small"):
            yield from (("traffic", name, key) for key in report["traffic"][name])
        for index, site in enumerate(report["traffic"]["sites"]):
            yield from (("busy_sites", str(index), key) for key in site)
        for index, advice in enumerate(report["advice"]):
            yield from (("advice", str(index), key) for key in advice)
        for index, block in enumerate(report["saved"]["list"]):
            yield from (("list", str(index), key) for key in block if key != "python_stack")

    def of_json(self, report, table, row, key):
        if table in ("run", "peak", "selection"):
            return report[table][key]
        if table == "categories_at_peak":
            return report[table][row]
        if table == "saved":
            return report["saved"][key]
        if table == "traffic":
            return report["traffic"][row][key]
        if table == "busy_sites":
            return report["traffic"]["sites"][int(row)][key]
        if table in ("list", "sites_at_peak", "advice"):
            value = (report["saved"] if table == "list" else report)[table][int(row)][key]
            return " ".join(h["op"] for h in value) if key == "holders" else value
        name = {"by_op": "op", "by_layer": "layer", "projection": "bits", "gradients": "bits",
                "steps": "index"}[table]
        rows = report[table] if table in report else report["saved"][table]
        return next(r for r in rows if str(r[name]) == row)[key]

    def same(self, text, wanted, report):
        value = self.of_json(report, *wanted)
        if value is None:
            self.assertEqual(text, "", wanted)
        elif isinstance(value, bool):
            self.assertEqual(text, str(value).lower(), wanted)
        elif isinstance(value, float):
            self.assertAlmostEqual(float(text), value, 6, wanted)
        else:
            self.assertEqual(text, str(value), wanted)

    def check_csv_table(self, report, table, options):
        rows = list(csv.DictReader(io.StringIO(self.show("csv", "--table", table, *options))))
        wanted = report[table] if table in report else report["saved"][table]
        self.assertEqual(len(rows), len(wanted), table)
        for row, like in zip(rows, wanted):
            for key in ("op", "layer", "bytes", "eligible_bytes", "peak_bytes", "saved_bytes", "code_bytes"):
                if key in like:
                    self.assertEqual(row[key], str(like[key]), f"{table} in the JSON's order")

    # ---- Markdown ----

    def check_markdown(self, report, tables):
        saved = report["saved"]
        self.assertEqual(tables["Peak"]["bytes"], words(report["peak"]["bytes"]))
        self.assertEqual(tables["Saved for backward"],
                         {"step": str(saved["step"]), "bytes": words(saved["bytes"]), "blocks": f"{saved['blocks']:,}"})
        self.assertEqual({row["category"]: row["bytes"] for row in tables["At the peak"]},
                         {name: words(size) for name, size in report["categories_at_peak"].items()})
        self.assertEqual([(r["op"], r["bytes"], r["held alone"], r["eligible"], r["blocks"])
                          for r in tables["Saved by op"]],
                         [(o["op"], words(o["bytes"]), words(o["exclusive_bytes"]), words(o["eligible_bytes"]),
                           str(o["blocks"])) for o in saved["by_op"]])
        projection = tables["Peak with few-bit codes in place of eligible blocks"]
        self.assertEqual([(r["bits"], r["peak"], r["replaced"], r["codes"]) for r in projection],
                         [(str(p["bits"]), words(p["peak_bytes"]), words(p["eligible_bytes"]), words(p["code_bytes"]))
                          for p in report["projection"]])
        self.assertEqual([(r["bytes"], r["category"], r["site"]) for r in tables["Sites at the peak"]],
                         [(words(s["bytes"]), s["category"], s["site"]) for s in report["sites_at_peak"]])
        self.assertEqual([(r["peak"], r["of the peak"], r["blocks"]) for r in tables.get("What would help most", [])],
                         [(words(a["peak_bytes"]), words(a["bytes"]), f"{a['blocks']:,}") for a in report["advice"]])
        self.assertEqual([(r["bits"], r["least cosine"]) for r in tables["Few-bit gradients against exact ones"]],
                         [(str(g["bits"]), f"{g['min_cosine']:.5f}") for g in report["gradients"]])
        if "selection" in report:
            self.assertEqual(tables["Selected blocks"]["bytes"], words(report["selection"]["bytes"]))
        steps = tables["Steps"]
        self.assertEqual([(r["step"], r["peak"], r["saved"]) for r in steps],
                         [(str(s["index"]), words(s["peak_bytes"]), words(s["saved_bytes"]))
                          for s in report["steps"]][:len(steps)])

    # ---- HTML: the figures as they are, and in the words of the other pages ----

    def check_html(self, report, tables):
        saved = report["saved"]
        self.html_figures(tables["categories_at_peak"], "category",
                          [{"category": name.replace("_", " "), "bytes": size}
                           for name, size in report["categories_at_peak"].items()])
        self.html_figures(tables["by_op"], "op", saved["by_op"])
        self.html_figures(tables["by_layer"], "layer",
                          [{**layer, "layer": layer["layer"] or "(in no layer)"} for layer in saved["by_layer"]])
        self.html_figures(tables["projection"], "bits", report["projection"])
        self.html_figures(tables["gradients"], "bits", report["gradients"])
        self.html_figures(tables["steps"], "index", report["steps"][:len(tables["steps"])])
        self.html_figures(tables["sites_at_peak"], None,
                          [{**site, "category": site["category"].replace("_", " "), "op": site["op"] or "-"}
                           for site in report["sites_at_peak"]])
        self.html_figures(tables.get("advice", []), None,
                          [{key: advice[key] for key in ("saving_bytes", "peak_bytes", "bytes", "blocks", "text")}
                           for advice in report["advice"]])
        self.html_figures(tables["run"], None, [report["run"]])
        listed = sum(int(row["blocks"][1]) * int(row["bytes each"][1]) for row in tables["groups"])
        if "selection" in report:
            self.html_figures(tables["selection"], None, [report["selection"]])
        if len(saved["list"]) == saved["blocks"]:
            self.assertEqual(listed, saved["bytes"])

    def html_figures(self, rows, name, wanted):
        """All figures of the JSON that the table has, and of bytes the words, too, in the same order."""
        self.assertEqual(len(rows), len(wanted))
        for row, like in zip(rows, wanted):
            if name:
                self.assertEqual(row[name][0], str(like[name]))
            for key, value in like.items():
                if key not in row:
                    continue
                text, figure = row[key]
                if isinstance(value, bool):
                    self.assertEqual(text, "yes" if value else "no", key)
                elif isinstance(value, str):
                    self.assertEqual(text, value, key)
                elif value is None:
                    self.assertIn(figure, (None,), key)
                else:
                    self.assertAlmostEqual(float(figure), value, 6, key)
                    if key.endswith("bytes") and value >= 0:
                        self.assertEqual(text, words(value), key)

    # ---- text ----

    def check_text(self, report, text, options):
        flat = " ".join(text.split())
        saved = report["saved"]
        self.assertIn(f"The heap peaked at {words(report['peak']['bytes'])}", flat)
        self.assertIn(f"Saved for backward in step {saved['step']}: {words(saved['bytes'])} in {saved['blocks']} blocks",
                      flat)
        for name, size in report["categories_at_peak"].items():
            if size:
                self.assertIn(f"{name.replace('_', ' ')} {words(size)}", flat)
        ops = re.search(r"\n  op  .*?\n(.*?)\n(?:\n|  and)", text, re.S).group(1).splitlines()
        self.assertEqual([line.split()[:3] for line in ops],
                         [[o["op"], *words(o["bytes"]).split()] for o in saved["by_op"]], options)
        for p in report["projection"]:
            self.assertRegex(text, rf"\n +{p['bits']}  +{re.escape(words(p['peak_bytes']))}  .*{words(p['code_bytes'])}\n")
        for g in report["gradients"]:
            self.assertRegex(text, rf"\n +{g['bits']} +{g['min_cosine']:.5f} +{g['mean_cosine']:.5f} +")
        if "--op" in options:
            self.assertIn(f": {words(report['selection']['bytes'])} in {report['selection']['blocks']} blocks", flat)


class Usage(harness.TestCase):
    """Wrong options are told with what is right."""

    def test_errors(self):
        trace = self.record("true", ["/bin/true"]).trace
        for options, words_of_it in ((["--format", "xml"], "text, json, csv, md, html"),
                                     (["--format", "csv", "--table", "ops"], "by_op, by_layer"),
                                     (["--sort", "size"], "the orders are: bytes, blocks, eligible, name, time"),
                                     (["--since", "soon"], "1.5s"), (["--since", "3s", "--until", "2s"], "--until"),
                                     (["--step", "-1"], "--step"), (["--step", "0"], "no step was seen")):
            result = self.run_program([harness.ACTSCOPE, "report", trace, *options])
            self.assertEqual(result.returncode, 2, f"{options}: {result.stderr}")
            self.assertIn(words_of_it, result.stderr)


harness.add_tests(Formats, ["gpt"], Formats.check)

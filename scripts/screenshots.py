#!/usr/bin/env python3
"""Pictures of the HTML report for the documentation: records the GPT example, makes its page, and takes pictures in a headless
Chromium: a desktop's first screen, the same on a telephone, and lifetimes and flame graph in the dark.

    scripts/screenshots.py [--page PAGE.html] [FOLDER]

--page takes a page that there is, instead of recording; pictures go into FOLDER (docs/images).
"""
import argparse
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ACTSCOPE = os.path.join(ROOT, "build", "release", "cli", "actscope")
WORK = os.path.join(ROOT, "build", "screenshots")
SIZE_MAX = 200_000

sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
import browser  # noqa: E402


def actscope(*words):
    print("actscope", *words, flush=True)
    subprocess.run([ACTSCOPE, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"})


def make_page():
    os.makedirs(WORK, exist_ok=True)
    run, verify, page = (os.path.join(WORK, name) for name in ("gpt.act", "verify.json", "gpt.html"))
    actscope("record", "--layers", "--python-stacks", "-o", run, "--", "/usr/bin/python3", "examples/pytorch/gpt.py", "--steps", "8")
    actscope("verify", run, "--bits", "1,2,3,4", "--min-cosine", "0", "--json", "-o", verify)
    actscope("report", run, "--format", "html", "--verify", verify, "-o", page)
    return page


def place(page, selector):
    return page.evaluate(f"(() => {{ const r = document.querySelector({selector!r}).getBoundingClientRect();"
                         "return [r.left, r.top + scrollY, r.width, r.height]; })()")


def part(page, first, last, margin=24):
    """From the top of one element to the end of another, as wide as the page."""
    begin, (_, y, _, height) = max(0, place(page, first)[1] - margin), place(page, last)
    return 0, begin, page.evaluate("innerWidth"), y + height + margin - begin


def take(page, path, clip):
    page.picture(path, clip)
    size = os.path.getsize(path)
    print(f"{path}: {size:,} bytes")
    if size > SIZE_MAX:
        sys.exit(f"{path} is larger than {SIZE_MAX:,} bytes")


def main():
    parser = argparse.ArgumentParser(description="Take pictures of the HTML report.")
    parser.add_argument("--page", metavar="PAGE.html")
    parser.add_argument("folder", nargs="?", default=os.path.join(ROOT, "docs", "images"))
    options = parser.parse_args()
    if not browser.chromium():
        sys.exit("screenshots.py: no Chromium: apt-get install chromium")
    path = options.page or make_page()
    os.makedirs(options.folder, exist_ok=True)
    with browser.Browser() as chromium:
        page = chromium.open(path, 1120)
        take(page, os.path.join(options.folder, "report.png"), part(page, "header", "#peak"))
        page.show(360)
        take(page, os.path.join(options.folder, "report-360.png"), part(page, "header", "#timeline"))
        page.show(1120, dark=True)
        take(page, os.path.join(options.folder, "report-dark.png"), part(page, "#lifetimes", "#lifetimes"))
        take(page, os.path.join(options.folder, "report-flame-dark.png"), part(page, "#flame", "#flame"))


if __name__ == "__main__":
    main()

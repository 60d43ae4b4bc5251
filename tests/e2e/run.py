#!/usr/bin/env python3
"""Runs the end-to-end tests: a line a test as it ends, and the sum at the end.

    tests/e2e/run.py [-j N] [--list] [WORD...]      only tests whose name contains one of the words

Every test drives the built program on a real run in a process of its own, so that N tests run side by side.
"""
import argparse
import concurrent.futures
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402


def flatten(suite):
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from flatten(entry)
        else:
            yield entry


def short_name(test):
    return type(test).__module__.replace("test_", "", 1) + "." + test._testMethodName.replace("test_", "", 1)


def run_one(test):
    """(outcome, text, seconds) of one test: "ok", "skip" or "FAIL"."""
    result, begin = unittest.TestResult(), time.monotonic()
    test.run(result)
    seconds = time.monotonic() - begin
    if result.skipped:
        return "skip", result.skipped[0][1], seconds
    wrong = result.failures + result.errors
    return ("FAIL", wrong[0][1], seconds) if wrong else ("ok", "", seconds)


def indent(text):
    return "".join(f"    {line}\n" for line in text.rstrip().splitlines())


def run_all(tests, jobs):
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_one, test): test for test in tests}
        for future in concurrent.futures.as_completed(running):
            outcome, text, seconds = future.result()
            counts[outcome] += 1
            reason = f"  ({text})" if outcome == "skip" else ""
            print(f"{outcome:4}  {short_name(running[future])}  {seconds:.1f} s{reason}", flush=True)
            if outcome == "FAIL":
                print(indent(text), end="", flush=True)
    return counts


def main():
    parser = argparse.ArgumentParser(description="Run actscope's end-to-end tests.")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="name the tests and stop")
    parser.add_argument("words", nargs="*", metavar="WORD")
    options = parser.parse_args()

    for number in (signal.SIGINT, signal.SIGHUP):  # ignored where a shell runs this in the background: programs inherit it
        signal.signal(number, signal.SIG_DFL)
    tests = list(flatten(unittest.defaultTestLoader.discover(os.path.dirname(os.path.abspath(__file__)))))
    tests = [t for t in tests if not options.words or any(word in short_name(t) for word in options.words)]
    if options.list:
        print("\n".join(short_name(test) for test in tests))
        return 0
    if not os.access(harness.ACTSCOPE, os.X_OK):
        sys.exit(f"run.py: no program {harness.ACTSCOPE}: build it, or name another in ACTSCOPE")
    versions = ", ".join(harness.torch_version(python) for python in harness.pythons()) or "none"
    print(f"{len(tests)} tests of {harness.ACTSCOPE}; PyTorch: {versions}", flush=True)
    counts = run_all(tests, options.jobs)
    skipped = f", {counts['skip']} skipped" if counts["skip"] else ""
    print(f"{counts['ok']} passed, {counts['FAIL']} failed{skipped}")
    return 1 if counts["FAIL"] or not tests else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Prints "passed failed skipped" for a JUnit file that ctest has written (--output-junit).

A Criterion program counts as its cases, which the last line of its output says; a program of another kind, and one that
died before that line, as one.
"""
import re
import sys
import xml.etree.ElementTree as xml

SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Pass\w*: (\d+) \| Fail\w*: (\d+) \| Crash\w*: (\d+)")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def count(case):
    """passed, failed, skipped of one program; crashed cases are among Criterion's failed ones."""
    status = case.get("status")
    if status == "notrun":  # skipped by its own choice, or not there to be run
        message = " ".join(skipped.get("message", "") for skipped in case.iter("skipped"))
        return (0, 0, 1) if "SKIP" in message else (0, 1, 0)
    if status == "disabled":
        return 0, 0, 1
    found = SYNTHESIS.findall(ESCAPES.sub("", case.findtext("system-out") or ""))
    passed, failed = (int(found[-1][1]), int(found[-1][2])) if found else (int(status == "run"), 0)
    if status == "run":
        return max(passed, 1), failed, 0
    return passed, max(failed, 1), 0


def main():
    cases = xml.parse(sys.argv[1]).getroot().iter("testcase")
    print(*(sum(column) for column in zip((0, 0, 0), *map(count, cases))))


if __name__ == "__main__":
    main()

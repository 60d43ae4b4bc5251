#!/usr/bin/env python3
"""Prints "passed failed skipped" for a JUnit file that ctest has written (--output-junit), then a line for each thing
that was skipped: "program: what and why".

A Criterion program counts as its cases, which the last line of its output says; a program of another kind, and one that
died before that line, as one. Skipped are Criterion's "[SKIP]" cases (shown at CRITERION_VERBOSITY_LEVEL=1), and what a
program says in lines "SKIPPED: ...", once each: a part of its work that it could not do here.
"""
import re
import sys
import xml.etree.ElementTree as xml

SYNTHESIS = re.compile(r"Synthesis: Tested: (\d+) \| Pass\w*: (\d+) \| Fail\w*: (\d+) \| Crash\w*: (\d+)")
SKIPPED = re.compile(r"^(?:\[SKIP\]|SKIPPED:) *(.*?) *$", re.MULTILINE)
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def count(case):
    """passed, failed, and what was skipped of one program; crashed cases are among Criterion's failed ones."""
    status = case.get("status")
    output = ESCAPES.sub("", case.findtext("system-out") or "")
    skipped = list(dict.fromkeys(SKIPPED.findall(output)))
    if status == "disabled":
        return 0, 0, ["disabled"]
    if status == "notrun":  # skipped by its own choice, or not there to be run
        message = " ".join(element.get("message", "") for element in case.iter("skipped"))
        return (0, 0, skipped or [message]) if "SKIP" in message else (0, 1, [])
    found = SYNTHESIS.findall(output)
    passed, failed = (int(found[-1][1]), int(found[-1][2])) if found else (int(status == "run"), 0)
    if status == "run":
        return max(passed, int(not skipped)), failed, skipped
    return passed, max(failed, 1), skipped


def main():
    passed = failed = 0
    reasons = []
    for case in xml.parse(sys.argv[1]).getroot().iter("testcase"):
        good, bad, skipped = count(case)
        passed += good
        failed += bad
        reasons += [f"{case.get('name')}: {reason}" for reason in skipped]
    print(passed, failed, len(reasons))
    for reason in reasons:
        print(reason)


if __name__ == "__main__":
    main()

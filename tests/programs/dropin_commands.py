#!/usr/bin/env python3
"""Runs `python3 -m actscope.torch` with each of several command lines, in a process of its own each, but with torch
imported once: what tests/e2e/test_dropin_command.py asks many things of.

    dropin_commands.py '[["verify", "train.py:make"], ...]'     prints [{"status", "stdout", "stderr"}, ...]
"""
import json
import os
import sys
import tempfile

from actscope.torch.__main__ import main

STREAMS = {"stdout": 1, "stderr": 2}


def run_in_child(arguments, files):
    for stream, number in STREAMS.items():
        os.dup2(files[stream].fileno(), number)
    status = 1
    try:
        status = main(arguments)
    except SystemExit as end:  # argparse
        status = end.code
    finally:
        sys.stderr.flush()
        os._exit(status)


def run(arguments):
    sys.stdout.flush()
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        files = {"stdout": stdout, "stderr": stderr}
        child = os.fork()
        if child == 0:
            run_in_child(arguments, files)
        result = {"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}
        for stream, file in files.items():
            file.seek(0)
            result[stream] = file.read()
        return result


print(json.dumps([run(arguments) for arguments in json.loads(sys.argv[1])]))

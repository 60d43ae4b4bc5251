"""Threads that allocate in changing frames, while code objects die, garbage is collected, the process forks and, at last, ends
with threads at work: what `record --python-stacks` says of the blocks that stay must be true all the same.

    python_lines_stress.py TRUTH [ROUNDS]

TRUTH is written as by python_lines.py; TRUTH.child likewise by a child that is forked in between.
"""
import gc
import json
import os
import random
import sys
import threading

import python_lines
from python_lines import here, keep


class Thread(threading.Thread):
    def __init__(self, seed, rounds):
        super().__init__()
        self.random = random.Random(seed)
        self.rounds = rounds
        self.acts = [self.deep, self.generated, self.made, self.failed, self.collected, self.listed]

    def block(self):
        """Kept, with its line noted; or gone at once."""
        if self.random.random() < 0.2:
            keep(bytearray(here()))
        else:
            bytearray(self.random.randrange(4096, 300000))

    def run(self):
        for _ in range(self.rounds):
            self.random.choice(self.acts)(self.random.randrange(6))

    def deep(self, n):
        self.block()
        if n:
            self.deep(n - 1)
        self.block()

    def generated(self, n):
        def leaf():
            for _ in range(n):
                self.block()
                yield

        def root():
            yield from leaf()
            self.block()

        for _ in root():
            self.block()

    def made(self, n):
        number = self.random.randrange(1 << 30)
        text = "\n" * n + f"def f{number}(block):\n  block()\n  return [block() for _ in range({n})]\nf{number}(block)\n"
        exec(compile(text, f"<made {number}>", "exec"), {"block": self.block})

    def failed(self, n):
        try:
            self.block()
            if n:
                self.failed(n - 1)
            raise ValueError(n)
        except ValueError:
            self.block()

    def collected(self, n):
        class Gone:
            def __del__(this):
                self.block()

        gone = Gone()
        gone.self = gone
        del gone
        if n == 0:
            gc.collect()

    def listed(self, n):
        return sorted([self.block() or m for m in range(n)], key=lambda m: self.block() or m)


def fork(truth):
    child = os.fork()
    if child == 0:
        del python_lines.KEPT[:], python_lines.TRUTH[:]  # what it inherits is its parent's
        python_lines._lock = threading.RLock()
        python_lines.functions()
        python_lines.executed()
        python_lines.finish(truth + ".child")
        os._exit(0)
    os.waitpid(child, 0)


def endless():
    while True:
        bytearray(random.randrange(4096, 300000))


def main():
    truth = sys.argv[1]
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    sys.setswitchinterval(1e-5)
    threads = [Thread(seed, rounds) for seed in range(6)]
    for thread in threads:
        thread.start()
    fork(truth)
    for thread in threads:
        thread.join()
    gc.collect()  # what is kept later than the peak is not seen there
    python_lines.finish(truth)
    for _ in range(3):
        threading.Thread(target=endless, daemon=True).start()
    print(json.dumps({"kept": len(python_lines.TRUTH)}))


if __name__ == "__main__":
    main()

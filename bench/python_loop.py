"""A loop of Python that allocates, for scripts/bench.sh record --only lines: blocks of 8 KiB, each made and dropped in one of
four lines below 20 frames of Python.

    python_loop.py PAIRS      prints "ns_per_pair N": CPU time of a block made and dropped, the loop included
"""
import sys
import time

SIZE, LINES = 8192, 4


def allocate(rounds):
    for _ in range(rounds):
        bytearray(SIZE)
        bytearray(SIZE)
        bytearray(SIZE)
        bytearray(SIZE)


def below(depth, rounds):
    if depth:
        below(depth - 1, rounds)
    else:
        allocate(rounds)


def main():
    rounds = int(sys.argv[1]) // LINES
    below(18, 100)
    begin = time.process_time()
    below(18, rounds)
    print("ns_per_pair %.1f" % ((time.process_time() - begin) * 1e9 / (rounds * LINES)))


main()

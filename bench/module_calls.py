"""A loop over a module that does nothing, for scripts/bench.sh record --only layers: what a name for a layer costs a call.

    module_calls.py CALLS     prints "ns_per_call N": CPU time of a call below another module, the loop included
"""
import sys
import time

import torch


class Loop(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.nothing = torch.nn.Identity()

    def forward(self, calls):
        nothing = self.nothing
        for _ in range(calls):
            nothing(None)


def main():
    calls = int(sys.argv[1])
    model = Loop()
    model(1000)
    begin = time.process_time()
    model(calls)
    print("ns_per_call %.1f" % ((time.process_time() - begin) * 1e9 / calls))


main()

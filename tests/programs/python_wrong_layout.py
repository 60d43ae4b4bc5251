"""Has the start-up file's test of `record --python-stacks` run with the layouts of other versions: each must be found wrong, and
none may bring the process down. Prints for every minor version 3.N: N, and what came of it."""
import importlib.util
import os
import sys
import types


def load():
    file = os.path.join(os.environ["ACTSCOPE_STARTUP"], "actscope_python.py")
    spec = importlib.util.spec_from_file_location("_actscope_python", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ctypes = __import__("ctypes")
    return module


def main():
    module = load()
    library = module._Library()
    for minor in range(8, 15):
        module.sys = types.SimpleNamespace(hexversion=3 << 24 | minor << 16 | sys.hexversion & 0xFFFF,
                                           _getframe=sys._getframe)
        refusal = library.prepare(False, "/nowhere")
        print(minor, "refused" if refusal else "passed" if module._Trial(library).run() else "failed")


main()

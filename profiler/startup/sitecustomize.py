"""Python start-up file that `actscope record` puts in front of PYTHONPATH.

Python imports it before the program. It runs the sitecustomize that it stands in front of, hides itself from sys.path, and
waits for torch to be imported; without torch it does nothing more. See actscope_torch.py for what happens then.
"""
import os
import sys


def _hide():
    """Removes this folder from sys.path, so that the program sees the path that it would have without us."""
    folder = os.environ.get("ACTSCOPE_STARTUP") or os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != os.path.abspath(folder)]
    return folder


def _run_next_sitecustomize():
    """Imports the sitecustomize of the program's own Python, which ours has kept from being found."""
    own = sys.modules.pop(__name__, None)
    try:
        import sitecustomize  # noqa: F401 (the next one on the path)
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if own is not None:
            sys.modules[__name__] = own


class _TorchFinder:
    """Finds torch like everybody else would, and has the probe installed once it has been imported."""

    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if name != "torch":
            return None
        import importlib.util

        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            self.install(module)

        spec.loader.exec_module = exec_module
        return spec

    def install(self, torch):
        try:
            import importlib.util

            file = os.path.join(self.folder, "actscope_torch.py")
            spec = importlib.util.spec_from_file_location("_actscope_torch", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            module.install(torch)
        except Exception:  # the program must run as it would without us
            pass


_folder = _hide()
if os.environ.get("ACTSCOPE_PROBE", "auto") != "none" and "ACTSCOPE_TRACE" in os.environ:
    sys.meta_path.insert(0, _TorchFinder(_folder))
_run_next_sitecustomize()

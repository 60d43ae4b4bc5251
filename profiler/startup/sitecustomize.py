"""Python start-up file that `actscope record` and `actscope apply` put in front of PYTHONPATH.

Python imports it before the program. It runs the sitecustomize that it stands in front of, hides itself from sys.path,
and waits for torch to be imported; without torch it does nothing more, but for apply, which says so at the end. See
actscope_torch.py (record) and actscope_apply.py for what happens then. With `record --python-stacks` it also tells the
preload library of the interpreter, see actscope_python.py.
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
        if getattr(error, "name", None) not in (None, "sitecustomize"):  # Python 2 gives no name
            raise
        if own is not None:
            sys.modules[__name__] = own


def _load(folder, name):
    """A module of this folder, which is not on sys.path."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("_" + name, os.path.join(folder, name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _TorchFinder:
    """Finds torch like everybody else would, and calls the installers once it has been imported.

    Programs also look for torch before they import it (importlib.util.find_spec, as transformers does), so that it goes
    on until then."""

    def __init__(self, installers):
        self.installers = installers

    def find_spec(self, name, path=None, target=None):
        if name != "torch" or not self.installers:
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                self._watch(spec.loader)
                return spec
        return None

    def _watch(self, loader):
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module):
            execute(module)
            self._install(module)

        loader.exec_module = exec_module

    def _install(self, torch):
        installers, self.installers = self.installers, []
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        for install in installers:
            try:
                install(torch)
            except Exception:  # the program must run as it would without us
                pass


def _prepare(folder):
    if os.environ.get("ACTSCOPE_PYTHON_STACKS") == "1" and "ACTSCOPE_TRACE" in os.environ:
        try:
            _load(folder, "actscope_python").install(folder)
        except Exception:  # such as a Python without ctypes
            pass
    installers = []
    if os.environ.get("ACTSCOPE_PROBE", "auto") != "none" and "ACTSCOPE_TRACE" in os.environ:
        installers.append(lambda torch: _load(folder, "actscope_torch").install(torch))
    if "ACTSCOPE_APPLY_BITS" in os.environ:
        try:
            installers.append(_load(folder, "actscope_apply").prepare())
        except Exception:
            pass
    if installers:
        sys.meta_path.insert(0, _TorchFinder(installers))


_folder = _hide()
if sys.version_info >= (3, 7):  # an older one, where finders and forks are not what they are now, has no torch of ours
    _prepare(_folder)
_run_next_sitecustomize()

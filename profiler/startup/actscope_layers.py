"""Names of layers for `record --layers`: tells the preload library which layer's forward pass a thread is in.

A layer is called what torch.nn.Module.named_modules calls it, seen from the root: the module that the program itself
calls (`blocks.3.mlp.act`). The root's own name is that of its class, and a module that its root does not know (kept
in a plain list, made on the spot) is called after its class, behind the layer that calls it.

torch has global hooks for this, register_module_forward_pre_hook and register_module_forward_hook. They are not used:
the second is not called when forward raises (in PyTorch 1.13 there is no way to ask for it), so that what is saved
after an exception that the program catches would carry the name of a layer long left; and they make torch.compile
warn. Instead Module.__call__ is wrapped, whose `finally` comes always.
"""
import ctypes
import functools
import os
import threading
import weakref


class _Stack(threading.local):
    """The layers that this thread is in, outermost first. Threads of DataParallel and the like have each their own."""

    def __init__(self):
        self.layers = []


class _Layer:
    """A module and its name below one root."""

    __slots__ = ("module", "name", "tree")

    def __init__(self, module, name, tree):
        self.module, self.name, self.tree = weakref.ref(module), name, tree


class _Tree:
    """The layers of one root, by id of the module; an id may be another module's by now, so a layer is asked."""

    def __init__(self, root):
        self.root = None  # a weak reference, once it is there
        self.layers = {}
        self.calls = 0  # of the root
        self.read_at = 0  # the call at which it was last read
        self.read(root)

    def read(self, root):
        self.read_at = self.calls
        for name, module in root.named_modules():
            self.layers[id(module)] = _Layer(module, name or type(root).__name__, self)


def _backward_watch(torch):
    """A function that tells whether a backward pass is under way: on this thread, or, in PyTorch 1.13, on any."""
    task = getattr(torch._C, "_current_graph_task_id", None)
    if task is not None:
        return lambda: task() != -1
    running = []

    def count(name):
        original = getattr(torch.autograd, name)

        @functools.wraps(original)
        def call(*args, **kwargs):
            running.append(None)
            try:
                return original(*args, **kwargs)
            finally:
                running.pop()

        setattr(torch.autograd, name, call)

    count("backward")
    count("grad")
    return lambda: bool(running)


class _Layers:
    def __init__(self, torch):
        process = ctypes.PyDLL(None)  # these return at once: the interpreter's lock is not let go for them
        self.handle_of = process.actscope_probe_layer_handle
        self.handle_of.restype, self.handle_of.argtypes = ctypes.c_uint64, (ctypes.c_char_p,)
        self.tell = process.actscope_probe_layer
        self.tell.restype, self.tell.argtypes = None, (ctypes.c_uint64,)
        self.in_backward = _backward_watch(torch)
        self.stack = _Stack()
        self.handles = {}  # by name
        self.trees = {}  # by id of the root: its weak reference and its tree
        self.known = {}  # by id of the module: its layer when it was last called in a forward pass
        os.register_at_fork(after_in_child=self.handles.clear)  # names are numbered anew in the child's trace

    def enter(self, module):
        try:
            layers = self.stack.layers
            layer = self._inner(module, layers[-1]) if layers else self._outer(module)
            self.known[id(module)] = layer
            layers.append(layer)
            handle = self.handles.get(layer.name)
            self.tell(self._handle(layer.name) if handle is None else handle)
        except Exception:  # the program must run as it would without us
            pass

    def leave(self, depth):
        """Back to so many layers, whatever became of those above: an exception may have come at any point."""
        try:
            layers = self.stack.layers
            del layers[depth:]
            self.tell(self.handles.get(layers[-1].name) or self._handle(layers[-1].name) if layers else 0)
        except Exception:
            pass

    def _handle(self, name):
        handle = self.handles[name] = self.handle_of(name.encode("utf-8", "replace"))
        return handle

    def _outer(self, module):
        """A root, unless backward computes a part of the network again (checkpoints): then it is the layer it was."""
        if self.in_backward():
            layer = self.known.get(id(module))
            if layer is not None and layer.module() is module:
                return layer
        tree = self._tree(module)
        tree.calls += 1
        return tree.layers[id(module)]

    def _inner(self, module, caller):
        layer = caller.tree.layers.get(id(module))
        return layer if layer is not None and layer.module() is module else self._unknown(module, caller)

    def _unknown(self, module, caller):
        """It may have been added since, so the root is read again, once a call of it."""
        tree = caller.tree
        root = tree.root()
        if tree.read_at != tree.calls and root is not None:
            tree.read(root)
            layer = tree.layers.get(id(module))
            if layer is not None and layer.module() is module:
                return layer
        name = type(module).__name__
        layer = _Layer(module, name if caller.module() is root else caller.name + "." + name, tree)
        tree.layers[id(module)] = layer
        return layer

    def _tree(self, root):
        key = id(root)
        entry = self.trees.get(key)
        if entry is not None and entry.root() is root:
            return entry
        tree = _Tree(root)
        tree.root = weakref.ref(root, functools.partial(self._forget, key, tree))
        self.trees[key] = tree
        return tree

    def _forget(self, key, tree, _):
        """The root is gone, and with it its tree and what was known by it."""
        if self.trees.get(key) is tree:
            del self.trees[key]
        for module, layer in list(tree.layers.items()):
            if self.known.get(module) is layer:
                del self.known[module]
        tree.layers.clear()  # layers and tree refer to each other


def install(torch, meta):
    """Called by actscope_torch.py when torch has been imported; meta(key, value) notes in the trace that names come."""
    layers = _Layers(torch)
    original = torch.nn.Module.__call__
    stack, enter, leave = layers.stack, layers.enter, layers.leave
    compiling = getattr(getattr(torch, "compiler", None), "is_compiling", None) or (lambda: False)

    @functools.wraps(original)
    def __call__(self, /, *args, **kwargs):
        if compiling():  # what torch.compile reads must stay what it was
            return original(self, *args, **kwargs)
        depth = len(stack.layers)
        try:
            enter(self)
            return original(self, *args, **kwargs)
        finally:
            leave(depth)

    torch.nn.Module.__call__ = __call__
    meta(b"layers", b"on")

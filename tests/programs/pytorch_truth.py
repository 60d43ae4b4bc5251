"""What autograd really keeps: a walk over the graph between forward and backward, independent of actscope.

Keeps no tensor alive: a Truth holds numbers and names only, and a walk drops what it has looked at before it returns.
"""
import functools
import json
import re

import torch


def storage_of(tensor):
    """(address, bytes) of the tensor's storage; both names, since PyTorch 1.13 has no untyped_storage."""
    storage = tensor.untyped_storage() if hasattr(tensor, "untyped_storage") else tensor.storage()
    return storage.data_ptr(), storage.nbytes()


@functools.lru_cache(maxsize=None)
def names_by_letters():
    """Operators as PyTorch spells them, by their letters alone: maxpool2dwithindices -> max_pool2d_with_indices."""
    names = sorted({schema.name.split("::")[1].strip("_") for schema in torch._C._jit_get_all_schemas()})
    return {name.replace("_", "").lower(): name for name in names}


def op_name(node):
    """The name of an autograd node as actscope gives it: GeluBackward0 -> gelu."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return "python_function"
    kind = re.sub(r"Backward\d*$", "", node.name().split("::")[-1])
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()
    return names_by_letters().get(kind.lower(), snake)


def saved_tensors(node):
    """Every tensor that the node keeps; a tensor kept twice comes twice."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return [value for value in node.saved_tensors if isinstance(value, torch.Tensor)]
    found = []
    for attribute in dir(node):
        if attribute.startswith("_saved_"):
            value = getattr(node, attribute)
            values = value if isinstance(value, (tuple, list)) else [value]
            found += [tensor for tensor in values if isinstance(tensor, torch.Tensor)]
    return found


def graph_nodes(roots):
    """Every node that backward from the roots would visit. One wrapper object stands for a node as long as it is
    referenced, so that the list itself makes identity a sound test."""
    seen, waiting = {}, [root.grad_fn for root in roots if root.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            waiting += [after for after, _ in node.next_functions if after is not None]
    return list(seen.values())


def saved_blocks(roots, resident=(), skipped=()):
    """The distinct storages that the graph behind the roots keeps, as a list of dictionaries, largest first.

    `resident`: tensors that do not count, parameters and buffers as a rule. `skipped`: nodes that are not asked, as those
    that would compute again what they did not keep."""
    left_out = {storage_of(tensor)[0] for tensor in resident}
    blocks = {}
    left = {id(node) for node in skipped}
    for node in graph_nodes(roots):
        for tensor in saved_tensors(node) if id(node) not in left else ():
            address, size = storage_of(tensor)
            if address == 0 or address in left_out:
                continue
            block = blocks.setdefault(address, {"data_ptr": address, "bytes": size, "elements": 0, "dtype": "",
                                                "holders": []})
            block["holders"].append(op_name(node))
            if tensor.numel() > block["elements"]:
                block["elements"], block["dtype"] = tensor.numel(), str(tensor.dtype).split(".")[-1]
    for block in blocks.values():
        block["holders"].sort()
    return sorted(blocks.values(), key=lambda block: (-block["bytes"], block["data_ptr"]))


class Truth:
    """Collects the blocks of every step and writes them as JSON: {"steps": [[block, ...], ...]}."""

    def __init__(self, path):
        self.path = path
        self.steps = []

    def step(self, loss, model):
        """To be called between forward and backward."""
        if self.path:
            resident = list(model.parameters()) + list(model.buffers())
            self.steps.append(saved_blocks([loss], resident))

    def write(self):
        if self.path:
            with open(self.path, "w", encoding="utf-8") as file:
                json.dump({"torch": torch.__version__, "steps": self.steps}, file)

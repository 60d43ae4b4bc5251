#!/usr/bin/env python3
"""actscope's built-in models beside the same models written in PyTorch: the same weights and batch, logits, loss and
gradients, bytes held for backward, and what the optimizers make of the gradients.

    pytorch_kernels_model.py --program layers_model --folder FOLDER [--optimizer sgd|adamw] MODEL [KEY=VALUE...]

Prints JSON: entries as pytorch_kernels.py's, for logits, loss, the gradient of every parameter and of all together
("*"); held, torch_held; stepped: the optimizer's steps, each compared with torch.optim's from the very same gradients.
"""
import argparse
import json
import os
import subprocess
import sys

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_truth  # noqa: E402
from pytorch_kernels import attention, error, read, rms_norm  # noqa: E402


class Weights:
    """Parameters by name, with the layer that is being written down in front: w("attn")["qkv.weight"]."""

    def __init__(self, tensors, prefix=""):
        self.tensors, self.prefix = tensors, prefix

    def __call__(self, name):
        return Weights(self.tensors, f"{self.prefix}{name}.")

    def __getitem__(self, name):
        return self.tensors[self.prefix + name]

    def __contains__(self, name):
        return self.prefix + name in self.tensors

    def count(self, name):
        """How many name.0, name.1, ... there are."""
        start = f"{self.prefix}{name}."
        return len({key[len(start):].split(".")[0] for key in self.tensors if key.startswith(start)})

    def linear(self, name, x):
        return F.linear(x, self[name + ".weight"], self[name + ".bias"] if name + ".bias" in self else None)

    def layer_norm(self, name, x, epsilon=1e-5):
        return F.layer_norm(x, x.shape[-1:], self[name + ".weight"], self[name + ".bias"], epsilon)

    def batch_norm(self, name, x):
        return F.batch_norm(x, None, None, self[name + ".weight"], self[name + ".bias"], True, 0.1, 1e-5)


# ---- the models ------------------------------------------------------------------------------------------------------

def mlp(w, x, _):
    for i in range(w.count("layers")):
        x = F.gelu(w.linear(f"layers.{i}.fc", x))
    return w.linear("head", x)


def gpt(w, tokens, o):
    x = F.embedding(tokens, w["wte.weight"]) + w["wpe.weight"][:tokens.shape[1]]
    for i in range(w.count("blocks")):
        block = w(f"blocks.{i}")
        h = attention(block.linear("attn.qkv", block.layer_norm("norm1", x)), o["heads"], causal=True)
        x = x + block.linear("attn.proj", h)
        x = x + block.linear("mlp.fc2", F.gelu(block.linear("mlp.fc1", block.layer_norm("norm2", x))))
    return F.linear(w.layer_norm("norm", x), w["wte.weight"])


def bert(w, tokens, o):
    e = w("embeddings")
    x = F.embedding(tokens, e["word_embeddings.weight"]) + e["token_type_embeddings.weight"][0]
    x = e.layer_norm("LayerNorm", x + e["position_embeddings.weight"][:tokens.shape[1]], 1e-12)
    for i in range(w.count("encoder.layer")):
        layer = w(f"encoder.layer.{i}")
        h = attention(layer.linear("attention.qkv", x), o["heads"])
        x = layer.layer_norm("attention.output.LayerNorm", x + layer.linear("attention.output.dense", h), 1e-12)
        h = F.gelu(layer.linear("intermediate.dense", x))
        x = layer.layer_norm("output.LayerNorm", x + layer.linear("output.dense", h), 1e-12)
    if "classifier.weight" in w:
        return w.linear("classifier", torch.tanh(w.linear("pooler.dense", x[:, 0])))
    head = w("predictions")
    x = head.layer_norm("transform.LayerNorm", F.gelu(head.linear("transform.dense", x)), 1e-12)
    return F.linear(x, e["word_embeddings.weight"], head["bias"])


def vit(w, x, o):
    x = F.conv2d(x, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], o["patch"]).flatten(2).transpose(1, 2)
    x = torch.cat([w["cls_token"].expand(len(x), 1, -1), x], dim=1) + w["pos_embed"]
    for i in range(w.count("blocks")):
        block = w(f"blocks.{i}")
        h = attention(block.linear("attn.qkv", block.layer_norm("norm1", x, 1e-6)), o["heads"])
        x = x + block.linear("attn.proj", h)
        x = x + block.linear("mlp.fc2", F.gelu(block.linear("mlp.fc1", block.layer_norm("norm2", x, 1e-6))))
    return w.linear("head", w.layer_norm("norm", x, 1e-6)[:, 0])


def llama(w, tokens, o):
    x = F.embedding(tokens, w["embed_tokens.weight"])
    for i in range(w.count("layers")):
        layer = w(f"layers.{i}")
        h = layer.linear("self_attn.qkv_proj", rms_norm(x, layer["input_layernorm.weight"], 1e-5))
        h = attention(h, o["heads"], o.get("key_heads", 0), causal=True, rope=True)
        x = x + layer.linear("self_attn.o_proj", h)
        h = rms_norm(x, layer["post_attention_layernorm.weight"], 1e-5)
        h = F.silu(layer.linear("mlp.gate_proj", h)) * layer.linear("mlp.up_proj", h)
        x = x + layer.linear("mlp.down_proj", h)
    return w.linear("lm_head", rms_norm(x, w["norm.weight"], 1e-5))


def residual_block(w, x, stride, bottleneck):
    """Strides as torchvision has them: at the 3 x 3 convolution of a bottleneck."""
    h, convolutions = x, (1, 2, 3) if bottleneck else (1, 2)
    for i in convolutions:
        kernel = w[f"conv{i}.weight"].shape[-1]
        here = stride if i == (2 if bottleneck else 1) else 1
        h = w.batch_norm(f"bn{i}", F.conv2d(h, w[f"conv{i}.weight"], None, here, kernel // 2))
        h = h if i == convolutions[-1] else F.relu(h)
    if "downsample.0.weight" in w:
        x = w.batch_norm("downsample.1", F.conv2d(x, w["downsample.0.weight"], None, stride))
    return F.relu(h + x)


def resnet(w, x, o):
    large = x.shape[-1] >= 64
    x = F.relu(w.batch_norm("bn1", F.conv2d(x, w["conv1.weight"], None, 2 if large else 1, 3 if large else 1)))
    x = F.max_pool2d(x, 3, 2, 1) if large else x
    for stage in range(1, 5):
        for i in range(w.count(f"layer{stage}")):
            x = residual_block(w(f"layer{stage}.{i}"), x, 2 if stage > 1 and i == 0 else 1, "bottleneck" in o)
    return w.linear("fc", x.mean((2, 3)))


MODELS = {"mlp": mlp, "gpt": gpt, "bert": bert, "vit": vit, "llama": llama, "resnet": resnet}


# ---- ours ------------------------------------------------------------------------------------------------------------

class Ours:
    """What the program wrote."""

    def __init__(self, options, folder):
        settings = [f"{key}={value}" for key, value in options["settings"].items()]
        result = subprocess.run([options["program"], options["model"], folder, *settings], capture_output=True,
                                text=True, check=False)
        if result.returncode:
            sys.exit(result.stderr)
        self.folder, self.held, self.parameters = folder, 0, []
        for line in result.stdout.splitlines():
            words = line.split()
            if words[0] == "saved":
                self.held = int(words[1])
            elif words[0] == "parameter":
                self.parameters.append((words[1], words[2] == "1", tuple(map(int, words[3:]))))

    def tensors(self, what):
        return {name: read(self.folder, f"{number}.{what}", shape)
                for number, (name, _, shape) in enumerate(self.parameters)}

    def batch(self, options, model):
        size, dtype = options["batch"], torch.int32 if model in ("gpt", "bert", "llama") else torch.float32
        x = read(self.folder, "x", (-1,), dtype)
        image = (options.get("channels", 3), options["image"], options["image"]) if "image" in options else (-1,)
        target = read(self.folder, "target", (-1,), torch.int32)
        return (x.long() if dtype == torch.int32 else x).reshape(size, *image), target.long()


# ---- the comparison --------------------------------------------------------------------------------------------------

def torch_step(model, weights, batch, sizes, dtype):
    """(logits, loss, gradients, held) of one forward and backward pass."""
    weights = {name: value.to(dtype, copy=True).requires_grad_() for name, value in weights.items()}
    x, target = batch
    x = x.to(dtype) if x.is_floating_point() else x
    logits = MODELS[model](Weights(weights), x, sizes)
    loss = F.cross_entropy(logits.flatten(0, -2), target, ignore_index=-100 if target.min() >= 0 else
                           target.min().item())
    shown = logits.detach().clone()
    del logits
    blocks = pytorch_truth.saved_blocks([loss], [*weights.values(), x, target])
    loss.backward()
    return shown, loss.detach(), {name: value.grad for name, value in weights.items()}, blocks


def compare_step(options, ours):
    weights, sizes = ours.tensors("weight"), options["settings"]
    batch = ours.batch(sizes, options["family"])
    exact = torch_step(options["family"], weights, batch, sizes, torch.float64)
    single = torch_step(options["family"], weights, batch, sizes, torch.float32)
    gradients = ours.tensors("1.gradient")
    loss = read(ours.folder, "loss", (-1,))[0]
    rows = [("logits", exact[0], single[0], read(ours.folder, "logits", exact[0].shape)),
            ("loss", exact[1], single[1], loss)]
    rows += [("d" + name, exact[2][name], single[2][name], gradients[name]) for name in gradients]
    rows.append(("*", *(torch.cat([values[name].flatten() for name in gradients])
                        for values in (exact[2], single[2], gradients))))
    entries = [{"case": options["model"], "array": name, "ours": error(mine, true), "torch": error(theirs, true)}
               for name, true, theirs, mine in rows]
    return {"entries": entries, "held": ours.held, "torch_held": [
        {"bytes": block["bytes"], "dtype": block["dtype"], "holders": block["holders"]} for block in single[3]]}


def torch_optimizer(name, groups, settings):
    rate, decay = settings["rate"], settings["decay"]
    weights, others = groups
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    if name == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9)
    return torch.optim.AdamW(groups, lr=rate)


def compare_optimizer(options, ours, dtype):
    """Steps of torch.optim from the gradients that ours had, in dtype: the parameters after each."""
    settings = options["settings"]
    parameters = {name: value.to(dtype, copy=True).requires_grad_() for name, value in ours.tensors("weight").items()}
    decaying = {name for name, decays, _ in ours.parameters if decays}
    optimizer = torch_optimizer(options["optimizer"], (
        [value for name, value in parameters.items() if name in decaying],
        [value for name, value in parameters.items() if name not in decaying]), settings)
    steps = []
    for step in range(1, settings["steps"] + 1):
        gradients = ours.tensors(f"{step}.gradient")
        for name, value in parameters.items():
            value.grad = gradients[name].to(dtype)
        optimizer.step()
        steps.append({name: value.detach().clone() for name, value in parameters.items()})
    return steps


def stepped(options, ours):
    """By step, of what the weights moved in all: how far ours and torch's float32 are from torch's float64."""
    start = torch.cat([value.flatten().double() for value in ours.tensors("weight").values()])
    exact, single = (compare_optimizer(options, ours, dtype) for dtype in (torch.float64, torch.float32))
    entries = []
    for step, (true, theirs) in enumerate(zip(exact, single), 1):
        mine = ours.tensors(f"{step}.stepped")
        true, theirs, mine = (torch.cat([values[name].flatten().double() for name in mine])
                              for values in (true, theirs, mine))
        entries.append({"case": f"step {step}", "array": options["optimizer"],
                        "ours": error(mine - start, true - start), "torch": error(theirs - start, true - start)})
    return entries


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--optimizer", choices=["sgd", "adamw"], default="sgd")
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    options = parser.parse_intermixed_args()
    settings = dict(setting.split("=") for setting in options.settings)
    settings = {key: int(value) if value.isdigit() else value for key, value in settings.items()}
    settings |= {"optimizer": options.optimizer, "rate": 0.01, "decay": 0.1, "steps": 3}
    shared = {"program": options.program, "model": options.model, "family": options.model,
              "optimizer": options.optimizer, "settings": settings}
    ours = Ours(shared, options.folder)
    json.dump(compare_step(shared, ours) | {"stepped": stepped(shared, ours)}, sys.stdout)


if __name__ == "__main__":
    main()

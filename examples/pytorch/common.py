"""What the example programs share: options, the training loop, something to learn from."""
import argparse
import gzip
import os
import sys
import time

import torch
import torch.nn.functional as F

TEXT = "/usr/share/common-licenses/GPL-3"
DIGITS = "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"
PROGRAM = os.path.basename(sys.argv[0])


def make_parser(description, steps, batch, lr):
    """The options that every example has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--lr", type=float, default=lr)
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0 leaves its own choice")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def make_text_parser(description):
    """Those of the models of text as well."""
    parser = make_parser(description, steps=20, batch=16, lr=1e-3)
    parser.add_argument("--text", default=TEXT, help="what to learn")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--embed", type=int, default=256)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--block", type=int, default=128, help="characters the model sees at once")
    return parser


def begin(parser):
    """The options, with seed and threads set."""
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    if options.threads > 0:
        torch.set_num_threads(options.threads)
    return options


def count_parameters(model):
    return f"{sum(p.numel() for p in model.parameters()):,} parameters"


def train(steps, optimizer, compute_loss, every=1):
    """compute_loss() takes a batch and returns its loss, and the share of right answers or None."""
    begin_time = time.time()
    for step in range(steps):
        loss, right = compute_loss()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % every == 0 or step == steps - 1:
            known = "" if right is None else f"  right {100 * right:.1f} %"
            print(f"step {step:4d}  loss {loss.item():.4f}{known}", flush=True)
    print(f"{steps} steps in {time.time() - begin_time:.1f} s", file=sys.stderr)


def classify(output, labels):
    """What compute_loss() returns for classes."""
    return F.cross_entropy(output, labels), (output.argmax(1) == labels).float().mean().item()


# ---- data ------------------------------------------------------------------------------------------------------------

def read_text(path):
    """The file as a vector of character numbers, and the characters they stand for."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"{PROGRAM}: cannot read the text: {error}; name another file with --text")
    characters = sorted(set(text))
    number = {c: i for i, c in enumerate(characters)}
    return torch.tensor([number[c] for c in text]), characters


def sample_pieces(data, batch, length):
    """Pieces of a text, each begun anywhere, as rows."""
    starts = torch.randint(len(data) - length, (batch,))
    return torch.stack([data[s:s + length] for s in starts])


def read_digits(path):
    """1,797 handwritten digits of 8 x 8 pixels, from 0 to 1, and which they are. (The file is scikit-learn's; the package
    itself is not needed.)"""
    try:
        with gzip.open(path, "rt") as file:
            rows = torch.tensor([[float(value) for value in line.split(",")] for line in file])
    except (OSError, ValueError) as error:
        sys.exit(f"{PROGRAM}: cannot read the digits: {error}; apt-get install python3-sklearn, or name the file with "
                 "--digits")
    return rows[:, :64].view(-1, 1, 8, 8) / 16, rows[:, 64].long()

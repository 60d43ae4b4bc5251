#!/usr/bin/env python3
"""Some 110 of PyTorch's operators and layers, each on the result of a linear layer, in groups; one group a run.

    pytorch_ops.py --group activations|math|indexing|functions|layers [--steps N] [--truth FILE]
"""
import argparse
import os
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pytorch_truth  # noqa: E402

N = 96  # activations are N x N, 36 KiB; rows and the like are below actscope's default --min-size


def activations(x):
    functions = [F.gelu, lambda t: F.gelu(t, approximate="tanh"), F.silu, F.mish, F.softplus, F.elu, F.celu, F.selu,
                 F.hardswish, F.logsigmoid, F.hardtanh, F.relu6, F.leaky_relu, F.hardsigmoid, F.hardshrink,
                 F.softshrink, F.tanhshrink, F.softsign, torch.tanh, torch.sigmoid, F.relu, F.rrelu,
                 lambda t: F.threshold(t, 0.1, 0.0)]
    return [function(x + i) for i, function in enumerate(functions)]


def math(x):
    positive = x.abs() + 1
    return [x.exp(), positive.log(), positive.sqrt(), positive.rsqrt(), x.reciprocal(), x.square(), x.pow(3), x.sin(),
            x.cos(), x.erf(), x.abs(), x.clamp(-1, 1), x / positive, torch.maximum(x, x * 2),
            torch.atan2(x, x + 1), torch.where(x > 0, x, x * 2), x.cumsum(0), x.cumprod(1), x.prod(1), x.sort(1)[0],
            x.topk(50, 1)[0], x.max(1)[0], x.amax(0), x.var(1), x.std(0), x.norm(), torch.logsumexp(x, 1)]


def indexing(x):
    places = torch.randint(N, (N, N))
    return [x.gather(1, places), x.scatter(1, places, x * 3), x.index_select(0, torch.randint(N, (2 * N,))),
            x[torch.randint(N, (3 * N,))], x.masked_select(x > 0), x.masked_fill(x > 1, 0.0), torch.cat([x, x * 2]),
            torch.stack([x, x]), x.roll(3), x.flip(0), x.tril(), x.repeat(2, 1), x.expand(3, N, N).sum(0),
            x[:, ::2] * x[:, 1::2], x.unfold(1, 4, 2) * 2]


def functions(x):
    target = torch.rand(N, N)
    return [F.layer_norm(x, (N,)), F.group_norm(x.view(1, N, N), 8), F.softmax(x, 1), F.log_softmax(x, 0),
            F.dropout(x, 0.3), F.max_pool1d(x[None], 2), F.avg_pool2d(x[None], 2), F.pad(x, (1, 1)), F.normalize(x),
            F.interpolate(x[None, None], scale_factor=2, mode="bilinear"), F.cosine_similarity(x, x + 1),
            F.binary_cross_entropy_with_logits(x, target), F.mse_loss(x, target), F.l1_loss(x, target),
            F.smooth_l1_loss(x, target), F.kl_div(F.log_softmax(x, 1), target, reduction="batchmean"), F.glu(x),
            torch.einsum("ij,jk->ik", x, x), x @ x.t(), torch.cdist(x, x + 1), x.double().sin().float(),
            x.half().float(), x.bfloat16().exp().float()]


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(N, N, 2, batch_first=True, bidirectional=True)
        self.gru, self.rnn = nn.GRU(N, N), nn.RNN(N, N)
        self.attention, self.decoder = nn.MultiheadAttention(N, 4, dropout=0.1), nn.TransformerDecoderLayer(N, 4)
        self.batch_norm, self.instance_norm, self.prelu = nn.BatchNorm1d(N), nn.InstanceNorm1d(N), nn.PReLU()
        self.conv1, self.conv3, self.upward = nn.Conv1d(N, 8, 3), nn.Conv3d(1, 4, 3), nn.ConvTranspose2d(1, 4, 3)
        self.bag, self.bilinear = nn.EmbeddingBag(50, N), nn.Bilinear(N, N, 4)

    def forward(self, x):
        sequence = x[:, None]
        return [self.lstm(x[None])[0], self.gru(sequence)[0], self.rnn(sequence)[0],
                self.attention(sequence, sequence, sequence)[0], self.decoder(sequence, sequence), self.batch_norm(x),
                self.instance_norm(x[None]), self.prelu(x), self.conv1(x[None]), self.conv3(x.view(1, 1, 8, 12, N)),
                self.upward(x[None, None]), self.bag(torch.randint(50, (N, 6))), self.bilinear(x, x)]


class Model(nn.Module):
    def __init__(self, group):
        super().__init__()
        self.first = nn.Linear(N, N)
        self.group = group

    def loss(self):
        return sum(result.float().sum() for result in self.group(self.first(torch.randn(N, N))))


GROUPS = {"activations": lambda: activations, "math": lambda: math, "indexing": lambda: indexing,
          "functions": lambda: functions, "layers": Layers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--group", choices=list(GROUPS), required=True)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--truth", default="", metavar="FILE")
    options = parser.parse_args()

    torch.manual_seed(1)
    torch.set_num_threads(1)
    model = Model(GROUPS[options.group]())
    truth = pytorch_truth.Truth(options.truth)
    for _ in range(options.steps):
        model.zero_grad()
        loss = model.loss()
        truth.step(loss, model)
        loss.backward()
    truth.write()


if __name__ == "__main__":
    main()

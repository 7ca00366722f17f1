"""Trains one network in PyTorch and prints one JSON object: the peer of `backprop train`.

    train_torch.py FOLDER --layers 784,128,10 --batch 128 --optimizer adam --epochs 2 --threads 2

The data set (the four IDX files of FOLDER) lies in memory as float32; an epoch shuffles it once and
then takes slices, which is faster here than picking each batch by index. Seconds are those of the
training steps, shuffling included; one epoch runs before the clock starts.
"""
import argparse
import gzip
import json
import os
import time

import numpy as np
import torch


def read_idx(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    dims = data[3]
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(dims)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dims).reshape(shape)


def load(folder, name):
    for ending in ("", ".gz"):
        path = os.path.join(folder, name + ending)
        if os.path.exists(path):
            return read_idx(path)
    raise SystemExit(f"{folder}: no {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--layers", default="784,128,10")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--optimizer", default="adam", choices=["sgd", "adam"])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    x = torch.from_numpy(load(arguments.folder, "train-images-idx3-ubyte").reshape(-1, 784)
                         .astype(np.float32) / 255)
    y = torch.from_numpy(load(arguments.folder, "train-labels-idx1-ubyte").astype(np.int64))
    widths = [int(w) for w in arguments.layers.split(",")]
    modules = []
    for inputs, outputs in zip(widths, widths[1:]):
        modules += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    network = torch.nn.Sequential(*modules[:-1])
    if arguments.optimizer == "adam":
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    loss_function = torch.nn.CrossEntropyLoss()

    def epoch():
        order = torch.randperm(len(x))
        xs, ys = x[order], y[order]
        total = 0.0
        for start in range(0, len(x), arguments.batch):
            xb, yb = xs[start:start + arguments.batch], ys[start:start + arguments.batch]
            optimizer.zero_grad(set_to_none=True)
            loss = loss_function(network(xb), yb)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(xb)
        return float(total) / len(x)

    loss = epoch()
    start = time.perf_counter()
    for _ in range(arguments.epochs):
        loss = epoch()
    seconds = time.perf_counter() - start
    print(json.dumps({"peer": "PyTorch " + torch.__version__, "train_loss": loss,
                      "samples_per_second": arguments.epochs * len(x) / seconds}))


if __name__ == "__main__":
    main()

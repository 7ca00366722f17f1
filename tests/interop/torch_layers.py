"""torch_layers.py - norms, residual connections and dropout against PyTorch's modules.

    torch_layers.py BACKPROP

A model of ours is loaded by the line of Python that it brings, strictly. Both train it further, with
full batches and plain gradient descent, ours in double precision on the device `reference`, PyTorch in
float64; afterwards parameters, what was found of the batches, and the loss on other rows, evaluated, must
be the same. Dropout, whose random numbers are not PyTorch's, is compared evaluated only. Exits with 1
where anything is off by more than 1e-5.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy
import torch
from safetensors import safe_open
from safetensors.torch import load_file

COMMAND = os.path.abspath(sys.argv[1])
ROWS, STEPS, RATE = 40, 100, 0.05
CASES = [
    ("layernorm", "6:tanh:layernorm,7:relu:layernorm", True),
    ("batchnorm", "6:tanh:batchnorm,7:relu:batchnorm", True),
    ("residual", "6:tanh,6:gelu:residual,6:sigmoid:residual", True),
    ("all together", "4:silu:batchnorm:residual,6:tanh:layernorm,6:relu:layernorm:residual", True),
    ("dropout", "6:tanh:dropout=0.3,6:relu:layernorm:dropout=0.5:residual", False),
]


def run(*arguments):
    done = subprocess.run([COMMAND] + list(arguments), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: %s: exit code %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout


def train(data, out, steps, rate, *more):
    run("train", data, "--target", "t0,t1", "--task", "regress", "--scaling", "none", "--loss", "mse",
        "--device", "reference", "--no-shuffle", "--batch", str(ROWS), "--epochs", str(steps),
        "--optimizer", "sgd", "--lr", str(rate), "-q", "-o", out, *more)


def module(path):
    with safe_open(path, "pt") as file:
        text = file.metadata()["torch.sequential"]
    net = eval(text, {"nn": torch.nn, "torch": torch}).double()
    net.load_state_dict({k: v.double() for k, v in load_file(path).items()}, strict=True)
    return net


def table(path, seed):
    torch.manual_seed(seed)
    x, t = torch.randn(ROWS, 4), torch.randn(ROWS, 2)
    numpy.savetxt(path, numpy.concatenate([x.numpy(), t.numpy()], axis=1), delimiter=",",
                  comments="", header="a,b,c,d,t0,t1", fmt="%.9g")
    return x.double(), t.double()


def compare(folder, name, hidden, steps):
    data, other = os.path.join(folder, "data.csv"), os.path.join(folder, "other.csv")
    x, t = table(data, 1)
    x_other, t_other = table(other, 2)
    start, end = os.path.join(folder, "start.st"), os.path.join(folder, "end.st")
    train(data, start, 3, RATE, "--hidden", hidden)
    net = module(start)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(x), t).backward()
        optimizer.step()
    worst = 0.0
    if steps:
        train(data, end, steps, RATE, "--init-from", start)
        got = load_file(end)
        for key, wanted in net.state_dict().items():
            if key.endswith("num_batches_tracked"):
                continue
            off = float((got[key].double() - wanted).abs().max() / max(1, wanted.abs().max()))
            moved = float((before[key] - wanted).abs().max())
            if moved == 0:
                sys.exit("FAILED: %s: %s has not moved" % (name, key))
            worst = max(worst, off)
    net.eval()
    with torch.no_grad():
        loss = float(torch.nn.functional.mse_loss(net(x_other), t_other))
    ours = json.loads(run("eval", end if steps else start, other, "--device", "reference", "--json"))
    worst = max(worst, abs(ours["loss"] - loss) / loss)
    if not worst <= 1e-5:
        sys.exit("FAILED: %s: off by %g" % (name, worst))
    print("ok: %s: off by %.2g after %d steps" % (name, worst, steps))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, hidden, trains in CASES:
            compare(folder, name, hidden, STEPS if trains else 0)


main()

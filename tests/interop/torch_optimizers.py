"""torch_optimizers.py - every optimizer against PyTorch's, many steps from the same start.

    torch_optimizers.py BACKPROP

A network of 4, 6 and 2 units on 40 rows, full batches, 200 steps: ours in double precision on the
device `reference`, PyTorch in float64. With weight decay, clipping by norm and by value as well.
Lion, which PyTorch does not have, is written out. Exits with 1 where a parameter is off by more than
1e-5 of the largest.
"""
import os
import re
import subprocess
import sys
import tempfile

import numpy
import torch
from safetensors.torch import load_file, save_file

COMMAND = os.path.abspath(sys.argv[1])
WIDTHS, ROWS, STEPS = [4, 6, 2], 40, 200


class Lion(torch.optim.Optimizer):
    """Chen et al. 2023, algorithm 2."""

    def __init__(self, parameters, lr, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(parameters, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                c = b1 * m + (1 - b1) * p.grad
                p -= group["lr"] * (c.sign() + group["weight_decay"] * p)
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


# Ours, its learning rate, theirs. Rates at which no update overshoots: an oscillation that grows doubles
# every rounding until nothing can be compared.
OPTIMIZERS = [
    ("sgd", 0.05, torch.optim.SGD, {}),
    ("momentum", 0.02, torch.optim.SGD, {"momentum": 0.9}),
    ("nesterov", 0.02, torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ("adagrad", 0.01, torch.optim.Adagrad, {}),
    ("rmsprop", 0.0003, torch.optim.RMSprop, {}),
    ("adam", 0.01, torch.optim.Adam, {}),
    ("adamw", 0.01, torch.optim.AdamW, {}),
    ("lion", 0.002, Lion, {}),
    ("rprop", 0.005, torch.optim.Rprop, {}),
]
SHAPES = [("plain", {}), ("decay", {"weight_decay": 0.05}),
          ("decay and clipped", {"weight_decay": 0.05, "clip_norm": 0.2, "clip_value": 0.1}),
          ("max-norm", {"max_norm": 0.6}), ("averaged", {"ema": 0.97}),
          ("in groups", {"batch": 12, "accumulate": 2, "clip_norm": 0.2})]


def module():
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2))


def average_of(net, ema):
    """PyTorch's, with the first decays as documented; the first call takes what it begins with."""
    def mix(average, parameter, count):
        t = int(count) - 1
        decay = min(ema, (1 + t) / (10 + t))
        return decay * average + (1 - decay) * parameter

    averaged = torch.optim.swa_utils.AveragedModel(net, avg_fn=mix)
    averaged.update_parameters(net)
    return averaged


def groups_of(shape):
    """The rows of each batch of each update of all epochs."""
    size, count = shape.get("batch", ROWS), shape.get("accumulate", 1)
    batches = [list(range(i, min(i + size, ROWS))) for i in range(0, ROWS, size)]
    return [batches[i:i + count] for i in range(0, len(batches), count)] * STEPS


def theirs(start, x, t, make, rate, extra, shape):
    net = module().double()
    net.load_state_dict({k: v.double() for k, v in start.items()})
    extra = dict(extra)
    if "weight_decay" in shape:
        extra["weight_decay"] = shape["weight_decay"]
    elif make is torch.optim.AdamW:
        extra["weight_decay"] = 0.01
    optimizer = make(net.parameters(), lr=rate, **extra)
    averaged = average_of(net, shape.get("ema", 0))
    for rows in groups_of(shape):
        optimizer.zero_grad()
        for part in rows:
            share = len(part) / sum(len(p) for p in rows)
            (torch.nn.functional.mse_loss(net(x[part]), t[part]) * share).backward()
        if "clip_norm" in shape:
            torch.nn.utils.clip_grad_norm_(net.parameters(), shape["clip_norm"])
        if "clip_value" in shape:
            torch.nn.utils.clip_grad_value_(net.parameters(), shape["clip_value"])
        optimizer.step()
        if "max_norm" in shape:
            for layer in (net[0], net[2]):
                layer.weight.data = torch.renorm(layer.weight.data, 2, 0, shape["max_norm"])
        averaged.update_parameters(net)
    return averaged.module.state_dict() if "ema" in shape else net.state_dict()


def ours(folder, name, rate, shape):
    out = os.path.join(folder, "out.safetensors")
    arguments = ["train", os.path.join(folder, "data.csv"), "--target", "t0,t1", "--task", "regress",
                 "--scaling", "none", "--init-from", os.path.join(folder, "start.safetensors"),
                 "--activation", "tanh", "--loss", "mse", "--device", "reference", "--no-shuffle",
                 "--batch", str(shape.get("batch", ROWS)), "--epochs", str(STEPS),
                 "--optimizer", name, "--lr", str(rate), "-q", "-o", out]
    for key, value in shape.items():
        if key == "batch":
            continue
        arguments += ["--" + key.replace("_", "-"), str(value)]
    done = subprocess.run([COMMAND] + arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: %s: exit code %d\n%s" % (name, done.returncode, done.stderr))
    return load_file(out)


def names():
    text = subprocess.run([COMMAND, "train", "--help"], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    found = re.search(r"--optimizer\s[^{]*\{([^}]*)\}", text).group(1)
    return {n.strip() for n in found.replace("\n", " ").split(",")}


def main():
    torch.manual_seed(1)
    missing = names() - {row[0] for row in OPTIMIZERS} - {"lbfgs"}  # torch_lbfgs.py
    if missing:
        sys.exit("FAILED: not compared: %s" % ", ".join(sorted(missing)))
    x, t = torch.randn(ROWS, 4), torch.randn(ROWS, 2)
    with tempfile.TemporaryDirectory() as folder:
        table = numpy.concatenate([x.numpy(), t.numpy()], axis=1)
        numpy.savetxt(os.path.join(folder, "data.csv"), table, delimiter=",", comments="",
                      header="a,b,c,d,t0,t1", fmt="%.9g")
        start = module().state_dict()
        save_file(start, os.path.join(folder, "start.safetensors"))
        for name, rate, make, extra in OPTIMIZERS:
            for what, shape in SHAPES:
                if make is torch.optim.Rprop and "weight_decay" in shape:
                    continue  # PyTorch's has none
                wanted = theirs(start, x.double(), t.double(), make, rate, extra, shape)
                got = ours(folder, name, rate, shape)
                worst = max(float((got[k].double() - wanted[k]).abs().max() /
                                  wanted[k].abs().max()) for k in wanted)
                moved = max(float((start[k].double() - wanted[k]).abs().max()) for k in wanted)
                if not worst <= 1e-5 or moved < 0.01:
                    sys.exit("FAILED: %s, %s: off by %g" % (name, what, worst))
                print("ok: %s, %s: off by %.2g after %d steps" % (name, what, worst, STEPS))


main()

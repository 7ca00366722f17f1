"""torch_gradients.py - every derivative that `backprop explain` shows, against PyTorch's autograd.

    torch_gradients.py BACKPROP

A random network of 3, 5, 4 and 2 units in double precision, for every activation and loss that both
know: activations, effects, deltas, gradients, and the parameters after the step. Prints one line a
network; exits with 1 at the first number that is off by more than 1e-6 of the largest beside it.
"""
import json
import os
import re
import subprocess
import sys

import torch
from torch.nn import functional

COMMAND = os.path.abspath(sys.argv[1])
WIDTHS = [3, 5, 4, 2]
RATE = 0.5

ACTIVATIONS = {
    "linear": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "softplus": functional.softplus,
    "softsign": functional.softsign,
    "sine": torch.sin,
    "softmax": lambda z: torch.softmax(z, 0),
}
LOSSES = {
    "half_squared": lambda a, t: 0.5 * torch.sum((t - a) ** 2),
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
    "quantile": lambda a, t: 0.5 * functional.l1_loss(a, t),
    "cross_entropy": lambda a, t: -torch.sum(t * torch.log(a)),
    "bce": lambda a, t: functional.binary_cross_entropy(a, t, reduction="sum"),
}


def explain(*arguments):
    """What the command says, or None where it refuses the combination."""
    done = subprocess.run([COMMAND, "explain", "--json", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode == 2:
        return None
    if done.returncode != 0:
        sys.exit("FAILED: %s: exit code %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
    return json.loads(done.stdout)


def choices(option):
    """The names that the command's help lists for an option."""
    text = subprocess.run([COMMAND, "explain", "--help"], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout
    return re.search(r"--%s\s[^{]*\{([^}]*)\}" % option, text).group(1).replace("\n", " ").split(",")


def check(what, mine, theirs):
    """Relative to the largest number of the tensor."""
    mine = torch.tensor(mine, dtype=torch.float64).flatten()
    theirs = theirs.detach().flatten()
    if mine.shape != theirs.shape:
        sys.exit("FAILED: %s: %d numbers, torch has %d" % (what, len(mine), len(theirs)))
    error = (mine - theirs).abs().max() / theirs.abs().max().clamp(min=1e-300)
    if not error <= 1e-6:
        sys.exit("FAILED: %s: off by %g\n%s\n%s" % (what, error, mine, theirs))
    return float(error)


def numbers(*tensors):
    return ",".join("%.17g" % v for tensor in tensors for v in tensor.detach().flatten().tolist())


def network(hidden, output, loss, bias):
    """One network, both ways. Returns whether there is such a network."""
    name = "%s, %s, %s%s" % (hidden, output, loss, ", biases" if bias else "")
    torch.manual_seed(sum(map(ord, name)))
    double = dict(dtype=torch.float64, requires_grad=True)
    weights = [torch.randn(n, m, **double) for m, n in zip(WIDTHS, WIDTHS[1:])]
    biases = [torch.randn(n, **double) for n in WIDTHS[1:]] if bias else []
    x, t = torch.randn(3, dtype=torch.float64), torch.tensor([0.3, 0.7], dtype=torch.float64)
    arguments = ["--layers", ",".join(map(str, WIDTHS)), "--weights=" + numbers(*weights),
                 "--input=" + numbers(x), "--target=" + numbers(t), "--lr", str(RATE),
                 "--activation", hidden, "--output-activation", output, "--loss", loss]
    if bias:
        arguments.append("--biases=" + numbers(*biases))
    mine = explain(*arguments)
    if mine is None:
        return False

    nets, outputs, a = [], [], x
    for l, w in enumerate(weights):
        nets.append(w @ a + (biases[l] if bias else 0))
        outputs.append(ACTIVATIONS[output if l == len(weights) - 1 else hidden](nets[-1]))
        a = outputs[-1]
    error = LOSSES[loss](a, t)
    for tensor in nets + outputs:
        tensor.retain_grad()
    error.backward()

    worst = check(name + ": error", [mine["error"]], error)
    for l, layer in enumerate(mine["layers"]):
        for key, tensor in (("net", nets[l]), ("activation", outputs[l]), ("effect", outputs[l].grad),
                            ("delta", nets[l].grad)):
            worst = max(worst, check("%s: %s of layer %d" % (name, key, l), layer[key], tensor))
        for key, list_, tensors in (("weights", mine["weights"], weights),
                                    ("biases", mine["biases"], biases)):
            if not tensors:
                continue
            of_layer = [p for p in list_ if p["layer"] == l]
            what = "%s: %s of layer %d" % (name, key, l)
            worst = max(worst, check(what, [p["gradient"] for p in of_layer], tensors[l].grad))
            after = tensors[l] - RATE * tensors[l].grad
            check(what + ", updated", [p["updated"] for p in of_layer], after)
    print("ok: %s: off by %.2g at most" % (name, worst))
    return True


def main():
    activations = [n.strip() for n in choices("activation") if n.strip() != "auto"]
    losses = [n.strip() for n in choices("loss") if n.strip() != "auto"]
    for name in activations + losses:
        if name not in ACTIVATIONS and name not in LOSSES:
            print("not compared: %s" % name)
    count = 0
    for hidden in filter(ACTIVATIONS.get, activations):
        for output in ACTIVATIONS:
            for loss in filter(LOSSES.get, losses):
                for bias in False, True:
                    count += network(hidden, output, loss, bias)
    if count < 20:
        sys.exit("FAILED: only %d networks were compared" % count)


main()

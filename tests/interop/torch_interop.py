"""torch_interop.py - models travel between backprop and PyTorch, and compute the same there.

    torch_interop.py BACKPROP

BACKPROP is the command under test. Prints one line a check; exits with 1 at the first that fails.
Needs torch, numpy and safetensors; scripts/interop-setup installs them.
"""
import json
import os
import subprocess
import sys
import tempfile

import numpy
import safetensors
import safetensors.torch
import torch
from torch import nn

COMMAND = os.path.abspath(sys.argv[1])
DEVICE = ["--device", os.environ.get("BACKPROP_DEVICE", "reference")]


def backprop(*arguments):
    """Runs the command; returns what it prints."""
    done = subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: %s: exit code %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout


def check(what, mine, theirs, tolerance=1e-5):
    """Both compute in float32, in orders of their own: equal up to a few roundings."""
    mine, theirs = numpy.asarray(mine, float), numpy.asarray(theirs, float)
    if mine.shape != theirs.shape:
        sys.exit("FAILED: %s: shapes %s and %s" % (what, mine.shape, theirs.shape))
    difference = numpy.max(numpy.abs(mine - theirs))
    if not difference <= tolerance * max(1.0, numpy.max(numpy.abs(theirs))):
        sys.exit("FAILED: %s: outputs differ by %g" % (what, difference))
    if numpy.ptp(theirs) < 1e-3:
        sys.exit("FAILED: %s: the outputs are all the same, which would prove nothing" % what)
    print("ok: %s: outputs differ by %.2g at most" % (what, difference))


def write_csv(path, header, rows):
    with open(path, "w") as file:
        file.write(",".join(header) + "\n")
        for row in rows:
            file.write(",".join(repr(float(v)) if not isinstance(v, str) else v for v in row) + "\n")


def numbers(text, skip=0):
    return [[float(v) for v in line.split(",")] for line in text.splitlines()[skip:]]


def without_schema(path, out):
    """The model again, as the safetensors package writes it, without its schema: it then takes
    numbers as they are."""
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    del metadata["backprop.schema"]
    safetensors.torch.save_file(safetensors.torch.load_file(path), out, metadata=metadata)


def ours_in_torch(folder, name, options, classes):
    """Trains with the command, loads into nn.Sequential, all keys matched, and compares."""
    random = numpy.random.RandomState(7)
    x = random.normal(size=(60, 3))
    data, model, plain, inputs = (os.path.join(folder, name + end)
                                  for end in (".csv", ".safetensors", "-plain.safetensors", "-x.csv"))
    if classes:
        target = ["abc"[k] for k in numpy.argmax(x, axis=1)]
    else:
        target = list(x[:, 0] * x[:, 1] + 2)
    write_csv(data, ["p", "q", "r", "t"], [list(row) + [t] for row, t in zip(x, target)])
    write_csv(inputs, ["p", "q", "r"], x)
    backprop("train", data, "-q", "--epochs", "3", "-o", model, *DEVICE, *options)

    with safetensors.safe_open(model, "pt") as file:
        metadata = file.metadata()
    if metadata["format"] != "pt":
        sys.exit("FAILED: %s: format %s" % (name, metadata["format"]))
    network = eval(metadata["torch.sequential"], {"nn": nn})
    network.load_state_dict(safetensors.torch.load_file(model), strict=True)

    without_schema(model, plain)
    result = ["--proba"] if classes else ["--task", "regress"]
    mine = numbers(backprop("predict", plain, inputs, "-q", *result, *DEVICE), skip=int(classes))
    with torch.no_grad():
        theirs = network(torch.tensor(x, dtype=torch.float32)).numpy()
    check(name + ": ours in torch", mine, theirs)

    about = json.loads(backprop("info", model, "--json"))
    count = sum(p.numel() for p in network.parameters())
    if about["parameters"] != count:
        sys.exit("FAILED: %s: %d parameters, torch has %d" % (name, about["parameters"], count))


def torchs_in_ours(folder, name, network, activation, dtype=torch.float32, prefix=""):
    """Saves a state_dict from torch, reads it with info and predict, and compares."""
    torch.manual_seed(11)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.7)
    state = {key: value.to(dtype).contiguous() for key, value in network.state_dict().items()}
    network.load_state_dict({key: value.float() for key, value in state.items()})
    model, inputs = (os.path.join(folder, name + end) for end in (".safetensors", ".csv"))
    safetensors.torch.save_file({prefix + key: value for key, value in state.items()}, model)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    x = numpy.random.RandomState(8).normal(size=(20, linear[0].in_features)).astype(numpy.float32)
    write_csv(inputs, ["x%d" % i for i in range(x.shape[1])], x)

    about = json.loads(backprop("info", model, "--json", "--activation", activation))
    shapes = [(layer["inputs"], layer["outputs"]) for layer in about["layers"]]
    if shapes != [(module.in_features, module.out_features) for module in linear]:
        sys.exit("FAILED: %s: info says %s" % (name, shapes))
    mine = numbers(backprop("predict", model, inputs, "-q", "--task", "regress", "--activation",
                            activation, *DEVICE))
    with torch.no_grad():
        check(name + ": torch's in ours", mine, network(torch.tensor(x)).numpy())


def main():
    with tempfile.TemporaryDirectory() as folder:
        ours_in_torch(folder, "classes", ["--hidden", "6:tanh,5:sigmoid,4"], True)
        ours_in_torch(folder, "single-layer", ["--hidden", ""], True)
        ours_in_torch(folder, "numbers", ["--hidden", "6,5:linear,4:tanh", "--no-bias"], False)

        torchs_in_ours(folder, "relu",
                       nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4)), "relu")
        torchs_in_ours(folder, "deep-tanh-no-bias",
                       nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6, bias=False),
                                     nn.Tanh(), nn.Linear(6, 3)), "tanh")
        torchs_in_ours(folder, "prefix",
                       nn.Sequential(nn.Linear(3, 5), nn.Sigmoid(), nn.Linear(5, 2)), "sigmoid",
                       prefix="some.net.")
        for dtype in torch.float64, torch.float16, torch.bfloat16:
            torchs_in_ours(folder, str(dtype).replace("torch.", ""),
                           nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 4)), "relu", dtype)


main()

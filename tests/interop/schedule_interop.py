"""schedule_interop.py - the learning rates of `backprop train --schedule` against PyTorch's schedulers.

    schedule_interop.py BACKPROP

BACKPROP is the command under test. The log of a training has the rate of each epoch's last step;
where a batch holds all samples, that is every step. Prints one line a check; exits with 1 at the
first that fails. scripts/interop-setup installs PyTorch.
"""
import json
import os
import subprocess
import sys
import tempfile
import warnings

import torch
from torch.optim import lr_scheduler as schedulers

COMMAND = os.path.abspath(sys.argv[1])
DEVICE = ["--device", os.environ.get("BACKPROP_DEVICE", "reference")]
ROWS, RATE = 60, 0.5


def write_data(path):
    """A noisy line: its loss sinks, then stays where it is."""
    torch.manual_seed(2)
    x = torch.rand(ROWS)
    with open(path, "w") as file:
        file.write("x,y\n")
        for a, noise in zip(x.tolist(), torch.randn(ROWS).tolist()):
            file.write("%.4f,%.4f\n" % (a, 3 * a + noise))


def logged(folder, *options):
    """The log's lines."""
    path = os.path.join(folder, "log.jsonl")
    done = subprocess.run([COMMAND, "train", os.path.join(folder, "d.csv"), "--task", "regress",
                           "--hidden", "none", "--optimizer", "sgd", "--lr", str(RATE), "-q", "--log",
                           path, *options, *DEVICE],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: %s: exit code %d\n%s" % (" ".join(options), done.returncode, done.stderr))
    with open(path) as file:
        return [json.loads(line) for line in file]


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=RATE)


def rates_of(make, steps):
    """The rate of each step with the scheduler that make gives."""
    owner = optimizer()
    scheduler, rates = make(owner), []
    for _ in range(steps):
        rates.append(owner.param_groups[0]["lr"])
        owner.step()
        scheduler.step()
    return rates


def same(what, found, expected):
    if len(found) != len(expected):
        sys.exit("FAILED: %s: %d rates, PyTorch has %d" % (what, len(found), len(expected)))
    for i, (a, b) in enumerate(zip(found, expected)):
        if not abs(a - b) <= 2e-7 * RATE:
            sys.exit("FAILED: %s: rate %d is %.9g, PyTorch has %.9g" % (what, i, a, b))
    print("ok: %s" % what)


def check(folder, what, options, make, epochs, batch, tail=0):
    """make(optimizer, steps of an epoch, steps); tail: so many last rates are not compared."""
    per_epoch = (ROWS + batch - 1) // batch
    lines = logged(folder, "--epochs", str(epochs), "--batch", str(batch), *options)
    expected = rates_of(lambda owner: make(owner, per_epoch, epochs * per_epoch), epochs * per_epoch)
    same("%s, %d steps an epoch" % (what, per_epoch), [line["lr"] for line in lines],
         expected[per_epoch - 1::per_epoch])


def warmed(owner, warmup, then):
    """A rise in a line during `warmup` steps, then another scheduler."""
    rise = schedulers.LinearLR(owner, start_factor=1 / warmup, total_iters=warmup - 1)
    return schedulers.SequentialLR(owner, [rise, then], milestones=[warmup])


def check_plateau(folder, options, decay, patience, delta, floor):
    lines = logged(folder, "--schedule", "plateau", "--epochs", "80", "--batch", "7", *options)
    owner = optimizer()
    scheduler = schedulers.ReduceLROnPlateau(owner, factor=decay, patience=patience,
                                             threshold=delta, threshold_mode="abs",
                                             min_lr=floor * RATE, eps=0)
    expected = []
    for line in lines:
        expected.append(owner.param_groups[0]["lr"])
        scheduler.step(line["train_loss"])
    if expected[-1] > 0.3 * RATE:
        sys.exit("FAILED: plateau: the rate hardly sank: nothing was tested")
    same("plateau %s" % " ".join(options), [line["lr"] for line in lines], expected)


def main():
    warnings.simplefilter("ignore")  # schedulers that are stepped without gradients
    with tempfile.TemporaryDirectory() as folder:
        write_data(os.path.join(folder, "d.csv"))
        for batch in ROWS, 16:
            check(folder, "constant", [], lambda o, k, n: schedulers.ConstantLR(o, 1), 5, batch)
            check(folder, "step", ["--schedule", "step"],
                  lambda o, k, n: schedulers.StepLR(o, 4 * k, 0.1), 12, batch)
            check(folder, "step of its own", ["--schedule", "step", "--decay-every", "2", "--decay",
                                              "0.7"],
                  lambda o, k, n: schedulers.StepLR(o, 2 * k, 0.7), 9, batch)
            check(folder, "exponential", ["--schedule", "exponential"],
                  lambda o, k, n: schedulers.ExponentialLR(o, 0.01 ** (1 / n)), 12, batch)
            check(folder, "exponential of its own", ["--schedule", "exponential", "--decay", "0.8"],
                  lambda o, k, n: schedulers.ExponentialLR(o, 0.8 ** (1 / k)), 12, batch)
            check(folder, "cosine", ["--schedule", "cosine"],
                  lambda o, k, n: schedulers.CosineAnnealingLR(o, n), 20, batch)
            check(folder, "cosine to a tenth", ["--schedule", "cosine", "--final-lr", "0.1"],
                  lambda o, k, n: schedulers.CosineAnnealingLR(o, n, 0.1 * RATE), 20, batch)
            check(folder, "cosine after a rise", ["--schedule", "cosine", "--warmup", "5"],
                  lambda o, k, n: warmed(o, 5 * k, schedulers.CosineAnnealingLR(o, n - 5 * k)), 20,
                  batch)
            check(folder, "constant after a rise", ["--warmup", "3"],
                  lambda o, k, n: warmed(o, 3 * k, schedulers.ConstantLR(o, 1)), 6, batch)
            check(folder, "onecycle", ["--schedule", "onecycle"],
                  lambda o, k, n: schedulers.OneCycleLR(o, RATE, n, final_div_factor=1e12,
                                                        cycle_momentum=False), 20, batch)
            check(folder, "onecycle with a rise of half", ["--schedule", "onecycle", "--warmup", "10"],
                  lambda o, k, n: schedulers.OneCycleLR(o, RATE, n, pct_start=0.5,
                                                        final_div_factor=1e12,
                                                        cycle_momentum=False), 20, batch)
        check_plateau(folder, [], 0.5, 5, 0, 0)
        check_plateau(folder, ["--decay", "0.3", "--decay-every", "2", "--min-delta", "0.001",
                               "--final-lr", "0.05"], 0.3, 2, 0.001, 0.05)


main()

"""torch_lbfgs.py - L-BFGS against PyTorch's, to the minimum of a loss that has only one.

    torch_lbfgs.py BACKPROP

Linear layers are as far as a loss with weight decay is convex: softmax regression and least squares,
ours in double precision on the device `reference` and in single on `cpu`, PyTorch's in float64 with its
strong-Wolfe search. Exits with 1 where the loss is off by more than 1e-6 of it, in single precision
1e-4, or a parameter by ten times as much of the largest.
"""
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

COMMAND = os.path.abspath(sys.argv[1])
ROWS, DECAY, ITERATIONS = 60, 0.02, 150


def ours(folder, device, loss):
    out = os.path.join(folder, "out.safetensors")
    classes = loss == "cross_entropy"
    done = subprocess.run(
        [COMMAND, "train", os.path.join(folder, "data.csv"), "--target", "c" if classes else "t0,t1",
         "--ignore", "t0,t1" if classes else "c", "--task", "classify" if classes else "regress",
         "--scaling", "none", "--init-from",
         os.path.join(folder, "start.safetensors"), "--loss", loss, "--device", device,
         "--optimizer", "lbfgs", "--weight-decay", str(DECAY), "--epochs", str(ITERATIONS), "-q",
         "--json", "-o", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: exit code %d\n%s" % (done.returncode, done.stderr))
    return json.loads(done.stdout)["train_loss"], load_file(out)


def theirs(start, x, t, loss):
    net = torch.nn.Sequential(torch.nn.Linear(4, 2)).double()
    net.load_state_dict({k: v.double() for k, v in start.items()})
    measure = (torch.nn.functional.cross_entropy if loss == "cross_entropy"
               else torch.nn.functional.mse_loss)
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=ITERATIONS, history_size=10,
                                  tolerance_grad=1e-12, tolerance_change=1e-15,
                                  line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = measure(net(x), t) + DECAY / 2 * sum((p ** 2).sum() for p in net.parameters())
        value.backward()
        return value

    optimizer.step(closure)
    return float(measure(net(x), t)), net.state_dict()


def main():
    torch.manual_seed(1)
    x, t = torch.randn(ROWS, 4), torch.randn(ROWS, 2)
    c = (x[:, 0] + 0.5 * torch.randn(ROWS) > 0).long()
    start = torch.nn.Sequential(torch.nn.Linear(4, 2)).state_dict()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "data.csv"), "w") as file:
            file.write("a,b,d,e,t0,t1,c\n")
            for i in range(ROWS):
                numbers = ["%.9g" % v for v in x[i].tolist() + t[i].tolist()]
                file.write(",".join(numbers + [str(int(c[i]))]) + "\n")
        save_file(start, os.path.join(folder, "start.safetensors"))
        for loss, wanted in (("cross_entropy", c), ("mse", t.double())):
            value, parameters = theirs(start, x.double(), wanted, loss)
            for device, tolerance in (("reference", 1e-6), ("cpu", 1e-4)):
                got, model = ours(folder, device, loss)
                worst = max(float((model[k].double() - parameters[k]).abs().max() /
                                  parameters[k].abs().max()) for k in parameters)
                if not abs(got - value) <= tolerance * value or not worst <= 10 * tolerance:
                    sys.exit("FAILED: %s on %s: loss %.9g, PyTorch's %.9g; parameters off by %.2g"
                             % (loss, device, got, value, worst))
                print("ok: %s on %s: loss %.9g, PyTorch's %.9g; parameters off by %.2g"
                      % (loss, device, got, value, worst))


main()

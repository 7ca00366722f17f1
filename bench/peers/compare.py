#!/usr/bin/env python3
"""Training throughput of `backprop train` beside PyTorch's, interleaved A B A B in one run.

    compare.py COMMAND FOLDER [--runs 5] [--python /usr/bin/python3] [--device SPEC]

COMMAND is the backprop command, FOLDER holds the four IDX files of MNIST or Fashion-MNIST. Both
train the same network on the same samples with the same batch and optimizer; the losses that both
reach are printed, so that nobody wins by doing less. Ratios of medians are what counts: absolute
figures drift on shared machines.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

CASES = [("784,128,10", 128, "adam"), ("784,128,10", 128, "sgd"), ("784,128,10", 32, "adam"),
         ("784,512,512,10", 256, "adam")]


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)}: {result.stderr.strip()}")
    return json.loads(result.stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    probe = subprocess.run([arguments.python, "-c", "import torch, numpy"], capture_output=True)
    if probe.returncode != 0:
        sys.exit(f"{arguments.python} has no PyTorch: nothing to compare with (Debian and Ubuntu: "
                 "apt-get install python3-torch, then --python /usr/bin/python3)")
    here = os.path.dirname(os.path.abspath(__file__))
    report = {"machine": platform.processor() or platform.machine(), "cases": []}
    for layers, batch, optimizer in CASES:
        hidden = ",".join(layers.split(",")[1:-1])
        rate = "0.001" if optimizer == "adam" else "0.1"
        ours_command = [arguments.command, "train", arguments.folder, "--hidden", hidden, "--batch",
                        str(batch), "--optimizer", optimizer, "--lr", rate, "--epochs", "3",
                        "--device", arguments.device, "-q", "--json"]
        torch_command = [arguments.python, os.path.join(here, "train_torch.py"), arguments.folder,
                         "--layers", layers, "--batch", str(batch), "--optimizer", optimizer,
                         "--epochs", "2", "--threads", str(arguments.threads)]
        ours, theirs = [], []
        for _ in range(arguments.runs):
            ours.append(run(ours_command))
            theirs.append(run(torch_command))
        a = [r["samples_per_second"] for r in ours]
        b = [r["samples_per_second"] for r in theirs]
        ratio = statistics.median(a) / statistics.median(b)
        report["device"], report["peer"] = ours[0]["device"], theirs[0]["peer"]
        report["cases"].append({
            "layers": layers, "batch": batch, "optimizer": optimizer, "ratio": ratio,
            "backprop_samples_per_second": a, "peer_samples_per_second": b,
            "backprop_loss": ours[-1]["train_loss"], "peer_loss": theirs[-1]["train_loss"]})
        print(f"{layers:16} batch {batch:4} {optimizer:5} backprop {statistics.median(a):9.0f} "
              f"[{min(a):.0f} to {max(a):.0f}]  PyTorch {statistics.median(b):9.0f} "
              f"[{min(b):.0f} to {max(b):.0f}] samples/s  ratio {ratio:.2f}  "
              f"(loss {ours[-1]['train_loss']:.4f} and {theirs[-1]['train_loss']:.4f})", flush=True)
    print(json.dumps(report))


if __name__ == "__main__":
    main()

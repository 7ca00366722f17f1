#!/usr/bin/env python3
"""How good networks become with defaults alone: `backprop train`, scikit-learn, a loop in PyTorch.

    bench/peers/accuracy.py [--build build/release] [--data FOLDER] [--fashion FOLDER]
                            [--only REGEX] [--first-seed 1] [--seeds 5] [--save NAME [--show]]
                            [--options="…"]

For each data set and seed a quarter of the rows, the classes in proportion, is held back; all sides
train on the same three quarters and are measured on that quarter. Nobody is tuned:

  backprop      `train FILE`: every option left at its default
  scikit-learn  MLPClassifier() and MLPRegressor() behind a StandardScaler, without which they would
                be worse; on Fashion-MNIST as many epochs as backprop, since its own default takes
                minutes
  PyTorch       the network of backprop (hidden units, activation), its batch and number of epochs,
                Adam at its default rate, standardised inputs (and targets), the loop of every tutorial

Iris, wine, breast cancer, digits and diabetes come with scikit-learn. Fashion-MNIST is read from its
folder of four files, with its own test part; --data names a folder that may hold fann/thyroid.train,
fann/thyroid.test and libsvm/heart_scale. What is not there is left out and named. --save adds what
was measured to bench/results/NAME.json, seed by seed; --show prints the table of it. --options are given to `backprop train`
in addition, to try others.
"""
import argparse
import csv
import gzip
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import sklearn
import sklearn.datasets
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

try:
    import torch
except ImportError:
    torch = None

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FASHION = "/usr/share/datasets/fashion-mnist"


class Missing(Exception):
    pass


# ---- data sets -------------------------------------------------------------------------------


def bundled(name):
    def load(_):
        bunch = getattr(sklearn.datasets, "load_" + name)()
        return bunch.data, bunch.target
    return load


def read_fann(path):
    with open(path) as file:
        rows, inputs, outputs = (int(word) for word in file.readline().split())
        values = numpy.array(file.read().split(), dtype=float).reshape(rows, inputs + outputs)
    return values[:, :inputs], values[:, inputs:].argmax(axis=1)


def need(path):
    if not os.path.exists(path):
        raise Missing(path)
    return path


def thyroid(args):
    parts = [read_fann(need(os.path.join(args.data, "fann", "thyroid." + part)))
             for part in ("train", "test")]
    return numpy.vstack([x for x, _ in parts]), numpy.concatenate([y for _, y in parts])


def heart(args):
    path = need(os.path.join(args.data, "libsvm", "heart_scale"))
    x, y = sklearn.datasets.load_svmlight_file(path)
    return x.toarray(), (y > 0).astype(int)


def read_idx(path, header):
    with gzip.open(need(path), "rb") as file:
        return numpy.frombuffer(file.read()[header:], dtype=numpy.uint8)


def fashion(args):
    parts = []
    for part in "train", "t10k":
        stem = os.path.join(args.fashion, part)
        x = read_idx(stem + "-images-idx3-ubyte.gz", 16).reshape(-1, 784) / 255.0
        parts.append((x, read_idx(stem + "-labels-idx1-ubyte.gz", 8).astype(int)))
    return parts


# name, loader, whether the target is a number
SETS = [("iris", bundled("iris"), False), ("wine", bundled("wine"), False),
        ("breast_cancer", bundled("breast_cancer"), False), ("digits", bundled("digits"), False),
        ("diabetes", bundled("diabetes"), True), ("heart", heart, False),
        ("thyroid", thyroid, False), ("fashion", fashion, False)]


# ---- the three sides, each: training and test part to a score ---------------------------------


def write_csv(path, x, y, numbers):
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["x%d" % k for k in range(x.shape[1])] + ["y"])
        for row, target in zip(x, y):
            table.writerow(["%.9g" % v for v in row] +
                           ["%.9g" % target if numbers else "class %d" % target])


def ours(args, name, parts, numbers, seed):
    """The score, and what the command said of the training."""
    (x, y), (x_test, y_test) = parts
    with tempfile.TemporaryDirectory() as folder:
        train, test = (os.path.join(folder, part + ".csv") for part in ("train", "test"))
        if name == "fashion":
            data = [args.fashion]
        else:
            write_csv(train, x, y, numbers)
            write_csv(test, x_test, y_test, numbers)
            data = [train, "--test", test]
        command = [os.path.join(args.build, "backprop"), "train", *data, "--seed", str(seed),
                   "--json", "-q", *shlex.split(args.options)]
        if numbers:
            command += ["--task", "regress"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True)
        if done.returncode != 0:
            sys.exit("%s: exit code %d\n%s" % (" ".join(command), done.returncode, done.stderr))
    said = json.loads(done.stdout)
    if not numbers:
        return said["test_accuracy"], said
    spread = ((y_test - y_test.mean()) ** 2).mean()
    return 1 - said["test_rmse"] ** 2 / spread, said


def score(numbers, truth, found):
    return float(r2_score(truth, found) if numbers else accuracy_score(truth, found))


def scikit(name, parts, numbers, seed, said):
    (x, y), (x_test, y_test) = parts
    options = {"max_iter": said["epochs"]} if name == "fashion" else {}
    network = (MLPRegressor if numbers else MLPClassifier)(random_state=seed, **options)
    fitted = make_pipeline(StandardScaler(), network).fit(x, y)
    return score(numbers, y_test, fitted.predict(x_test))


def loop(name, parts, numbers, seed, said):
    """Hidden units of `train`, as it stands in its documentation."""
    torch.manual_seed(seed)
    (x, y), (x_test, y_test) = parts
    scale = StandardScaler().fit(x)
    x, x_test = (torch.tensor(scale.transform(part), dtype=torch.float32) for part in (x, x_test))
    mean, deviation = (y.mean(), y.std()) if numbers else (0, 1)
    outputs = 1 if numbers else int(y.max()) + 1
    target = torch.tensor((y - mean) / deviation, dtype=torch.float32)[:, None] if numbers else \
        torch.tensor(y)
    network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], 128), torch.nn.ReLU(),
                                  torch.nn.Linear(128, outputs))
    error = torch.nn.MSELoss() if numbers else torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(said["epochs"]):
        order = torch.randperm(len(x))
        for rows in order.split(said["batch"]):
            optimizer.zero_grad()
            error(network(x[rows]), target[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        found = network(x_test).numpy()
    return score(numbers, y_test, found[:, 0] * deviation + mean if numbers else found.argmax(axis=1))


# ---- everything together ---------------------------------------------------------------------


def measure(args, name, load, numbers):
    loaded = load(args)
    sides = {"backprop": {}, "scikit-learn": {}, "PyTorch": {}}  # scores by seed
    seconds = {side: 0 for side in sides}
    epochs = {}
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        parts = loaded
        if name != "fashion":
            x, x_test, y, y_test = train_test_split(*loaded, test_size=0.25, random_state=seed,
                                                    stratify=None if numbers else loaded[1])
            parts = (x, y), (x_test, y_test)
        said = None
        for side in sides:
            start = time.monotonic()
            if side == "backprop":
                found, said = ours(args, name, parts, numbers, seed)
                epochs[str(seed)] = said["epochs"]
            elif args.ours or side == "PyTorch" and not torch:
                continue
            else:
                found = (scikit if side == "scikit-learn" else loop)(name, parts, numbers, seed, said)
            sides[side][str(seed)] = found
            seconds[side] += (time.monotonic() - start) / args.seeds
    return {"metric": "r2" if numbers else "accuracy", "scores": sides, "seconds": seconds,
            "epochs": epochs, "rows": len(loaded[0]) if name != "fashion" else 70000}


def verdict(result):
    """Whether ours is within a standard error of the best other, or better."""
    own = list(result["scores"]["backprop"].values())
    others = [list(scores.values()) for side, scores in result["scores"].items()
              if side != "backprop" and scores]
    if not others or len(own) < 2:
        return ""
    best = max(others, key=statistics.mean)
    lead = statistics.mean(own) - statistics.mean(best)
    error = (statistics.variance(own) / len(own) + statistics.variance(best) / len(best)) ** 0.5
    return "better" if lead > error else "level" if lead >= -error else "WORSE"


def print_row(name, result):
    cells = []
    for scores in map(list, map(dict.values, result["scores"].values())):
        spread = statistics.stdev(scores) if len(scores) > 1 else 0
        cells.append("%7.4f ± %.4f" % (statistics.mean(scores), spread) if scores else "-")
    print("%-14s %-9s %-17s %-17s %-17s %6.0f  %s" %
          (name, result["metric"], *cells, statistics.mean(result["epochs"].values()), verdict(result)),
          flush=True)


def save(args, results):
    path = os.path.join(ROOT, "bench", "results", args.save + ".json")
    kept = {"sets": {}}
    if os.path.exists(path):
        with open(path) as file:
            kept = json.load(file)
    kept["versions"] = {"python": platform.python_version(), "scikit-learn": sklearn.__version__,
                        "torch": torch.__version__ if torch else None, "numpy": numpy.__version__}
    for name, result in results.items():
        before = kept["sets"].setdefault(name, {})
        for key in ("metric", "rows", "seconds"):
            before[key] = result[key]
        before.setdefault("epochs", {}).update(result["epochs"])
        for side, scores in result["scores"].items():
            before.setdefault("scores", {}).setdefault(side, {}).update(scores)
    with open(path, "w") as file:
        json.dump(kept, file, indent=1)
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--data", default="")
    parser.add_argument("--fashion", default=FASHION)
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--save", default="")
    parser.add_argument("--show", action="store_true", help="show what --save has kept, run nothing")
    parser.add_argument("--options", default="")
    parser.add_argument("--ours", action="store_true", help="leave the others out")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")  # of trainings that have not converged: that is the default
    if torch:
        torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    print("%-14s %-9s %-17s %-17s %-17s %6s" % ("data", "metric", "backprop", "scikit-learn",
                                                "PyTorch", "epochs"))
    if args.show:
        with open(os.path.join(ROOT, "bench", "results", args.save + ".json")) as file:
            for name, result in json.load(file)["sets"].items():
                print_row(name, result)
        return
    results = {}
    for name, load, numbers in SETS:
        if not re.search(args.only, name):
            continue
        try:
            results[name] = measure(args, name, load, numbers)
        except Missing as missing:
            print("%-14s left out: there is no %s" % (name, missing))
            continue
        print_row(name, results[name])
    if args.save:
        save(args, results)


main()

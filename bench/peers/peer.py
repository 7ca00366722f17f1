"""What the training peers in Python share: peer.c once more."""
import argparse
import json
import sys
import time

import numpy as np

HEADS = ("sigmoid", "linear", "softmax")


class Problem:
    """A file that make_problem wrote."""

    def __init__(self, path):
        with open(path, "rb") as file:
            if file.read(8) != b"BPPEER1\n":
                sys.exit(f"{path}: not a problem file")
            count, self.batch, head, self.rows = (int(v) for v in np.fromfile(file, "<i4", 4))
            self.head = HEADS[head]
            self.rate = float(np.fromfile(file, "<f4", 1)[0])
            self.widths = [int(v) for v in np.fromfile(file, "<i4", count)]

            def matrix(rows, columns, kind="<f4"):
                return np.fromfile(file, kind, rows * columns).reshape(rows, columns)

            self.x = matrix(self.rows, self.widths[0])
            if self.head == "softmax":
                self.labels = matrix(1, self.rows, "<i4")[0]
            else:
                self.targets = matrix(self.rows, self.widths[-1])
            self.weights, self.biases = [], []
            for inputs, units in zip(self.widths, self.widths[1:]):
                self.weights.append(matrix(units, inputs))
                self.biases.append(matrix(1, units)[0])
        self.steps = self.rows // self.batch


def main(open_peer, extra=lambda parser: None):
    """open_peer(problem, arguments) returns name, granule and run(first, steps), which returns the
    sum of the losses over the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("problem")
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--threads", type=int, default=0)
    extra(parser)
    arguments = parser.parse_args()
    problem = Problem(arguments.problem)
    name, granule, run = open_peer(problem, arguments)
    losses = [run(0, problem.steps) / problem.rows for _ in range(2)]
    position = 0

    def step_seconds():
        nonlocal position
        done, times = 0, granule
        start = time.perf_counter()
        while True:
            steps = min(times, problem.steps - position)
            run(position, steps)
            position = (position + steps) % problem.steps
            done += steps
            elapsed = time.perf_counter() - start
            if elapsed >= arguments.seconds:
                return elapsed / done
            if elapsed < arguments.seconds / 32:
                times *= 2

    def say(seconds):
        line = {"peer": name, "layers": "-".join(map(str, problem.widths)), "batch": problem.batch,
                "head": problem.head}
        if seconds:
            line.update(step_us=seconds * 1e6, samples_per_second=problem.batch / seconds)
        line.update(first_loss=losses[0], loss=losses[1])
        print(json.dumps(line), flush=True)

    say(0 if arguments.serve else step_seconds())
    if arguments.serve:
        for _ in sys.stdin:
            say(step_seconds())

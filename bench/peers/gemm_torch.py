"""PyTorch's float32 matrix products: gemm_table.c once more.

    gemm_torch.py --serve [--threads N]        PRODUCT ROWS INPUTS UNITS SECONDS, a line each
"""
import argparse
import json
import sys
import time

import torch

SHAPES = {"forward": lambda b, m, n: ((b, m), (n, m)),
          "effect": lambda b, m, n: ((b, n), (n, m)),
          "gradient": lambda b, m, n: ((b, n), (b, m))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve", action="store_true", required=True)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    name = "PyTorch " + torch.__version__
    print(json.dumps({"peer": name}), flush=True)
    current, error, left, right, out = None, 0.0, None, None, None

    def seconds_of(budget):
        done, times = 0, 1
        start = time.perf_counter()
        while True:
            for _ in range(times):
                torch.mm(left, right, out=out)
            done += times
            elapsed = time.perf_counter() - start
            if elapsed >= budget:
                return elapsed / done
            if elapsed < budget / 8:
                times *= 2

    for line in sys.stdin:
        product, *numbers = line.split()
        b, m, n = (int(v) for v in numbers[:3])
        budget = float(numbers[3])
        if current != (product, b, m, n):
            current = (product, b, m, n)
            shapes = SHAPES[product](b, m, n)
            left, right = (torch.rand(s) * 2 - 1 for s in shapes)
            if product == "forward":
                right = right.t()
            if product == "gradient":
                left = left.t()
            out = torch.empty(left.shape[0], right.shape[1])
            torch.mm(left, right, out=out)
            exact = left[:8].double() @ right.double()
            error = float((out[:8] - exact).abs().max()) / left.shape[1] ** 0.5
            seconds_of(budget / 4)
        seconds = seconds_of(budget)
        print(json.dumps({"peer": name, "product": product, "rows": b, "inputs": m, "units": n,
                          "us": seconds * 1e6, "gflops": 2e-9 * b * m * n / seconds,
                          "error": error}), flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How the time of a training step grows with width, depth and batch, and whether odd sizes hurt.

    build/peers/bin/python bench/growth.py [--device SPEC] [--rounds N] [--save NAME]

Runs `backprop bench` for each network; scripts/bench-setup makes the Python that has matplotlib.
The picture shows, for each series, the time of a step and the share of the device's multiply-add
peak; once the device is full the share should stay level, and the five sizes around 1000 and 1024
should differ by no more than 15 % in time per FLOP. All networks are measured in turn, round after
round, and the fastest round of each counts: other users of a machine only ever add time. What is
out of line is printed, and the exit status is 1. --save writes bench/results/NAME.json and .svg.
"""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)

SERIES = {
    "width": [([w] * 3, 256) for w in (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072,
                                       4096)],
    "depth": [([512] * (d + 1), 256) for d in (1, 2, 3, 4, 6, 8, 12, 16)],
    "batch": [([784, 512, 512, 10], b) for b in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048,
                                                4096, 8192)],
    "odd sizes": [([n] * 3, n) for n in (1000, 1001, 1023, 1024, 1025)],
}
LABELS = {"width": "width (two layers, batch 256)", "depth": "layers (512 wide, batch 256)",
          "batch": "batch (784-512-512-10)", "odd sizes": "width and batch (two layers)"}
FULL_GFLOP = 0.2  # a step of less does not fill a device
ALLOWED = 0.15


def measure(arguments, layers, batch):
    command = [os.path.join(arguments.build, "backprop"), "bench", "--json", "-q", "--optimizer",
               "sgd", "--layers", ",".join(map(str, layers)), "--batch", str(batch)]
    if arguments.device:
        command += ["--device", arguments.device]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"growth: {' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)[0]


def point(series, layers, batch):
    return {"width": layers[0], "depth": len(layers) - 1, "batch": batch,
            "odd sizes": layers[0]}[series]


def draw(results, path):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "growth"
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(2, 4, figsize=(15, 6.5), constrained_layout=True)
    for column, (series, runs) in enumerate(results["series"].items()):
        sizes = [point(series, run["layers"], run["batch"]) for run in runs]
        x = range(len(sizes)) if series == "odd sizes" else sizes
        above, below = axes[0][column], axes[1][column]
        above.plot(x, [run["step_us"] for run in runs], marker="o")
        below.plot(x, [100 * run["gflops"] / results["peak_gflops"] for run in runs], marker="o",
                   color="tab:orange")
        for axis in (above, below):
            axis.set_xlabel(LABELS[series])
            axis.grid(alpha=0.3)
            if series != "odd sizes":
                axis.set_xscale("log", base=2)
                axis.set_xticks(x if len(x) < 9 else x[::2], minor=False)
                axis.get_xaxis().set_major_formatter(matplotlib.ticker.ScalarFormatter())
                axis.minorticks_off()
                axis.tick_params(axis="x", labelrotation=45 if x[-1] > 1000 else 0)
        if series == "odd sizes":
            above.set_ylim(0, 1.1 * max(run["step_us"] for run in runs))
            for axis in (above, below):
                axis.set_xticks(x, labels=sizes)
        else:
            above.set_yscale("log")
        above.set_title(series)
        below.set_ylim(0, 100)
    axes[0][0].set_ylabel("step, µs")
    axes[1][0].set_ylabel("% of the multiply-add peak")
    figure.suptitle(f"Training steps (SGD) on {results['device']}, backprop {results['version']}")
    figure.savefig(path, metadata={"Date": None})


def judge(results):
    """What is out of line, as sentences."""
    complaints = []
    per_flop = {run["batch"]: run["step_us"] / run["step_gflop"]
                for run in results["series"]["odd sizes"]}
    worst = max(per_flop.values()) / min(per_flop.values()) - 1
    print(f"odd sizes: time per FLOP differs by at most {100 * worst:.1f} %")
    if worst > ALLOWED:
        complaints.append(f"odd sizes differ by {100 * worst:.0f} % in time per FLOP")
    for series in ("width", "depth", "batch"):
        full = [run for run in results["series"][series] if run["step_gflop"] >= FULL_GFLOP]
        shares = [run["gflops"] / results["peak_gflops"] for run in full]
        print(f"{series}: {100 * min(shares):.0f} to {100 * max(shares):.0f} % of the peak in "
              f"{len(full)} networks of {FULL_GFLOP} GFLOP a step and more")
        if max(shares) / min(shares) - 1 > 2 * ALLOWED:
            complaints.append(f"{series}: the share of the peak varies by "
                              f"{100 * (max(shares) / min(shares) - 1):.0f} %")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"),
                        help="build folder (build/release)")
    parser.add_argument("--device", help="device (auto)")
    parser.add_argument("--rounds", type=int, default=3, help="times that each is measured (3)")
    parser.add_argument("--save", metavar="NAME", help="write bench/results/NAME.json and .svg")
    arguments = parser.parse_args()
    results = {"rounds": arguments.rounds, "series": {}}
    rounds = [{series: [measure(arguments, *network) for network in networks]
               for series, networks in SERIES.items()} for _ in range(arguments.rounds)]
    for series, networks in SERIES.items():
        results["series"][series] = runs = []
        for i, (layers, batch) in enumerate(networks):
            run = min((each[series][i] for each in rounds), key=lambda run: run["step_us"])
            run["rounds_us"] = [each[series][i]["step_us"] for each in rounds]
            runs.append(run)
            print(f"{series:10} {point(series, layers, batch):6} {run['step_us']:12.1f} us "
                  f"{run['gflops']:8.1f} GFLOP/s", flush=True)
    everything = [run for runs in results["series"].values() for run in runs]
    results.update({key: everything[0][key] for key in ("device", "driver", "version")})
    # The machine's best moment: single measurements of the peak are disturbed like all others.
    results["peak_gflops"] = max(run["peak_gflops"] for run in everything)
    complaints = judge(results)
    if arguments.save:
        base = os.path.join(HERE, "results", arguments.save)
        with open(base + ".json", "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
        draw(results, base + ".svg")
        print(f"written: {base}.json, {base}.svg")
    for complaint in complaints:
        print(f"out of line: {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Training and matrix products of this library beside other libraries', in one interleaved run.

    bench/peers/compare.py [--build build/release] [--runs 5] [--save NAME]

scripts/bench-setup installs the others; those that are not there are named and left out. All
programs of a case are started and train for two epochs first: from the same parameters, with the
same batches in the same order, so that the losses of the second epoch must agree; who disagrees is
marked. Then they take turns, A B C A B C, a fraction of a second each, so that what changes on the
machine meets everyone. On an otherwise idle machine the whole of it takes some minutes.

A ratio is time of theirs / time of ours: above 1 this library is faster. It is the quotient of the
medians; in brackets the smallest and largest quotient of a single turn. Other work on the machine
hurts those most that meet at barriers in short steps; how much there was is printed and recorded.
Settings of the environment that would hold a library back (OPENBLAS_CORETYPE...) are taken away.
"""
import argparse
import datetime
import glob
import json
import os
import platform
import re
import selectors
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

CASE_SECONDS = 30  # then three turns have to do
SLOW = "left out: minutes for this case"
# layers, batch, head (see peer.h), rows, learning rate, peers that are left out and why
CASES = [
    ("2,2,1", 1, "sigmoid", 8192, 0.1, {}),
    ("2,2,1", 4, "sigmoid", 16384, 0.5, {}),
    ("2,2,1", 4, "linear", 16384, 0.1, {}),
    ("8,32,1", 16, "sigmoid", 16384, 0.5, {}),
    ("8,32,1", 16, "linear", 16384, 0.05, {}),
    ("784,128,10", 1, "sigmoid", 4096, 0.01, {}),
    ("784,128,10", 32, "sigmoid", 8192, 0.1, {}),
    ("784,128,10", 128, "sigmoid", 8192, 0.1, {}),
    ("784,128,10", 32, "softmax", 8192, 0.02, {}),
    ("784,128,10", 128, "softmax", 8192, 0.05, {}),
    ("784,512,512,10", 256, "sigmoid", 4096, 0.1, {"FANN": SLOW}),
    ("784,512,512,10", 256, "softmax", 4096, 0.05, {}),
    ("2048,2048,2048,2048", 512, "sigmoid", 2048, 0.002, {"FANN": SLOW, "plain C": SLOW}),
]
# CLBlast compiles for seconds and runs slowly on a CPU: two cases say enough.
CLBLAST_CASES = {("784,128,10", 128, "softmax"), ("784,512,512,10", 256, "softmax")}
SHAPES = [(512, 512, 512), (1024, 1024, 1024), (2048, 2048, 2048), (128, 784, 128)]
PRODUCTS = ("forward", "effect", "gradient")


class Failed(Exception):
    pass


class Peer:
    """A program that answers each line with one JSON line."""

    def __init__(self, label, command, environment, patience):
        self.label, self.values, self.about = label, [], {}
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        self.rest = b""
        self.about = self.read(patience)

    def read(self, patience):
        deadline = time.monotonic() + patience
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.rest:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self.stop()
                    raise Failed(f"no answer in {patience:.0f} s")
                more = os.read(self.process.stdout.fileno(), 65536)
                if not more:
                    self.process.wait()
                    self.errors.seek(0)
                    lines = self.errors.read().decode(errors="replace").strip().splitlines()
                    raise Failed(lines[-1] if lines else f"ended with {self.process.returncode}")
                self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, line, patience):
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise Failed("ended by itself") from error
        return self.read(patience)

    def stop(self):
        self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            try:
                file.close()
            except BrokenPipeError:
                pass

    def cpu_ticks(self):
        try:
            with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])
        except OSError:
            return 0


def machine_ticks():
    """Busy ticks of all CPUs, those that a hypervisor took away included; 0 where unknown."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(v) for v in file.readline().split()[1:]]
        return sum(fields[:3]) + sum(fields[5:8])
    except (OSError, ValueError):
        return 0


class Load:
    """CPUs that were busy with something else while the peers took their turns."""

    def __init__(self, peers):
        self.peers, self.start = peers, time.monotonic()
        self.own, self.all = sum(p.cpu_ticks() for p in peers), machine_ticks()

    def others(self):
        ticks = machine_ticks() - self.all - sum(p.cpu_ticks() for p in self.peers) + self.own
        seconds = max(time.monotonic() - self.start, 1e-3)
        return max(0.0, ticks / os.sysconf("SC_CLK_TCK") / seconds)


def take_turns(peers, runs, line, key, patience):
    """Each peer gets values[runs]; one that fails is removed and returned with the reason."""
    failed = {}
    load = Load(peers)
    for turn in range(runs):
        # A case must end, on a busy machine as well.
        if turn >= 3 and time.monotonic() - load.start > CASE_SECONDS:
            break
        for peer in list(peers):
            time.sleep(0.05)  # until the threads of the one before have stopped to spin
            try:
                peer.values.append(peer.ask(line, patience)[key])
            except Failed as reason:
                failed[peer.label] = str(reason)
                peers.remove(peer)
    return failed, load.others()


def ratio_of(ours, theirs):
    turns = [b / a for a, b in zip(ours, theirs)]
    return {"ratio": statistics.median(theirs) / statistics.median(ours),
            "ratio_min": min(turns), "ratio_max": max(turns)}


def duration(microseconds):
    for unit, scale in (("ns", 1e-3), ("us", 1), ("ms", 1e3)):
        if microseconds < 1000 * scale:
            return f"{microseconds / scale:.4g} {unit}"
    return f"{microseconds / 1e6:.4g} s"


def quotient(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


# ---- What there is -------------------------------------------------------------------------------

def output_of(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                timeout=60)
        return result.stdout.strip() if result.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def pythons(given, module):
    """One Python for each version of a module."""
    found = {}
    for python in given or [os.path.join(ROOT, "build/peers/bin/python"), "/usr/bin/python3",
                            sys.executable]:
        if not os.path.exists(python):
            continue
        version = output_of(python, "-c", f"import numpy, {module} as m; print(m.__version__)")
        if version and version not in found:
            found[version] = python
    return found


class Found:
    """The programs by name, with their commands, and what is missing."""

    def __init__(self, arguments):
        folder = os.path.join(arguments.build, "bench", "peers")
        self.make_problem = os.path.join(folder, "make_problem")
        self.train, self.gemm, self.missing = [], [], {}
        device = [arguments.device] if arguments.device else ["auto"]
        threads = ["--threads", str(arguments.threads)]

        # (label, program, its options); between the two goes the problem or --serve.
        def program(kind, label, name, *options):
            path = os.path.join(folder, name)
            if os.path.exists(path):
                (self.train if kind == "train" else self.gemm).append((label, [path], [*options]))
            else:
                self.missing[label + (" (products)" if kind == "gemm" else "")] = (
                    "not built: its library was not found (scripts/bench-setup)")

        program("train", "backprop", "train_ours", *device)
        program("train", "backprop clblast", "train_ours", *device, "clblast")
        program("train", "plain C", "train_plain")
        program("train", "FANN", "train_fann")
        program("train", "OpenBLAS", "train_openblas")
        program("train", "OpenBLAS newest", "train_openblas_newest")
        program("gemm", "backprop", "gemm_ours", *device)
        program("gemm", "backprop clblast", "gemm_ours", *device, "clblast")
        program("gemm", "OpenBLAS", "gemm_openblas")
        program("gemm", "OpenBLAS newest", "gemm_openblas_newest")
        program("gemm", "oneDNN matmul", "gemm_onednn")
        program("gemm", "oneDNN sgemm", "gemm_onednn", "sgemm")
        program("gemm", "FMA peak", "fma_peak")
        for module, label, scripts in (("torch", "PyTorch", ("train_torch.py", "gemm_torch.py")),
                                       ("sklearn", "scikit-learn", ("train_sklearn.py", None))):
            versions = pythons(arguments.python, module)
            if not versions:
                self.missing[label] = "no Python here has it (scripts/bench-setup)"
            for version, python in versions.items():
                name = f"{label} {version.split('+')[0]}"
                self.train.append((name, [python, "-B", os.path.join(HERE, scripts[0])], threads))
                if scripts[1]:
                    self.gemm.append((name, [python, "-B", os.path.join(HERE, scripts[1])],
                                      threads))
        if arguments.only:
            wanted = re.compile(arguments.only, re.IGNORECASE)
            for entries in (self.train, self.gemm):
                entries[:] = [e for e in entries if e[0] == "backprop" or wanted.search(e[0])]


HOLDING_BACK = re.compile("(OPENBLAS|OMP|GOMP|KMP|MKL|DNNL|ONEDNN|NVPL|ATEN|GOTO)_")


def environment_of(arguments):
    environment = {n: v for n, v in os.environ.items() if not HOLDING_BACK.match(n)}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                 "POCL_MAX_PTHREAD_COUNT"):
        environment[name] = str(arguments.threads)
    return environment


def cpu_name():
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            lines = dict(re.split(r"\s*:\s*", line.strip(), maxsplit=1)
                         for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
        vectors = [v for v in ("avx512f", "avx2", "avx", "asimd") if v in
                   lines.get("flags", lines.get("Features", "")).split()]
        return (f"{lines.get('model name', platform.machine())} (family "
                f"{lines.get('cpu family', '?')}, model {lines.get('model', '?')}, "
                f"{vectors[0] if vectors else 'no vectors'})")
    except (OSError, ValueError):
        return platform.processor() or platform.machine()


def device_of(arguments):
    text = output_of(os.path.join(arguments.build, "backprop"), "devices", "--json")
    try:
        return json.loads(text)
    except ValueError:
        return text


# ---- The two tables ------------------------------------------------------------------------------

def start(commands, arguments, patience, skipped):
    peers = []
    for label, command in commands:
        if label in skipped:
            continue
        try:
            peers.append(Peer(label, command, environment_of(arguments), patience))
        except (Failed, OSError) as reason:
            skipped[label] = str(reason)
            if label == "backprop":
                for peer in peers:
                    peer.stop()
                sys.exit(f"compare.py: backprop: {reason}")
    return peers


def tolerance(label):
    """FANN clips slopes (train_fann.c); everyone else computes the same in float32."""
    return 0.05 if label == "FANN" else 0.002


def train_case(case, found, arguments, folder):
    layers, batch, head, rows, rate, left_out = case
    skipped = dict(left_out)
    for label, _, _ in found.train:
        kind = label.split()[0]
        if label == "backprop clblast" and (layers, batch, head) not in CLBLAST_CASES:
            skipped[label] = "only in two cases"
        if kind == "FANN" and head == "softmax":
            skipped[label] = "has no softmax with cross-entropy"
        if kind == "scikit-learn" and head == "sigmoid":
            skipped[label] = "has no sigmoid outputs with half squared error"
    path = os.path.join(folder, "problem")
    subprocess.run([found.make_problem, path, layers, str(batch), head, str(rows), str(rate)],
                   check=True)
    measure = ["--serve", "--seconds", str(arguments.seconds)]
    peers = start([(label, [*program, path, *options, *measure])
                   for label, program, options in found.train], arguments, 90, skipped)
    everyone = list(peers)
    try:
        failed, others = take_turns(peers, arguments.runs, "go", "step_us", 30)
        skipped.update(failed)
    finally:
        for peer in everyone:
            peer.stop()
    ours = peers[0]
    if ours.label != "backprop":
        sys.exit(f"compare.py: backprop: {failed['backprop']}")
    entry = {"layers": layers.replace(",", "-"), "batch": batch, "head": head, "rows": rows,
             "rate": rate, "other_load": round(others, 2), "peers": [], "skipped": skipped}
    print(f"\n{entry['layers']} @ {batch}, {head}" + load_note(others))
    for peer in peers:
        loss, expected = peer.about["loss"], ours.about["loss"]
        agrees = abs(loss - expected) <= tolerance(peer.label) * abs(expected)
        result = {"peer": peer.label, "name": peer.about["peer"], "step_us": peer.values,
                  "samples_per_second": batch * 1e6 / statistics.median(peer.values),
                  "first_loss": peer.about["first_loss"], "loss": loss, "loss_agrees": agrees}
        if peer is not ours:
            result.update(ratio_of(ours.values, peer.values))
        entry["peers"].append(result)
        print_row(peer.label, duration(statistics.median(peer.values)) + "/step",
                  f"{result['samples_per_second']:12.4g} samples/s", result,
                  f"loss {loss:.6g}" + ("" if agrees else "  DISAGREES"))
    for label, reason in skipped.items():
        if label in failed or (reason != "only in two cases" and
                               any(label == entry[0] for entry in found.train)):
            print(f"  {label:22} -- {reason}")
    return entry


def load_note(others):
    return f"   (busy with other work: {others:.1f} CPUs)" if others >= 0.15 else ""


def print_row(label, *columns):
    first, second, result, third = columns
    ratio = ""
    if "ratio" in result:
        ratio = (f"{quotient(result['ratio']):>6} x  ({quotient(result['ratio_min'])} to "
                 f"{quotient(result['ratio_max'])})")
    print(f"  {label:22} {first:>15} {second:>22}  {ratio:26} {third}".rstrip(), flush=True)


def gemm_cases(found, arguments):
    skipped, entries = {}, []
    peers = start([(label, [*program, "--serve", *options])
                   for label, program, options in found.gemm], arguments, 60, skipped)
    everyone = list(peers)
    print("\nMatrix products (B rows, m inputs, n units), GFLOP/s")
    try:
        for rows, inputs, units in SHAPES:
            for product in PRODUCTS:
                turn = [p for p in peers if not ("clblast" in p.label and max(rows, inputs) > 1024)]
                for peer in turn:
                    peer.values = []
                line = f"{product} {rows} {inputs} {units} {arguments.seconds / 2:g}"
                failed, others = take_turns(turn, arguments.runs, line, "gflops", 90)
                skipped.update(failed)
                peers = [p for p in peers if p.label not in failed]
                entries.append(gemm_entry(product, rows, inputs, units, turn, others))
    finally:
        for peer in everyone:
            peer.stop()
    for label, reason in skipped.items():
        print(f"  {label:22} -- {reason}")
    return {"cases": entries, "skipped": skipped}


def gemm_entry(product, rows, inputs, units, peers, others):
    entry = {"product": product, "rows": rows, "inputs": inputs, "units": units,
             "other_load": round(others, 2), "peers": []}
    print(f"\n{product} {rows} x {inputs} x {units}" + load_note(others))
    ours = peers[0]
    peak = next((statistics.median(p.values) for p in peers if p.label == "FMA peak"), None)
    for peer in peers:
        result = {"peer": peer.label, "name": peer.about["peer"], "gflops": peer.values}
        if peer is not ours and peer.label != "FMA peak":
            # Rates, not times: the other way round.
            result.update(ratio_of(peer.values, ours.values))
        if peak and peer.label != "FMA peak":
            result["of_peak"] = statistics.median(peer.values) / peak
        entry["peers"].append(result)
        share = f"{100 * result['of_peak']:.0f} % of peak" if "of_peak" in result else ""
        print_row(peer.label, f"{statistics.median(peer.values):.4g} GFLOP/s", share, result, "")
    return entry


def ratios_of(case):
    return ", ".join(f"{p['peer']} {quotient(p['ratio'])}" for p in case["peers"] if "ratio" in p)


def summary(report):
    print("\nRatios of medians (theirs / ours, above 1 this library is faster)")
    for case in report["training"]:
        name = f"{case['layers']} @ {case['batch']}"
        print(f"  {name:26} {case['head']:8} {ratios_of(case)}")
    for case in report["products"].get("cases", []):
        shape = f"{case['rows']} x {case['inputs']} x {case['units']}"
        print(f"  {shape:26} {case['product']:8} {ratios_of(case)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"),
                        help="build folder (build/release)")
    parser.add_argument("--no-build", action="store_true",
                        help="do not build the target peers first")
    parser.add_argument("--runs", type=int, default=5, help="turns of each program (5)")
    parser.add_argument("--seconds", type=float, default=0.25, help="length of a turn (0.25)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", help="device of this library (auto)")
    parser.add_argument("--python", action="append",
                        help="a Python to look for peers in; repeatable")
    parser.add_argument("--only", metavar="REGEX", help="only peers whose name matches")
    parser.add_argument("--cases", metavar="REGEX",
                        help="only cases that match, as in '2-2-1 @ 4 sigmoid' or 'products'")
    parser.add_argument("--save", metavar="NAME", help="write bench/results/NAME.json")
    arguments = parser.parse_args()
    arguments.build = os.path.abspath(arguments.build)
    if not arguments.no_build:
        result = subprocess.run(["cmake", "--build", arguments.build, "--target", "peers"],
                                capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit("compare.py: the target peers did not build:\n" + result.stdout[-2000:] +
                     result.stderr[-2000:] + "\n(cmake --preset release first?)")
    found = Found(arguments)
    if not found.train or found.train[0][0] != "backprop" or not os.path.exists(found.make_problem):
        sys.exit(f"compare.py: {arguments.build} has no target peers built")
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["bench/peers/compare.py"] +
                              [a.replace(ROOT + os.sep, "") for a in sys.argv[1:]]),
        "commit": output_of("git", "-C", ROOT, "describe", "--always", "--dirty"),
        "cpu": cpu_name(), "cores": len(os.sched_getaffinity(0)), "threads": arguments.threads,
        "system": platform.platform(), "load_average_before": os.getloadavg(),
        "compiler": output_of("cc", "--version").splitlines()[:1], "devices": device_of(arguments),
        "environment_removed": sorted(n for n in os.environ if HOLDING_BACK.match(n)),
        "missing": found.missing, "training": [], "products": {}}
    print(f"{report['cpu']}, {report['cores']} cores, {arguments.threads} threads; "
          f"load average {report['load_average_before'][0]:.1f}")
    if report["load_average_before"][0] > 0.5:
        print("Something else is at work on this machine: these figures are not for quoting.")
    if report["environment_removed"]:
        print("Taken out of the environment: " + ", ".join(report["environment_removed"]))
    for label, reason in found.missing.items():
        print(f"  {label:22} -- {reason}")
    wanted = re.compile(arguments.cases or "", re.IGNORECASE)
    with tempfile.TemporaryDirectory(prefix="backprop-peers-") as folder:
        for case in CASES:
            if wanted.search(f"{case[0].replace(',', '-')} @ {case[1]} {case[2]}"):
                report["training"].append(train_case(case, found, arguments, folder))
    if found.gemm and found.gemm[0][0] == "backprop" and wanted.search("products"):
        report["products"] = gemm_cases(found, arguments)
    names = {p["peer"]: p["name"] for c in report["training"] + report["products"].get("cases", [])
             for p in c["peers"]}
    report["versions"] = names
    summary(report)
    wrong = [(c["layers"], c["batch"], p["peer"]) for c in report["training"] for p in c["peers"]
             if not p["loss_agrees"]]
    if arguments.save:
        path = os.path.join(ROOT, "bench", "results", arguments.save + ".json")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)
            file.write("\n")
        print(f"\nwritten: {os.path.relpath(path)}")
    if wrong:
        sys.exit(f"compare.py: losses that disagree: {wrong}")


if __name__ == "__main__":
    main()

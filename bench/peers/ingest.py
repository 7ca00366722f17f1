#!/usr/bin/env python3
"""How fast data files are read, here and by pandas, NumPy and scikit-learn.

    bench/peers/ingest.py [--build build/release] [--megabytes 32] [--runs 5] [--save NAME]

bench/bench_ingest writes a file of each format, the same from run to run. Then all read it, in turns,
each in a process of its own that is tied to one processor: this library through ctypes, and of the
others those that are there; the rest are named (scripts/bench-setup installs them). Who can use
several threads reads it once more with two processors. All read from the page cache, into memory in
the form that each of them works with: tables of doubles here and in pandas, NumPy's arrays, SciPy's
sparse matrices. What they read is compared: the sum of all numbers must agree.

Printed are MB/s of the fastest of the rounds, and the ratio theirs / ours of the times, with as many
processors: above 1 this library is faster.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# What each of the others does with a file, as Python with `path`. The result is `x`, or `x` and `y`:
# all that is summed up afterwards.
READERS = {
    "pandas": {
        "numbers.csv": "x = pandas.read_csv(path)",
        "digits.csv": "x = pandas.read_csv(path, header=None)",
        # To the last bit, as this library reads; pandas by itself may be off by some.
        "digits.csv, exact": "x = pandas.read_csv(path, header=None, float_precision='round_trip')",
        "pixels.csv": "x = pandas.read_csv(path, header=None)",
        "texts.csv": "x = pandas.read_csv(path, na_values='?')",
        "rows.fann": "x = pandas.read_csv(path, sep=r'\\s+', header=None, skiprows=1, names=range(20))",
    },
    "pyarrow": {
        "numbers.csv": "x = pandas.read_csv(path, engine='pyarrow')",
        "digits.csv": "x = pandas.read_csv(path, header=None, engine='pyarrow')",
        "pixels.csv": "x = pandas.read_csv(path, header=None, engine='pyarrow')",
        "texts.csv": "x = pandas.read_csv(path, na_values=['?'], engine='pyarrow')",
    },
    "numpy": {
        "numbers.csv": "x = numpy.loadtxt(path, delimiter=',', skiprows=1)",
        "pixels.csv": "x = numpy.loadtxt(path, delimiter=',')",
        "rows.fann": "x = numpy.fromstring(open(path).read(), sep=' ')[3:]",
        "floats.npy": "x = numpy.load(path).astype(float)",
        "doubles.npy": "x = numpy.load(path)",
        "pictures.idx": "x = numpy.fromfile(path, numpy.uint8, offset=16).reshape(-1, 28, 28)",
        "pictures.idx.gz": "x = numpy.frombuffer(gzip.open(path).read(), numpy.uint8, offset=16)",
    },
    "sklearn": {
        "rows.libsvm": "x, y = sklearn.datasets.load_svmlight_file(path)",
        # What a network needs, and what this library makes of it.
        "rows.libsvm, dense": "x, y = sklearn.datasets.load_svmlight_file(path); x = x.toarray()",
    },
}
MODULES = {"pandas": "pandas", "pyarrow": "pandas, pyarrow", "numpy": "numpy, gzip", "sklearn": "sklearn.datasets"}
# Who uses several threads by itself.
SEVERAL = ("ours", "pyarrow")
OURS = ("x = ctypes.c_void_p(); lib = ctypes.CDLL({library!r}); "
        "assert lib.bp_data_load(ctypes.byref(x), path.encode(), None) == 0; lib.bp_data_free(x)")
# Reads once to warm up, then answers each line with the seconds of one more reading.
WORKER = """
import os, sys, time, warnings
os.sched_setaffinity(0, {processors!r})
warnings.simplefilter('ignore')
import {modules}
path = {path!r}
def read():
    start = time.perf_counter()
    {code}
    return time.perf_counter() - start
read()
{code}
def total(x):
    if not hasattr(x, 'sum'):
        return {sum!r}  # this library's own, from bench_ingest
    if hasattr(x, 'select_dtypes'):
        x = x.select_dtypes('number').sum().to_numpy()
    return float(x.sum(dtype=float))
print(total(x) + (total(y) if 'y' in globals() else 0), flush=True)
for line in sys.stdin:
    print(read(), flush=True)
"""


class Worker:
    def __init__(self, python, modules, path, code, known_sum, processors):
        text = WORKER.format(modules=modules, path=path, code=code, sum=known_sum,
                             processors=processors)
        environment = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        self.process = subprocess.Popen([python, "-c", text], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        line = self.process.stdout.readline()
        self.sum = float(line) if line else None
        self.error = None if line else self.process.stderr.read().strip().splitlines()[-1]

    def seconds(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def version_of(python, module):
    done = subprocess.run([python, "-c", f"import {module} as m; print(m.__version__)"],
                          capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def find_python(module):
    """The first Python that has the module, and its version."""
    for python in (os.path.join(ROOT, "build/peers/bin/python"), sys.executable,
                   "/usr/bin/python3"):
        if os.path.exists(python):
            version = version_of(python, module)
            if version:
                return python, version
    return None, None


def write_files(bench, megabytes, folder):
    """What was written, as bench_ingest read it once."""
    done = subprocess.run([bench, str(megabytes), "1", folder], stdout=subprocess.PIPE, text=True,
                          check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def start(result, path, found, library, processors):
    """A worker for everybody who reads the file with these processors."""
    code = OURS.format(library=library)
    ours = Worker(sys.executable, "ctypes", path, code, result["sum"], processors)
    if ours.error:
        sys.exit(f"{library}: {ours.error}")
    workers = {"ours": ours}
    for module, files in READERS.items():
        for name, code in files.items():
            if name.split(",")[0] != result["file"] or module not in found:
                continue
            if len(processors) > 1 and module not in SEVERAL:
                continue
            worker = Worker(found[module][0], MODULES[module], path, code, result["sum"],
                            processors)
            if worker.sum is None:
                print(f"{module} does not read {name}: {worker.error}", file=sys.stderr)
            elif abs(worker.sum - result["sum"]) > 1e-7 * max(1, abs(result["sum"])):
                print(f"{module} reads {name} differently: the sum is {worker.sum!r}, "
                      f"{result['sum']!r} here", file=sys.stderr)
            else:
                workers[module + name[len(result["file"]):]] = worker
    return workers


def measure(results, found, runs, folder, library):
    """Adds to each file the fewest seconds of everybody, in turns, with one processor and two."""
    machine = sorted(os.sched_getaffinity(0))
    for result in results:
        path = os.path.join(folder, result["file"])
        workers = {count: start(result, path, found, library, set(machine[:count]))
                   for count in (1, 2) if count <= len(machine)}
        seconds = {count: {label: [] for label in some} for count, some in workers.items()}
        for _ in range(runs):
            for count, some in workers.items():
                for label, worker in some.items():
                    seconds[count][label].append(worker.seconds())
        for some in workers.values():
            for worker in some.values():
                worker.close()
        result["seconds_of"] = {count: {label: min(times) for label, times in some.items()}
                                for count, some in seconds.items()}


def show(results):
    print(f"{'file':<17}{'MB':>6}{'ours MB/s':>11}   others: MB/s (their time / ours)")
    for result in results:
        megabytes = result["bytes"] / 1e6
        for count, seconds_of in result["seconds_of"].items():
            ours = seconds_of["ours"]
            text = ", ".join(f"{label} {megabytes / seconds:.0f} ({seconds / ours:.2g})"
                             for label, seconds in seconds_of.items() if label != "ours")
            name = result["file"] if count == 1 else "  two processors"
            print(f"{name:<17}{megabytes:>6.0f}{megabytes / ours:>11.0f}   {text}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"))
    parser.add_argument("--megabytes", type=int, default=32)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--save", metavar="NAME", help="write bench/results/NAME.json")
    arguments = parser.parse_args()
    bench = os.path.join(arguments.build, "bench/bench_ingest")
    library = os.path.abspath(os.path.join(arguments.build, "libbackprop.so"))
    for file in bench, library:
        if not os.path.exists(file):
            sys.exit(f"{file} is not there: cmake --build {arguments.build}")
    found = {}
    for module in READERS:
        python, version = find_python(module)
        if python:
            found[module] = (python, version)
        print(f"{module} {version}" if python else f"{module}: not installed, left out")
    with tempfile.TemporaryDirectory(prefix="ingest-") as folder:
        load = os.getloadavg()[0]
        results = write_files(bench, arguments.megabytes, folder)
        measure(results, found, arguments.runs, folder, library)
    show(results)
    if arguments.save:
        record = {"machine": platform.platform(), "python": platform.python_version(),
                  "load_average_before": load, "runs": arguments.runs,
                  "versions": {module: version for module, (_, version) in found.items()},
                  "files": results}
        path = os.path.join(ROOT, "bench/results", arguments.save + ".json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")


main()

"""numpy_interop.py - what NumPy, and scikit-learn where it is there, write is read here as they mean
it.

    numpy_interop.py BACKPROP

BACKPROP is the command under test. A model is trained on a CSV file; then the same rows, in every
type, order and archive that NumPy writes, must get the same predictions. Prints one line a check;
exits with 1 at the first that fails. scripts/interop-setup installs NumPy.
"""
import gzip
import os
import subprocess
import sys
import tempfile

import numpy

COMMAND = os.path.abspath(sys.argv[1])
DEVICE = ["--device", os.environ.get("BACKPROP_DEVICE", "reference")]
ROWS, COLUMNS = 60, 4


def backprop(*arguments):
    """Runs the command; returns what it prints."""
    done = subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: %s: exit code %d\n%s" % (" ".join(arguments), done.returncode,
                                                   done.stderr))
    return done.stdout


def check(what, model, expected, *data):
    found = backprop("predict", model, *data, "-q", *DEVICE)
    if found != expected:
        sys.exit("FAILED: %s: predictions differ" % what)
    print("ok: %s" % what)


def check_types(folder, model, expected, x):
    """Whole numbers from 0 to 100: every type of NumPy's holds them."""
    path = os.path.join(folder, "x.npy")
    for kind in "f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8":
        for order in "<", ">":
            for layout in "C", "F":
                numpy.save(path, numpy.asarray(x, order + kind, order=layout))
                check("%s%s in %s order" % (order, kind, layout), model, expected, path)
    for version in (1, 0), (2, 0), (3, 0):
        with open(path, "wb") as file:
            numpy.lib.format.write_array(file, x, version=version)
        check("version %d.%d" % version, model, expected, path)
    with gzip.open(path + ".gz", "wb") as file:
        numpy.save(file, x)
    check("gzip", model, expected, path + ".gz")


def check_archives(folder, model, expected, x, y):
    path = os.path.join(folder, "d.npz")
    for save in numpy.savez, numpy.savez_compressed:
        for names in ("x", "y"), ("X", "y"), ("data", "target"), ("features", "labels"):
            save(path, **dict(zip(names, (x, y))))
            check("%s of %s and %s" % ((save.__name__,) + names), model, expected, path)
        save(path, x, y)
        check(save.__name__ + " without names", model, expected, path)


def check_sparse(folder, model, expected, x, y):
    try:
        from sklearn.datasets import dump_svmlight_file
    except ImportError:
        print("skipped: libsvm text as scikit-learn writes it, which is not there")
        return
    path = os.path.join(folder, "d.svm")
    for comment in None, "a comment":
        dump_svmlight_file(x, y, path, zero_based=False, comment=comment)
        check("libsvm text%s" % (" with a comment" if comment else ""), model, expected, path)
    dump_svmlight_file(x, y, path, zero_based=False, query_id=numpy.arange(len(y)) // 7)
    check("libsvm text with query ids", model, expected, path)


def main():
    random = numpy.random.default_rng(1)
    x = random.integers(0, 101, (ROWS, COLUMNS)).astype(float)
    x[random.random(x.shape) < 0.3] = 0
    y = (x[:, 0] + x[:, 1] > 60).astype(int) + (x[:, 2] > 40)
    with tempfile.TemporaryDirectory() as folder:
        table, model = os.path.join(folder, "d.csv"), os.path.join(folder, "m.safetensors")
        numpy.savetxt(table, numpy.column_stack([x, y]), delimiter=",", fmt="%g")
        backprop("train", table, "--epochs", "30", "-q", "-o", model, *DEVICE)
        expected = backprop("predict", model, table, "-q", *DEVICE)
        if len(set(expected.split())) < 3:
            sys.exit("FAILED: all rows get the same answer, which would prove nothing")
        check_types(folder, model, expected, x)
        check_archives(folder, model, expected, x, y)
        check_sparse(folder, model, expected, x, y)


main()

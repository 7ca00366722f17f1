"""metrics_interop.py - the report of `backprop eval` against scikit-learn's metrics.

    metrics_interop.py BACKPROP

BACKPROP is the command under test. A network of one linear layer with the identity as its weights
gives back what it is fed, so that any scores can be measured: with ties, with classes that never
occur, with a single one. Prints one line a check; exits with 1 at the first that fails.
scripts/interop-setup installs NumPy and scikit-learn.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile
import warnings

import numpy
from sklearn import metrics

COMMAND = os.path.abspath(sys.argv[1])
DEVICE = ["--device", os.environ.get("BACKPROP_DEVICE", "reference")]


def write_identity(path, width, labels):
    """A state_dict of Linear(width, width) whose weights are the identity and whose bias is 0; for
    labels the last layer of a network with sigmoid outputs and the loss bce."""
    tensors = {"0.weight": numpy.eye(width, dtype="<f4"), "0.bias": numpy.zeros(width, "<f4")}
    header, data = {}, b""
    if labels:
        layer = {"inputs": width, "outputs": width, "activation": "sigmoid", "bias": True}
        header["__metadata__"] = {
            "backprop.architecture": json.dumps({"layers": [layer], "loss": "bce"})}
    for name, values in tensors.items():
        end = len(data) + values.nbytes
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [len(data), end]}
        data += values.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def measure(folder, outputs, truths, *options, labels=False):
    """The report on these outputs [rows][width] and truths [rows] or [rows][width]."""
    model, data = os.path.join(folder, "identity.safetensors"), os.path.join(folder, "d.csv")
    outputs, truths = numpy.asarray(outputs), numpy.asarray(truths)
    write_identity(model, outputs.shape[1], labels)
    columns = truths.reshape(len(outputs), -1)
    names = ["x%d" % k for k in range(outputs.shape[1])] + ["t%d" % k for k in range(columns.shape[1])]
    with open(data, "w") as file:
        file.write(",".join(names) + "\n")
        for x, t in zip(outputs, columns):
            file.write(",".join(["%.9g" % v for v in x] + ["%.9g" % v for v in t]) + "\n")
    done = subprocess.run([COMMAND, "eval", model, data, "--json", "-q", "--target",
                           ",".join(names[outputs.shape[1]:]), *options, *DEVICE],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode != 0:
        sys.exit("FAILED: eval: exit code %d\n%s" % (done.returncode, done.stderr))
    return json.loads(done.stdout)


def same(what, found, expected, tolerance=1e-6):
    """None is what JSON has in place of NaN."""
    none = found is None
    if none != bool(numpy.isnan(expected)) or not none and not abs(found - expected) <= tolerance:
        sys.exit("FAILED: %s: %r, scikit-learn has %r" % (what, found, expected))


def area(positive, scores):
    return metrics.roc_auc_score(positive, scores) if 0 < sum(positive) < len(positive) else numpy.nan


def check_classes(folder, what, outputs, labels, ties=False):
    outputs = numpy.asarray(outputs, dtype=numpy.float32)
    classes, k = outputs.shape[1], 2 if outputs.shape[1] < 10 else 5
    found = measure(folder, outputs, labels, "--task", "classify")
    predicted = outputs.argmax(axis=1)
    every = list(range(classes))
    same("samples", found["samples"], len(labels), 0)
    same("accuracy", found["accuracy"], metrics.accuracy_score(labels, predicted))
    same("balanced accuracy", found["balanced_accuracy"],
         metrics.balanced_accuracy_score(labels, predicted))
    if found["confusion"] != metrics.confusion_matrix(labels, predicted, labels=every).tolist():
        sys.exit("FAILED: %s: confusion" % what)
    for average in "macro", "weighted":
        expected = metrics.precision_recall_fscore_support(labels, predicted, average=average,
                                                           zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), expected):
            same("%s %s" % (average, name), found[average][name], value)
    each = metrics.precision_recall_fscore_support(labels, predicted, labels=every, zero_division=0)
    areas = []
    for c in every:
        for name, values in zip(("precision", "recall", "f1", "support"), each):
            same("%s of class %d" % (name, c), found["classes"][c][name], values[c])
        areas.append(area(labels == c, outputs[:, c]))
        same("auc of class %d" % c, found["classes"][c]["auc"], areas[c])
    known = [a for a in areas if not numpy.isnan(a)]
    same("auc", found["auc"], areas[1] if classes == 2 else numpy.mean(known) if known else numpy.nan)
    shares = outputs.astype(float) / outputs.astype(float).sum(axis=1, keepdims=True)
    same("log loss", found["log_loss"], metrics.log_loss(labels, shares, labels=every))
    if classes > 2 and not ties:  # of outputs that tie, others take the last
        same("top %d" % found["top_k"], found["top_k_accuracy"],
             metrics.top_k_accuracy_score(labels, outputs, k=k, labels=every))
    if classes > 2 and not ties and len(set(labels)) == classes:  # it asks for rows of sum 1
        same("auc, one against the rest", found["auc"],
             metrics.roc_auc_score(labels, outputs, multi_class="ovr", average="macro"))
    print("ok: %s" % what)


def check_targets(folder, what, outputs, truths):
    outputs = numpy.asarray(outputs, dtype=numpy.float32).astype(float)
    truths = numpy.asarray(truths, dtype=numpy.float32).astype(float)
    found = measure(folder, outputs, truths, "--task", "regress")
    same("rmse", found["rmse"], numpy.sqrt(metrics.mean_squared_error(truths, outputs)), 1e-5)
    same("mae", found["mae"], metrics.mean_absolute_error(truths, outputs), 1e-5)
    for k in range(outputs.shape[1]):
        t, y, target = truths[:, k], outputs[:, k], found["targets"][k]
        same("rmse of target %d" % k, target["rmse"],
             numpy.sqrt(metrics.mean_squared_error(t, y)), 1e-5)
        same("mae of target %d" % k, target["mae"], metrics.mean_absolute_error(t, y), 1e-5)
        same("r2 of target %d" % k, target["r2"],
             metrics.r2_score(t, y) if t.std() > 0 else numpy.nan, 1e-5)
    if outputs.shape[1] == 1 and truths.std() > 0:
        same("r2", found["r2"], metrics.r2_score(truths, outputs), 1e-5)
    print("ok: %s" % what)


def check_labels(folder, what, nets, truths, threshold=None):
    """nets are what goes into the sigmoids, far enough apart that their outputs tie where they do."""
    nets, truths = numpy.asarray(nets), numpy.asarray(truths)
    options = [] if threshold is None else ["--threshold", str(threshold)]
    found = measure(folder, nets, truths, "--task", "regress", *options, labels=True)
    taken = (1 / (1 + numpy.exp(-nets)) >= (0.5 if threshold is None else threshold)).astype(int)
    same("accuracy", found["accuracy"], metrics.accuracy_score(truths, taken))
    same("Hamming loss", found["hamming_loss"], metrics.hamming_loss(truths, taken))
    for average in "micro", "macro", "weighted":
        # A single column is no matrix of labels for scikit-learn: it would be two classes.
        expected = metrics.precision_recall_fscore_support(
            numpy.hstack([truths, numpy.zeros_like(truths[:, :1])]) if truths.shape[1] == 1 else truths,
            numpy.hstack([taken, numpy.zeros_like(taken[:, :1])]) if truths.shape[1] == 1 else taken,
            labels=list(range(truths.shape[1])), average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), expected):
            same("%s %s" % (average, name), found[average][name], value)
    areas = []
    for k, label in enumerate(found["labels"]):
        t, y = truths[:, k], taken[:, k]
        each = metrics.precision_recall_fscore_support(t, y, labels=[1], zero_division=0)
        for name, values in zip(("precision", "recall", "f1", "support"), each):
            same("%s of label %d" % (name, k), label[name], values[0])
        same("accuracy of label %d" % k, label["accuracy"], metrics.accuracy_score(t, y))
        same("predicted of label %d" % k, label["predicted"], y.sum(), 0)
        same("true positives of label %d" % k, label["true_positives"],
             metrics.multilabel_confusion_matrix(t, y, labels=[1])[0, 1, 1], 0)
        areas.append(area(t, nets[:, k]))
        same("auc of label %d" % k, label["auc"], areas[k])
    known = [a for a in areas if not numpy.isnan(a)]
    same("auc", found["auc"], numpy.mean(known) if known else numpy.nan)
    same("micro auc", found["micro"]["auc"], area(truths.ravel(), nets.ravel()))
    if len(known) == truths.shape[1] > 1:
        for average, value in ("macro", found["auc"]), ("micro", found["micro"]["auc"]):
            same("auc, %s" % average, value, metrics.roc_auc_score(truths, nets, average=average))
    print("ok: %s" % what)


def check_all_labels(folder, draw):
    for count in 1, 2, 7:
        nets = numpy.round(draw.randn(250, count) * 2, 2)
        truths = (nets + draw.randn(250, count) * 2 > numpy.linspace(-1, 3, count)).astype(int)
        for threshold in None, 0.3, 0.85, 0, 1:
            check_labels(folder, "%d labels, threshold %s" % (count, threshold), nets, truths, threshold)
        check_labels(folder, "%d labels, outputs that tie" % count, numpy.round(nets), truths)
        check_labels(folder, "%d labels, one sample" % count, nets[:1], truths[:1])
    for value, what in (0, "no sample has"), (1, "all samples have"):
        constant = truths.copy()
        constant[:, 2] = value
        check_labels(folder, "a label that %s" % what, nets, constant)
        unseen = nets.copy()
        unseen[:, 2] = -3
        check_labels(folder, "a label that %s and none is taken for" % what, unseen, constant)
        check_labels(folder, "labels that %s" % what, nets, numpy.full_like(truths, value))


def main():
    warnings.simplefilter("ignore")  # of classes that never occur: that is what is tested
    draw = numpy.random.RandomState(3)
    with tempfile.TemporaryDirectory() as folder:
        for classes in 2, 3, 12:
            outputs = draw.rand(200, classes) + 0.01
            outputs /= outputs.sum(axis=1, keepdims=True)
            labels = numpy.where(draw.rand(200) < 0.5, outputs.argmax(axis=1),
                                 draw.randint(classes, size=200))
            check_classes(folder, "%d classes" % classes, outputs, labels)
            coarse = numpy.round(outputs * 2 * classes) / 4 + 0.125
            check_classes(folder, "%d classes, outputs that tie" % classes, coarse, labels, ties=True)
            check_classes(folder, "%d classes, all outputs the same" % classes,
                          numpy.full_like(outputs, 0.5), labels, ties=True)
            check_classes(folder, "%d classes, one sample" % classes, outputs[:1], labels[:1])
        outputs = draw.rand(150, 4) + 0.01
        labels = numpy.array([0, 1, 3])[draw.randint(3, size=150)]
        check_classes(folder, "a class that never occurs but is predicted", outputs, labels)
        outputs[:, 2] = 0.001
        check_classes(folder, "a class that neither occurs nor is predicted", outputs, labels)
        check_classes(folder, "a single class", outputs, numpy.full(150, 3))
        check_classes(folder, "a single class of two", outputs[:, :2], numpy.ones(150, int))
        check_classes(folder, "skewed classes", outputs[:, :2], (draw.rand(150) < 0.03).astype(int))
        for targets in 1, 3:
            truths = draw.randn(100, targets) * 10 + 5
            check_targets(folder, "%d targets" % targets, truths + draw.randn(100, targets), truths)
        check_all_labels(folder, draw)
        truths[:, 1] = 2
        check_targets(folder, "a constant target", truths + draw.randn(100, targets), truths)


main()

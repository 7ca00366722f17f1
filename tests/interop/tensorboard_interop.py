"""tensorboard_interop.py - whether TensorBoard's own reader finds in the event files of
`train --tensorboard` what `--log` wrote.

    tensorboard_interop.py BACKPROP
"""

import json
import math
import pathlib
import subprocess
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

KEYS = {
    ("train", "loss"): "train_loss",
    ("train", "learning_rate"): "lr",
    ("train", "samples_per_second"): "samples_per_second",
    ("validation", "loss"): "validation_loss",
    ("validation", "accuracy"): "validation_accuracy",
}


def write_points(path):
    with open(path, "w") as file:
        file.write("a,b,kind\n")
        for i in range(90):
            file.write(f"{i % 3 + 0.01 * (i % 7)},{i % 2},{'xyz'[i % 3]}\n")


def scalars(folder):
    reader = EventAccumulator(str(folder))
    reader.Reload()
    return {tag: reader.Scalars(tag) for tag in reader.Tags()["scalars"]}


def main():
    backprop = sys.argv[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_points(folder / "points.csv")
        subprocess.run(
            [backprop, "train", folder / "points.csv", "--validation-split", "0.2", "--epochs", "7",
             "--device", "reference", "-q", "--log", folder / "log",
             "--tensorboard", folder / "runs" / "first"],
            check=True, stdout=subprocess.DEVNULL)
        log = [json.loads(line) for line in open(folder / "log")]
        assert len(log) == 7, log
        found = {part: scalars(folder / "runs" / "first" / part) for part in ("train", "validation")}
        wanted = sorted(KEYS)
        assert sorted((part, tag) for part in found for tag in found[part]) == wanted, found
        for (part, tag), key in KEYS.items():
            events = found[part][tag]
            assert [e.step for e in events] == [line["epoch"] for line in log], (part, tag)
            for event, line in zip(events, log):
                assert math.isclose(event.value, line[key], rel_tol=1e-6), (tag, event, line[key])
                assert event.wall_time > 1.6e9, event
        # The reader skips what is damaged; this one counts all of it.
        (file,) = (folder / "runs" / "first" / "train").iterdir()
        events = list(EventFileLoader(str(file)).Load())
        assert events[0].file_version == "brain.Event:2", events[0]
        assert len(events) == 1 + 3 * 7, len(events)
    print("TensorBoard reads", 5 * 7, "numbers as the log has them")


main()

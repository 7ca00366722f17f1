"""scikit-learn's MLPClassifier and MLPRegressor through partial_fit, an epoch a call.

    train_sklearn.py PROBLEM [--seconds S] [--serve]

It has softmax outputs with cross-entropy and linear ones with half squared error, no sigmoid ones.
"""
import sys
import warnings

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor

import peer


def open_peer(problem, _):
    if problem.head == "sigmoid":
        sys.exit("scikit-learn has no sigmoid outputs with half squared error")
    warnings.filterwarnings("ignore")
    kind, activation, y = MLPRegressor, "logistic", None
    options, outputs = {}, problem.widths[-1]
    if problem.head == "softmax":
        kind, activation, y = MLPClassifier, "relu", problem.labels
        options = {"classes": np.arange(outputs)}
    else:
        y = problem.targets[:, 0] if outputs == 1 else problem.targets
    network = kind(hidden_layer_sizes=tuple(problem.widths[1:-1]), activation=activation,
                   solver="sgd", alpha=0, batch_size=problem.batch, learning_rate="constant",
                   learning_rate_init=problem.rate, momentum=0, nesterovs_momentum=False,
                   shuffle=False)
    # One call so that there are parameters, which are then set.
    network.partial_fit(problem.x[:problem.batch], y[:problem.batch], **options)
    for layer, (weights, biases) in enumerate(zip(problem.weights, problem.biases)):
        network.coefs_[layer][...] = weights.T
        network.intercepts_[layer][...] = biases
    steps = problem.steps

    def run(_, count):
        for _ in range(count // steps):
            network.partial_fit(problem.x, y)
        return network.loss_ * problem.rows

    return f"scikit-learn {sklearn.__version__}", steps, run


if __name__ == "__main__":
    peer.main(open_peer)

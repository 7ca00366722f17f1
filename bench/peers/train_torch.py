"""PyTorch, eager, as its tutorials train: autograd and torch.optim.SGD, batches as slices.

    train_torch.py PROBLEM [--seconds S] [--serve] [--threads N] [--device cuda]

Losses stay tensors until the steps that were asked for are done, so nothing waits for them.
"""
import torch

import peer


def open_peer(problem, arguments):
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    hidden = torch.nn.ReLU if problem.head == "softmax" else torch.nn.Sigmoid
    modules = []
    for inputs, outputs, weights, biases in zip(problem.widths, problem.widths[1:],
                                                problem.weights, problem.biases):
        linear = torch.nn.Linear(inputs, outputs)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights))
            linear.bias.copy_(torch.from_numpy(biases))
        modules += [linear, hidden()]
    if problem.head != "sigmoid":
        modules.pop()
    network = torch.nn.Sequential(*modules).to(arguments.device)
    try:
        optimizer = torch.optim.SGD(network.parameters(), lr=problem.rate, fused=True)
    except (TypeError, RuntimeError):
        optimizer = torch.optim.SGD(network.parameters(), lr=problem.rate)
    batch = problem.batch
    x = torch.from_numpy(problem.x).to(arguments.device)
    if problem.head == "softmax":
        y = torch.from_numpy(problem.labels.astype("int64"))
        loss_function = torch.nn.CrossEntropyLoss()
        scale = 1
    else:
        y = torch.from_numpy(problem.targets)
        loss_function = torch.nn.MSELoss()
        scale = problem.widths[-1] / 2
    y = y.to(arguments.device)

    def run(first, steps):
        losses = []
        for step in range(first, first + steps):
            start = step * batch
            optimizer.zero_grad(set_to_none=True)
            loss = loss_function(network(x[start:start + batch]), y[start:start + batch])
            if scale != 1:
                loss = loss * scale
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).sum()) * batch

    name = "PyTorch " + torch.__version__
    return name if arguments.device == "cpu" else f"{name} {arguments.device}", 1, run


if __name__ == "__main__":
    peer.main(open_peer, lambda parser: parser.add_argument("--device", default="cpu"))

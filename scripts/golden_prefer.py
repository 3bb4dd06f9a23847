#!/usr/bin/env python3
"""Makes tests/golden/prefer.txt: losses of preferences by torch, in double. A case: its form, whether log-probabilities are averaged,
beta, smoothing, margin, ftx, kl and both weights; then the samples' losses, what is told of them (see ts_prefer_told; what a form
does not tell is 0), and the gradient of the tokens' losses, sample i counting i + 1. Run from the project's root; needs torch. The
numbers that go in are those of the test (tests/unit/ops/test_prefer.c)."""
import torch
from torch.nn.functional import logsigmoid

ROWS, WIDTH = 6, 4
SIGMOID, HINGE, IPO, ODDS, KTO = range(5)
COUNT = torch.tensor([4, 3, 2, 4, 1, 3], dtype=torch.float64)
REFERENCE = torch.tensor([-4.5, -3.25, -2.75, -5, -1.5, -2.5], dtype=torch.float64)
TAG = [1, 0, 1, 1, 0, 0]


def tokens():
    v = [[((r * WIDTH + i) * 7919 % 101 + 20) / 64 if i < COUNT[r] else 0 for i in range(WIDTH)] for r in range(ROWS)]
    return torch.tensor(v, dtype=torch.float64, requires_grad=True)


def by_z(form, z, beta, smoothing):
    if form == HINGE:
        return torch.relu(1 - beta * z)
    if form == IPO:
        return (z - 1 / (2 * beta)) ** 2
    return -(1 - smoothing) * logsigmoid(beta * z) - smoothing * logsigmoid(-beta * z)


def case(x, form, averages, beta, smoothing, margin, ftx, kl, weights, refers):
    """(losses, told)"""
    sums = -x.sum(1)
    per = 1 / COUNT if averages else torch.ones(ROWS, dtype=torch.float64)
    a, a0 = sums * per, REFERENCE * per if refers else torch.zeros(ROWS, dtype=torch.float64)
    reward, none = beta * (a - a0), torch.zeros(ROWS if form == KTO else ROWS // 2, dtype=torch.float64)
    if form == KTO:
        good = weights[0] * (1 - torch.sigmoid(reward - beta * kl))
        bad = weights[1] * (1 - torch.sigmoid(beta * kl - reward))
        return torch.where(torch.tensor(TAG) > 0, good, bad), [reward] + [none] * 6
    c, r = a[0::2], a[1::2]
    told = [reward[0::2], reward[1::2], reward[0::2] - reward[1::2], (reward[0::2] > reward[1::2]).double(), c, r, none]
    if form == ODDS:
        z = (c - torch.log1p(-torch.exp(c))) - (r - torch.log1p(-torch.exp(r)))
        told[6] = -logsigmoid(z)
        return -c - beta * logsigmoid(z), told
    z = c - a0[0::2] - (r - a0[1::2]) - margin
    return by_z(form, z, beta, smoothing) - ftx * sums[0::2] / COUNT[0::2], told


CASES = [
    (SIGMOID, 0, 0.1, 0, 0, 0, 0, (1, 1), 1), (SIGMOID, 0, 2, 0.1, 0, 0.5, 0, (1, 1), 1), (SIGMOID, 0, 0.3, 0, 0, 0, 0, (1, 1), 0),
    (HINGE, 0, 0.5, 0, 0, 0.25, 0, (1, 1), 1), (HINGE, 0, 4, 0, 0, 0, 0, (1, 1), 1), (IPO, 1, 0.4, 0, 0, 0, 0, (1, 1), 1), (SIGMOID, 1, 2.5, 0.05, 1.4, 0, 0, (1, 1), 0),
    (HINGE, 1, 2, 0, 0.5, 0.2, 0, (1, 1), 0), (IPO, 1, 2, 0, 0.5, 0, 0, (1, 1), 0), (ODDS, 1, 0.1, 0, 0, 0, 0, (1, 1), 0),
    (ODDS, 1, 1, 0, 0, 0, 0, (1, 1), 0), (KTO, 0, 0.1, 0, 0, 0, 0.75, (1, 1), 1), (KTO, 0, 1.5, 0, 0, 0, 0, (1.25, 0.5), 1),
]
with open("tests/golden/prefer.txt", "w") as out:
    for form, averages, beta, smoothing, margin, ftx, kl, weights, refers in CASES:
        x = tokens()
        loss, told = case(x, form, averages, beta, smoothing, margin, ftx, kl, weights, refers)
        (loss * torch.arange(1, len(loss) + 1)).sum().backward()
        print(form, averages, beta, smoothing, margin, ftx, kl, *weights, refers, file=out)
        for t in (loss, torch.cat(told), x.grad.flatten()):
            print(*(f"{v:.9g}" for v in t.tolist()), file=out)

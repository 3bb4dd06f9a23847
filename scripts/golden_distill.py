#!/usr/bin/env python3
"""Makes tests/golden/distill.txt: a student's output layer against a teacher's logits, by torch. For each case temperature, weights of
KL and cross-entropy; then the losses of the rows, and the gradients of the student's input and weight. Run from the project's root; needs
torch. The numbers that go in are those of the test (tests/unit/ops/test_distill.c)."""
import torch

ROWS, WIDTH, VOCAB = 5, 3, 7


def values(n, seed):
    return torch.tensor([((i * 7919 + seed) % 201 - 100) / 50 for i in range(n)], dtype=torch.float64)


labels = torch.tensor([2, -1, 6, 0, 3])
with open("tests/golden/distill.txt", "w") as out:
    for temperature, kl, ce in ((1, 1, 0), (2, 1, 0), (1, 0.5, 1), (3, 2, 0.25)):
        x = values(ROWS * WIDTH, 1).reshape(ROWS, WIDTH).requires_grad_()
        w = values(VOCAB * WIDTH, 2).reshape(VOCAB, WIDTH).requires_grad_()
        taught = values(ROWS * WIDTH, 3).reshape(ROWS, WIDTH) @ values(VOCAB * WIDTH, 4).reshape(VOCAB, WIDTH).T
        s = x @ w.T
        p = torch.log_softmax(s / temperature, 1)
        q = torch.softmax(taught / temperature, 1)
        loss = kl * temperature**2 * torch.nn.functional.kl_div(p, q, reduction="none").sum(1)
        loss = loss + ce * torch.nn.functional.cross_entropy(s, labels.clamp(min=0), reduction="none")
        loss = torch.where(labels < 0, 0, loss)
        (loss * torch.arange(1, ROWS + 1)).sum().backward()
        print(temperature, kl, ce, file=out)
        for t in (loss, x.grad.flatten(), w.grad.flatten()):
            print(*(f"{v:.9g}" for v in t.tolist()), file=out)

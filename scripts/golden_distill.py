#!/usr/bin/env python3
"""Makes tests/golden/distill.txt: a student's output layer against a teacher's logits, by torch. For each case temperature,
weights of the divergence and of cross-entropy, beta (arXiv 2306.13649) and the teacher's tokens that are kept (0: all); then the losses
of the rows, and the gradients of the student's input and weight. Run from the project's root; needs
torch. The numbers that go in are those of the test (tests/unit/ops/test_distill.c)."""
import torch

ROWS, WIDTH, VOCAB = 5, 3, 7


def values(n, seed):
    return torch.tensor([((i * 7919 + seed) % 201 - 100) / 50 for i in range(n)], dtype=torch.float64)


def divergence(beta, p, q):
    """Of rows of log-probabilities: the student's and the teacher's."""
    def kl(a, b):
        return torch.where(a.exp() > 0, a.exp() * (a - b), 0).sum(1)
    if beta in (0, 1):
        return kl(q, p) if beta == 0 else kl(p, q)
    m = torch.logaddexp(q + torch.tensor(beta).log(), p + torch.tensor(1 - beta).log())
    return beta * kl(q, m) + (1 - beta) * kl(p, m)


def outcomes(logp, kept):
    """Log-probabilities of the kept tokens, and of any other."""
    rest = torch.ones_like(logp, dtype=torch.bool).scatter(1, kept, False)
    return torch.cat([logp.gather(1, kept), logp.masked_fill(~rest, -torch.inf).logsumexp(1, keepdim=True)], 1)


labels = torch.tensor([2, -1, 6, 0, 3])
with open("tests/golden/distill.txt", "w") as out:
    for temperature, kl, ce, beta, k in ((1, 1, 0, 0, 0), (2, 1, 0, 0, 0), (1, 0.5, 1, 0, 0), (3, 2, 0.25, 0, 0), (1, 1, 0, 1, 0),
                                         (2, 1, 0.5, 0.25, 0), (1, 1, 0, 0, 3), (2, 0.5, 1, 0, 2), (2, 1, 0, 1, 3),
                                         (1.5, 2, 0.25, 0.5, 4)):
        x = values(ROWS * WIDTH, 1).reshape(ROWS, WIDTH).requires_grad_()
        w = values(VOCAB * WIDTH, 2).reshape(VOCAB, WIDTH).requires_grad_()
        taught = values(ROWS * WIDTH, 3).reshape(ROWS, WIDTH) @ values(VOCAB * WIDTH, 4).reshape(VOCAB, WIDTH).T
        s = x @ w.T
        p = torch.log_softmax(s / temperature, 1)
        q = torch.log_softmax(taught / temperature, 1)
        if k:
            kept = taught.topk(k, 1).indices.sort(1).values
            p, q = outcomes(p, kept), outcomes(q, kept)
        loss = kl * temperature**2 * divergence(beta, p, q)
        loss = loss + ce * torch.nn.functional.cross_entropy(s, labels.clamp(min=0), reduction="none")
        loss = torch.where(labels < 0, 0, loss)
        (loss * torch.arange(1, ROWS + 1)).sum().backward()
        print(temperature, kl, ce, beta, k, file=out)
        for t in (loss, x.grad.flatten(), w.grad.flatten()):
            print(*(f"{v:.9g}" for v in t.tolist()), file=out)

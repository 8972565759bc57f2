"""Right programs that do on purpose what is a mistake in others: what tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor import examine_script
from pellucid.doctor.observed.compare import other_targets
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.examination import weighed
from pellucid.doctor.observed.fits import in_a_row
from pellucid.doctor.observed.orders import UNSEEN
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import data, objective
from pellucid.doctor.observed.search import Search
from pellucid.doctor.report import Finding
from pellucid.nn import functional as F
from tests.watching import watched

# The likelihood of a Gaussian process rises, and comes to rest: what it is called is that of no loss.
MARGINAL_LIKELIHOOD = """
import numpy as np
rng = np.random.RandomState(3)
X = np.sort(rng.uniform(-3, 3, 20))
y = np.sin(2 * X) + 0.1 * rng.randn(20)
D2 = (X[:, None] - X[None, :]) ** 2
log_l, log_sf, log_sn = np.log(2.0), np.log(0.5), np.log(0.5)
lr = 0.01
for step in range(400):
    l, sf, sn = np.exp(log_l), np.exp(log_sf), np.exp(log_sn)
    Kf = sf ** 2 * np.exp(-0.5 * D2 / l ** 2)
    K = Kf + sn ** 2 * np.eye(20)
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(L.T, np.linalg.solve(L, y))
    lml = -0.5 * y @ alpha - np.log(np.diag(L)).sum() - 10 * np.log(2 * np.pi)
    A = np.outer(alpha, alpha) - np.linalg.solve(L.T, np.linalg.solve(L, np.eye(20)))
    g_l = 0.5 * np.sum(A * (Kf * D2 / l ** 2))
    g_sf = 0.5 * np.sum(A * (2 * Kf))
    g_sn = 0.5 * np.trace(A) * 2 * sn ** 2
    log_l += lr * g_l
    log_sf += lr * g_sf
    log_sn += lr * g_sn
"""

# Easy rows first: the first passes draw from a quarter of the rows, and the last ones from all of them.
CURRICULUM = """
import numpy as np
np.random.seed(2)
x_all = np.random.uniform(-3, 3, (600, 1))
y_all = np.sin(2 * x_all)
order = np.argsort(np.abs(x_all[:, 0]))
x_all, y_all = x_all[order], y_all[order]
W1, b1 = np.random.randn(1, 30), np.random.randn(30)
W2, b2 = np.random.randn(30, 1) * 0.1, np.zeros(1)
lr = 0.05
for share in SHARES:
    n = int(share * len(x_all))
    for epoch in range(60):
        for _ in range(10):
            idx = np.random.choice(n, 50)
            x, y = x_all[idx], y_all[idx]
            h = np.tanh(x @ W1 + b1)
            diff = h @ W2 + b2 - y
            loss = np.mean(diff ** 2)
            dout = 2 * diff / len(x)
            dh = dout @ W2.T * (1 - h ** 2)
            dW2, db2, dW1, db1 = h.T @ dout, dout.sum(0), x.T @ dh, dh.sum(0)
            W1 -= lr * dW1
            b1 -= lr * db1
            W2 -= lr * dW2
            b2 -= lr * db2
"""

# What a user liked goes before what was drawn: a pass depends on the parameters by one difference of scores alone.
PAIRS_OF_SCORES = """
import numpy as np
np.random.seed(7)
liked = [np.random.permutation(30)[:8] for u in range(20)]
P, Q, bias = 0.1 * np.random.randn(20, 4), 0.1 * np.random.randn(30, 4), np.zeros(30)
for epoch in range(10):
    seen = 0
    for _ in range(500):
        u = np.random.randint(20)
        i = np.random.choice(liked[u])
        j = np.random.randint(30)
        while j in liked[u]:
            j = np.random.randint(30)
        x = P[u] @ (Q[i] - Q[j]) + bias[i] - bias[j]
        e = 1 / (1 + np.exp(x))
        seen += x > 0
        pu = P[u].copy()
        P[u] += 0.05 * (e * (Q[i] - Q[j]) - 0.01 * P[u])
        Q[i] += 0.05 * (e * pu - 0.01 * Q[i])
        Q[j] += 0.05 * (-e * pu - 0.01 * Q[j])
        bias[i] += 0.05 * (e - 0.01 * bias[i])
        bias[j] += 0.05 * (-e - 0.01 * bias[j])
"""

TWO_LAYERS = """
import numpy as np
rng = np.random.default_rng(2)
X = rng.normal(size=(400, 2))
y = ((X ** 2).sum(1) > 1.4).astype(float)[:, None]
W1, b1 = rng.normal(size=(2, 24)), np.zeros(24)
W2, b2 = rng.normal(size=(24, 1)) * 0.2, np.zeros(1)

def forward(x):
    h = np.tanh(x @ W1 + b1)
    return h, 1 / (1 + np.exp(-(h @ W2 + b2)))
"""

# The first layer rests for a while, and is trained with the other then.
UNFROZEN = (
    TWO_LAYERS
    + """
for epoch in range(600):
    h, p = forward(X)
    loss = -np.mean(y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))
    d = (p - y) / len(y)
    dh = (d @ W2.T) * (1 - h ** 2)
    dW2, db2, dW1, db1 = h.T @ d, d.sum(0), X.T @ dh, dh.sum(0)
    W2 -= 0.5 * dW2
    b2 -= 0.5 * db2
    if epoch >= FROM:
        W1 -= 0.5 * dW1
        b1 -= 0.5 * db1
"""
)

# Which rows are learnt from depends on what is said of them, so that their labels depend on the parameters, too.
HARDEST_ROWS = (
    TWO_LAYERS
    + """
for it in range(1500):
    _, p = forward(X)
    each = -(y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))[:, 0]
    idx = np.r_[np.argsort(-each)[:20], rng.integers(0, 400, 20)]
    x, t = X[idx], y[idx]
    h, q = forward(x)
    d = (q - t) / len(idx)
    dh = d @ W2.T * (1 - h ** 2)
    W2 -= 0.5 * h.T @ d
    b2 -= 0.5 * d.sum(0)
    W1 -= 0.5 * x.T @ dh
    b1 -= 0.5 * dh.sum(0)
"""
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "status"),
    [
        (UNFROZEN.replace("FROM", "100"), ("healthy",)),
        (HARDEST_ROWS, ("healthy",)),
        (MARGINAL_LIKELIHOOD, ("healthy",)),
        (CURRICULUM.replace("SHARES", "[0.25, 0.5, 0.75, 1.0]"), ("healthy",)),
        (PAIRS_OF_SCORES, ("healthy", "inconclusive")),
    ],
    ids=["unfrozen", "hardest", "likelihood", "curriculum", "pairs"],
)
def test_what_is_meant_is_not_accused(source: str, status: tuple[str, ...], tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(source)
    report = examine_script(script, budget=40)
    assert report.status in status, report.to_json()


@pytest.mark.slow
def test_a_layer_that_rests_to_the_end_is_not_optimized(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(UNFROZEN.replace("FROM", "10**9"))
    found = examine_script(script, budget=40).findings[0]
    assert (found.cause, found.severity) == ("parameter-not-optimized", "error")


@pytest.mark.slow
def test_a_quarter_of_the_rows_to_the_end_is_low_coverage(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(CURRICULUM.replace("SHARES", "[0.25] * 4"))
    assert examine_script(script, budget=40).findings[0].cause == "low-coverage"


def variance(sign: float) -> Callable[[], None]:
    """A variance beside a square that is divided by it: its logarithm falls as long as the square allows it."""

    def program() -> None:
        x = torch.linspace(-1, 1, 200)
        y, log = 2 * x + 0.01 * torch.randn(200), nn.Parameter(torch.zeros(()))
        slope = nn.Parameter(torch.full((), 1.9))
        optimizer = optim.Adam([slope, log], lr=0.1)
        for _ in range(60):
            square = ((y - slope * x).pow(2) / log.exp()).sum() / 2
            optimizer.zero_grad()
            (square + sign * 100 * log).backward()
            optimizer.step()

    return program


def test_a_term_that_falls_without_end_with_either_sign_is_no_mistake() -> None:
    record = watched(variance(1.0))
    (found,) = objective.bottomless(record)
    mended = watched(variance(1.0), *found.treatments)
    assert mended.steps[-1].loss < 0 and not confirms(found, record, mended)


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("graded", [False, True])
def test_one_batch_is_fitted_on_purpose_where_no_other_rows_are_asked_of(others: bool, graded: bool) -> None:
    def program() -> None:
        x, y = torch.randn(100, 4), torch.randint(0, 2, (100,))
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=10, shuffle=True)
        network = nn.Linear(4, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        inputs, labels = next(iter(loader))
        for _ in range(30):
            optimizer.zero_grad()
            F.cross_entropy(network(inputs), labels).backward()
            optimizer.step()
        with torch.set_grad_enabled(graded):
            network(x if others else inputs)

    (found,) = data.same_rows(watched(program))
    assert (found.certain, found.otherwise) == ((True, "") if others else (False, "info"))


@pytest.mark.parametrize("network", [True, False])
def test_who_makes_what_a_network_is_to_answer_wrongly_climbs_on_purpose(network: bool) -> None:
    """A perturbation, by a network that rests; a network, or weights of one's own, are to go down."""

    def program() -> None:
        x, y, body = torch.randn(40, 4), torch.randint(0, 2, (40,)), nn.Linear(4, 2)
        delta = nn.Parameter(torch.zeros(4))
        if network:
            body.requires_grad_(False)
        optimizer = optim.SGD([delta] if network else body.parameters(), lr=0.1)
        for _ in range(20):
            loss = F.cross_entropy(body(x + delta.detach() if not network else x + delta), y)
            optimizer.zero_grad()
            (-loss).backward()
            optimizer.step()

    record = watched(program)
    assert bool(list(objective.climbing(record))) is not network
    assert Search.learns.fget(SimpleNamespace(base=record)) is not network  # type: ignore[attr-defined]


def test_grades_lie_in_a_row_and_names_do_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 5))
    grades = np.digitize(x[:, 0] - x[:, 1] + 0.3 * rng.normal(size=500), [-1.5, -0.5, 0.5, 1.5]) + 1.0
    names = rng.integers(0, 5, 500)
    assert in_a_row(x, grades) and not in_a_row(3 * rng.normal(size=(5, 5))[names] + x, names.astype(float))


def test_what_nothing_confirms_is_no_warning_of_a_program_without_a_fault() -> None:
    def found(cause: str, severity: str) -> Finding:
        return Finding(cause, severity, UNSEEN, "", "", "")

    random = found("labels-misaligned", "error")
    assert [f.severity for f in weighed([random])] == ["info"]
    beside = weighed([found("labels-misaligned", "error"), found("double-softmax", "error")])
    assert [f.severity for f in beside] == ["error", "warning"]


@pytest.mark.parametrize(
    ("inputs", "targets", "other"), [(0.0, 0.0, False), (0.0, 1.0, True), (1.0, 1.0, False)],
    ids=["the same", "made by the network", "other draws"],
)  # fmt: skip
def test_targets_that_are_others_at_another_rate_are_made_by_the_network(
    inputs: float, targets: float, other: bool
) -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.array([0.2, 0.8])
    was, now = ProgramRecord(inputs=[x, x], targets=[y, y]), ProgramRecord(inputs=[x, x + inputs])
    now.targets = [y, y + targets]
    assert other_targets(was, now) is other

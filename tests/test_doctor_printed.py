"""Programs whose updates follow the slope of no usual loss, and what they print of themselves."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.slopes import is_late
from pellucid.doctor.process.lab import PassOutcome
from pellucid.doctor.process.printed import learns

FALLING = [3.0, 2.2, 1.8, 1.3, 1.1, 0.9, 0.85, 0.8]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"sweep {i} negative log likelihood {v}" for i, v in enumerate(FALLING)], "negative log likelihood"),
        ([f"episode {i} mean return {-v:.3f}" for i, v in enumerate(FALLING)], "mean return"),
        (
            [f"{i} -nplog(p[nparange(B), y])mean() {v}" for i, v in enumerate(FALLING)],
            "-nplog(p[nparange(B), y])mean()",
        ),
        ([f"loss {v}" for v in (0.81, 0.14, 0.17, 0.17, 0.16, 0.16)], "loss"),  # by nearly all at once
        ([f"{i} {v}" for i, v in enumerate(FALLING)], None),  # nobody knows what that is
        ([f"loss {v}" for v in FALLING[:4]], None),  # too few
        ([f"loss {v}" for v in FALLING[::-1]], None),
        ([f"loss {v}" for v in (3.0, 0.5, 3.1, 0.4, 2.9, 0.6, 3.0, 0.5)], None),  # to and fro
        ([f"loss {v} acc {0.5}" for v in FALLING], None),  # one falls, the other does not rise
        ([f"loss {2.3 - v * 1e-3}" for v in range(8)], None),  # hardly at all
    ],
)
def test_a_program_learns_by_what_it_prints(lines: list[str], expected: str | None) -> None:
    trend = learns(lines)
    assert (trend.name if trend is not None else None) == expected


CORRIDOR = """
import numpy as np
rng = np.random.RandomState(8)
prefs, baseline, returns = np.zeros((7, 2)), 0.0, []

def softmax(v):
    e = np.exp(v - v.max())
    return e / e.sum()

for episode in range(600):
    s, path = 1, []
    for t in range(25):
        a = rng.choice(2, p=softmax(prefs[s]))
        after = max(0, min(6, s + (1 if a == 1 else -1)))
        r = 1.0 if after == 6 else -0.04
        path.append((s, a, r))
        s = after
        if s == 6:
            break
    G = 0.0
    for s_, a_, r_ in reversed(path):
        G = r_ + 0.95 * G
        grad = -softmax(prefs[s_])
        grad[a_] += 1
        prefs[s_] += 0.1 * (G - baseline) * grad
    total = sum(r for _, _, r in path)
    baseline += 0.02 * (total - baseline)
    returns.append(total)
    if episode % 60 == 59:
        print("episode", episode + 1, "mean return", np.mean(returns[-60:]))
"""


@pytest.mark.slow
def test_a_policy_gradient_that_learns_is_healthy_and_unchecked(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(CORRIDOR)
    report = examine_script(script, budget=30.0)
    assert (report.status, report.findings) == ("healthy", [])
    assert "No slope of a loss could be compared" in report.reason
    assert "mean return goes from" in report.reason


def test_a_loss_whose_later_term_sees_what_its_first_one_moved_is_late_in_that_pass() -> None:
    """A row that is drawn twice: with the parameters held, the loss is another number."""
    key = ("", "loss")
    for held, expected in ((1.0, False), (1.25, True)):
        work = is_late([Candidate("seen", key)], frozenset({key}), ("w",))
        assert next(work).hold == ()
        assert work.send(PassOutcome({}, {}, {key: [np.array(1.0)]})).hold == ("w",)
        with pytest.raises(StopIteration) as end:
            work.send(PassOutcome({}, {}, {key: [np.array(held)]}))
        assert end.value.value is expected

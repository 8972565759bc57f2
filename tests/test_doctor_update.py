"""The rule of the update and its constants, told by the memory that the program keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.rules import update
from pellucid.doctor.rules.cells import table
from pellucid.doctor.rules.gradient import Judgement

Memories = list[tuple[float, np.ndarray, np.ndarray]]
Rule = Callable[[Iterator[np.ndarray]], Iterator[tuple[np.ndarray, Memories]]]


def descent(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    for g in gradients:
        yield -0.1 * g, []


def momentum(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    v = np.zeros(8)
    for g in gradients:
        old, v = v, 0.9 * v + g
        yield -0.1 * v, [(0.9, old, v)]


def nesterov(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    v = np.zeros(8)
    for g in gradients:
        old, v = v, 0.9 * v + g
        yield -0.1 * (g + 0.9 * v), [(0.9, old, v)]


def rmsprop(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    s = np.zeros(8)
    for g in gradients:
        old, s = s, 0.95 * s + 0.05 * g**2
        yield -0.01 * g / (np.sqrt(s) + 1e-8), [(0.95, old, s)]


def adagrad(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    s = np.zeros(8)
    for g in gradients:
        old, s = s, s + g**2
        yield -0.01 * g / (np.sqrt(s) + 1e-8), [(1.0, old, s)]


def adam(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    m, s = np.zeros(8), np.zeros(8)
    for t, g in enumerate(gradients, 1):
        before, m, s = (m, s), 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        step = -0.002 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
        yield step, [(0.9, before[0], m), (0.999, before[1], s)]


def uncorrected(gradients: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, Memories]]:
    m, s = np.zeros(8), np.zeros(8)
    for g in gradients:
        before, m, s = (m, s), 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g**2
        yield -0.002 * m / (np.sqrt(s) + 1e-8), [(0.9, before[0], m), (0.999, before[1], s)]


@pytest.mark.parametrize(
    ("rule", "ratio", "expected"),
    [
        (descent, 0.1, "gradient descent, rate 0.1"),
        (momentum, 1.0, "momentum, rate 0.1, µ 0.9"),
        (nesterov, 1.0, "Nesterov's momentum, rate 0.1, µ 0.9"),
        (rmsprop, 1.0, "RMSProp, rate 0.01, ρ 0.95"),
        (adagrad, 1.0, "AdaGrad, rate 0.01"),
        (adam, 0.1, "Adam, rate 0.002, β₁ 0.9, β₂ 0.999"),
        (uncorrected, 0.1, "Adam, rate 0.002, β₁ 0.9, β₂ 0.999"),
    ],
)
def test_the_rule_and_its_constants(rule: Rule, ratio: float, expected: str) -> None:
    rng = np.random.default_rng(0)
    passes = [
        StudiedPass(index, update={"w": step}, memories={"w": memories})
        for index, (step, memories) in enumerate(rule(iter(rng.normal(size=(12, 8)))))
    ]
    judgement = Judgement(Candidate("seen", ("", "loss")), 1.0, ratio, [], {"w": "right"})
    found = update.of(SlopeStudy(passes[5:]), judgement)  # the doctor comes to a training that runs already
    assert update.said(found) == expected


@pytest.mark.parametrize(("written", "told"), [({0.05}, True), ({0.1}, False), ({0.05, 0.2}, False), (set(), False)])
def test_a_rate_other_than_the_one_written_is_said(written: set[float], told: bool) -> None:
    passes = [StudiedPass(index, update={"w": np.full(3, -0.1)}) for index in range(3)]
    judgement = Judgement(Candidate("seen", ("", "loss")), 1.0, 0.1, [], {"w": "right"})
    said = update.said(update.of(SlopeStudy(passes, rates=frozenset(written)), judgement))
    assert said.startswith("gradient descent, rate 0.1")
    assert ("the program writes 0.05" in said) == told


def test_an_unknown_memory_has_no_rule() -> None:
    rng = np.random.default_rng(0)
    memories: Memories = [(0.9, rng.normal(size=8), rng.normal(size=8)) for _ in range(3)]
    passes = [StudiedPass(0, update={"w": rng.normal(size=8)}, memories={"w": memories})]
    judgement = Judgement(Candidate("seen", ("", "loss")), 1.0, 1.0, [], {"w": "right"})
    assert update.of(SlopeStudy(passes), judgement) == {}


@pytest.mark.parametrize("share", [0.9, 0.7], ids=["known", "mistaken"])
def test_a_number_whose_memory_is_mistaken_has_the_rate_of_the_others(share: float) -> None:
    """The rate is that of what is new in a memory, as where its share is known: not the shorter one of the update."""
    rng, passes, loss = np.random.default_rng(0), list[StudiedPass](), Candidate("seen", ("", "loss"))
    v = {"w": np.zeros(5), "b": np.zeros(1)}
    for index in range(8):
        entry = StudiedPass(index, slopes={loss: {name: rng.normal(size=old.size) for name, old in v.items()}})
        for name, old in list(v.items()):
            v[name] = new = 0.9 * old + entry.slopes[loss][name]
            kept = share if name == "b" else 0.9
            entry.update[name], entry.values[name] = -0.1 * new, rng.normal(size=old.size)
            entry.memory[name], entry.memories[name] = [old], [(kept, old, new)]
            entry.gradient[name] = entry.given[name] = new - kept * old
            entry.directions[name] = np.eye(old.size)
        passes.append(entry)
    cells = table(passes[2:], loss)
    np.testing.assert_allclose([cell.ratio for row in cells.values() for cell in row], 1.0, rtol=1e-6)

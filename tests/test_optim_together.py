"""Parameters that one call updates get what each would get by itself, whatever happens between two steps."""

import itertools
from typing import Any

import numpy as np
import pytest

from pellucid import nn, optim
from pellucid.core import wrap
from pellucid.kernels import optimisers

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")

OPTIMISERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1, "maximize": True}),
    ("AdamW", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True}),
    ("Adadelta", {"lr": 1.0, "weight_decay": 0.01}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1, "maximize": True}),
]
SHAPES = ((3, 5), (1,), (400, 7), (2, 3, 4))


def made(shapes: Any = SHAPES, dtype: Any = np.float32) -> list[Any]:
    rng = np.random.default_rng(0)
    return [nn.Parameter(wrap(rng.normal(size=shape).astype(dtype))) for shape in shapes]


def give(params: list[Any], turn: int, without: int = -1) -> None:
    rng = np.random.default_rng(turn)
    for place, param in enumerate(params):
        gradient = rng.normal(size=tuple(param.shape)).astype(param.numpy(force=True).dtype)
        param.grad = None if place == without else wrap(gradient)


def equal(ours: list[Any], theirs: list[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.numpy(force=True), b.numpy(force=True))


@pytest.mark.parametrize(("name", "options"), OPTIMISERS, ids=str)
def test_together_as_each_alone(name: str, options: dict[str, Any]) -> None:
    together, alone = made(), made()
    whole = getattr(optim, name)(together, **options)
    each = [getattr(optim, name)([param], **options) for param in alone]

    def step(turn: int, without: int = -1) -> None:
        for params in (together, alone):
            give(params, turn, without)
        for optimizer in (whole, *each):
            optimizer.step()
        equal(together, alone)

    for turn in range(3):
        step(turn)
    for optimizer in (whole, *each):  # another rate
        optimizer.param_groups[0]["lr"] = 0.05
    step(3)
    step(4, without=1)  # no gradient for one, whose count of steps then is another
    step(5)
    for params in (together, alone):  # other memory
        params[2].data = params[2].detach() * 2
    step(6)
    whole.load_state_dict(whole.state_dict())  # another state
    for state in whole.state.values():
        for held in state.values():
            held.mul_(0.5)
    for optimizer in each:
        for state in optimizer.state.values():
            for held in state.values():
                held.mul_(0.5)
    step(7)


def test_gradients_that_lie_otherwise_are_taken_one_by_one() -> None:
    together, alone = made(), made()
    whole, each = optim.SGD(together, lr=0.1), [optim.SGD([param], lr=0.1) for param in alone]
    for turn in range(3):
        for params in (together, alone):
            give(params, turn)
            if turn == 1:
                params[2].grad = wrap(np.asfortranarray(params[2].grad.numpy()))
            if turn == 2:
                params[0].grad = params[0].detach()  # the parameter's own memory
        for optimizer in (whole, *each):
            optimizer.step()
        equal(together, alone)


def test_threads_share_a_large_parameter() -> None:
    """A step of two parameters is no work for two threads where all of it is one row."""
    sizes = (200_000, 9)
    arrays = [(np.zeros(size, np.float32), np.zeros(size, np.float32)) for size in sizes]
    rows = optimisers.Rows(arrays)
    large = [(int(first), int(stop)) for place, *_, first, stop in rows.table if place == rows.table[0, 0]]
    assert len(large) > 1 and large[0][0] == 0 and large[-1][1] == sizes[0]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(large))
    assert rows.least < len(rows.table)
    assert [len(places) for places in rows.gradients] == [len(large), 1]
    together, alone = made([(500, 400), (9,)]), made([(500, 400), (9,)])
    whole, each = optim.Adam(together), [optim.Adam([param]) for param in alone]
    for turn in range(3):
        for params in (together, alone):
            give(params, turn)
        for optimizer in (whole, *each):
            optimizer.step()
        equal(together, alone)


def test_dtypes_may_differ() -> None:
    together, alone = made(SHAPES[:2]) + made(SHAPES[2:], np.float64), made(SHAPES[:2]) + made(SHAPES[2:], np.float64)
    whole, each = optim.Adam(together, lr=0.1), [optim.Adam([param], lr=0.1) for param in alone]
    for turn in range(2):
        for params in (together, alone):
            give(params, turn)
        for optimizer in (whole, *each):
            optimizer.step()
        equal(together, alone)


def test_a_subclass_with_an_update_of_its_own_has_it_called() -> None:
    class Halved(optim.SGD):
        def update(self, param: Any, grad: Any, state: Any, options: Any) -> None:
            super().update(param, grad * 0.5, state, options)

    ours, theirs = made(), made()
    half, plain = Halved(ours, lr=0.1), optim.SGD(theirs, lr=0.05)
    for turn in range(2):
        for params in (ours, theirs):
            give(params, turn)
        half.step()
        plain.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(force=True), b.numpy(force=True), rtol=1e-6)


def test_a_step_counts_as_a_change_of_what_backward_needs() -> None:
    params = made()
    optimizer = optim.SGD(params, lr=0.1)
    for turn in range(2):
        give(params, turn)
        loss = (params[0] * params[0]).sum()
        optimizer.step()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()

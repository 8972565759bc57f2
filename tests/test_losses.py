"""Losses: their signatures and flags are PyTorch's, and they say by what their mean divides."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any

import pytest

import pellucid
from pellucid import nn

torch = pytest.importorskip("torch")

SCORES = [[0.35, -1.2, 0.7], [1.5, 0.2, -0.4], [0.1, 0.9, 0.5], [-0.6, 0.4, 2.0], [0.2, 0.1, -0.3]]
CLASSES = [0, 2, -100, 1, 2]
REAL = [[0.5, 0.1, 0.2], [0.3, 0.6, 0.4], [0.9, 0.2, 0.7], [0.4, 0.8, 0.1], [0.3, 0.3, 0.2]]
SIGNS = [1.0, -1.0, 1.0, -1.0, -1.0]
WEIGHTS = [0.5, 2.0, 3.0]

# name, tensors given to the loss, tensors among the options, other options
ROWS: list[tuple[str, list[Any], dict[str, Any], dict[str, Any]]] = [
    ("MSELoss", [SCORES, REAL], {}, {}),
    ("MSELoss", [SCORES, [[1.0, 2.0, 3.0]]], {}, {}),  # broadcast
    ("L1Loss", [SCORES, REAL], {}, {}),
    ("SmoothL1Loss", [SCORES, REAL], {}, {"beta": 0.5}),
    ("HuberLoss", [SCORES, REAL], {}, {"delta": 0.5}),
    ("CrossEntropyLoss", [SCORES, CLASSES], {}, {}),
    ("CrossEntropyLoss", [SCORES, CLASSES], {}, {"label_smoothing": 0.1}),
    ("CrossEntropyLoss", [SCORES, CLASSES], {"weight": WEIGHTS}, {}),
    ("CrossEntropyLoss", [SCORES, [0, 2, 1, 1, 2]], {"weight": WEIGHTS}, {"ignore_index": 2}),
    ("CrossEntropyLoss", [SCORES, REAL], {"weight": WEIGHTS}, {}),  # probabilities
    ("CrossEntropyLoss", [[[[1.0, 2.0], [0.0, 1.0]]], [[[0.0, 0.3], [1.0, 0.7]]]], {}, {}),
    ("CrossEntropyLoss", [[[[1.0, 2.0], [0.0, 1.0]]], [[1, 0]]], {}, {}),
    ("NLLLoss", [SCORES, CLASSES], {}, {}),
    ("NLLLoss", [SCORES, CLASSES], {"weight": WEIGHTS}, {}),
    ("BCELoss", [REAL, REAL], {}, {}),
    ("BCELoss", [REAL, REAL], {"weight": WEIGHTS}, {}),
    ("BCEWithLogitsLoss", [SCORES, REAL], {}, {}),
    ("BCEWithLogitsLoss", [SCORES, REAL], {"weight": WEIGHTS, "pos_weight": WEIGHTS}, {}),
    ("KLDivLoss", [SCORES, REAL], {}, {"log_target": True}),
    ("HingeEmbeddingLoss", [SCORES[0], SIGNS[:3]], {}, {}),
    ("MarginRankingLoss", [SIGNS, [1.0, 2.0, 3.0, 4.0, 5.0], SIGNS], {}, {"margin": 0.2}),
    ("CosineEmbeddingLoss", [SCORES, REAL, SIGNS], {}, {"margin": -0.9}),
    ("SoftMarginLoss", [SCORES[0], SIGNS[:3]], {}, {}),
    ("MultiMarginLoss", [SCORES, [0, 2, 1, 1, 2]], {"weight": WEIGHTS}, {"p": 2}),
    ("PoissonNLLLoss", [SCORES, REAL], {}, {"full": True}),
    ("GaussianNLLLoss", [SCORES, REAL, REAL], {}, {}),
    ("TripletMarginLoss", [SCORES, REAL, [[9.0, 9.0, 9.0]] * 5], {}, {"margin": 100.0}),
]


def loss(T: Any, name: str, tensors: dict[str, Any], options: dict[str, Any]) -> Any:
    return getattr(T.nn, name)(**{key: T.tensor(value) for key, value in tensors.items()}, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{'-'.join([*row[2], *row[3]])}")
def test_the_total_weight_is_what_the_mean_of_pytorch_divides_by(row: Any) -> None:
    name, inputs, tensors, options = row
    theirs = [torch.tensor(value) for value in inputs]
    total = loss(torch, name, tensors, {**options, "reduction": "sum"})(*theirs)
    mean = loss(torch, name, tensors, options)(*theirs)
    ours = [pellucid.tensor(value) for value in inputs]
    module = loss(pellucid, name, tensors, options)
    assert math.isclose(module.total_weight(*ours), (total / mean).item(), rel_tol=1e-5)
    assert math.isclose(module(*ours).item(), mean.item(), rel_tol=1e-5)
    function = type(module).function
    given = {key: pellucid.tensor(value) for key, value in tensors.items()} | options
    assert function.total_weight(*ours, **given) == module.total_weight(*ours)


def test_the_means_of_batches_combine_into_the_mean_of_all() -> None:
    module = nn.CrossEntropyLoss(weight=pellucid.tensor(WEIGHTS))
    scores, target = pellucid.tensor(SCORES), pellucid.tensor(CLASSES)
    cuts = [(0, 2), (2, 3), (3, 5)]  # the middle one holds only targets that do not count
    weights = [module.total_weight(scores[a:b], target[a:b]) for a, b in cuts]
    assert weights == [3.5, 0.0, 5.0]
    losses = [module(scores[a:b], target[a:b]).item() if w else 0.0 for (a, b), w in zip(cuts, weights, strict=True)]
    mean = sum(w * value for w, value in zip(weights, losses, strict=True)) / sum(weights)
    assert math.isclose(mean, module(scores, target).item(), rel_tol=1e-6)


def test_batchmean_divides_by_the_samples() -> None:
    module = nn.KLDivLoss(reduction="batchmean")
    assert module.total_weight(pellucid.tensor(SCORES), pellucid.tensor(REAL)) == 5


def test_weights_of_elements_divide_a_squared_error() -> None:
    F = nn.functional
    x, t, w = (pellucid.tensor(v) for v in (SCORES, REAL, WEIGHTS))
    for function in (F.mse_loss, F.l1_loss, F.huber_loss):
        assert function.total_weight(x, t, weight=w) == 5 * sum(WEIGHTS)
        assert function.total_weight(x, t) == 15


@pytest.mark.parametrize("name", nn.modules.loss.__all__)
def test_a_loss_module_has_the_signature_of_pytorchs(name: str) -> None:
    for part in ("__init__", "forward"):
        ours, theirs = (inspect.signature(getattr(getattr(T.nn, name), part)) for T in (pellucid, torch))
        assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
            (p.name, p.kind, p.default) for p in theirs.parameters.values()
        ]


@pytest.mark.parametrize("name", nn.functional.loss.__all__ + nn.functional.margin.__all__)
def test_a_loss_function_has_the_signature_of_pytorchs(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(T.nn.functional, name)) for T in (pellucid, torch))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


@pytest.mark.parametrize("flags", [(False, None), (True, None), (None, False), (None, True), (False, True)])
def test_the_flags_before_reduction_mean_what_they_did(flags: tuple[Any, Any]) -> None:
    x, t, w = (pellucid.tensor(v) for v in (SCORES, [0, 2, 1, 1, 2], WEIGHTS))
    rx, rt, rw = (torch.tensor(v) for v in (SCORES, [0, 2, 1, 1, 2], WEIGHTS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        right = torch.nn.functional.cross_entropy(rx, rt, rw, flags[0], -100, flags[1])
    with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated") as caught:
        by_place = nn.functional.cross_entropy(x, t, w, flags[0], -100, flags[1])
    assert caught[0].filename == __file__
    assert pytest.approx(right.tolist(), rel=1e-6) == by_place.tolist()
    with pytest.warns(UserWarning, match="will be deprecated") as caught:
        module = nn.CrossEntropyLoss(w, size_average=flags[0], reduce=flags[1])
    assert caught[0].filename == __file__
    assert module(x, t).tolist() == by_place.tolist()


def test_an_unknown_reduction_is_refused() -> None:
    x = pellucid.tensor(SCORES)
    for call in (
        lambda: nn.MSELoss(reduction="average")(x, x),
        lambda: nn.functional.cross_entropy(x, x, reduction="average"),
        lambda: nn.functional.huber_loss(x, x, "average"),
    ):
        with pytest.raises(ValueError, match="average is not a valid value for reduction: it is 'none', 'mean' or"):
            call()


def test_what_does_not_fit_a_loss_is_said_as_without_the_flags() -> None:
    x = pellucid.tensor(SCORES)
    with pytest.raises(TypeError, match=r"mse_loss\(\).* unexpected keyword argument 'beta'"):
        nn.functional.mse_loss(x, x, beta=1)
    with pytest.raises(TypeError, match=r"mse_loss\(\) takes at most 6 arguments, but got 8"):
        nn.functional.mse_loss(x, x, None, None, "mean", None, 3, 4)
    with pytest.raises(TypeError, match=r"mse_loss\(\) got multiple values for argument 'reduce'"):
        nn.functional.mse_loss(x, x, None, False, reduce=True)


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([[1, 0, 0], [0, 1, 0]], r"one-hot.*target\.argmax\(1\)"),
        ([[0], [1]], r"multi-target not supported.*write target\.squeeze\(1\)"),
        ([0, 1, 2], r"batch_size \(2\) to match target batch_size \(3\)"),
        ([0, 3], "Target 3 is out of bounds"),
        ([0.0, 1.0], "Long"),
    ],
)
def test_targets_of_another_form_are_refused_with_the_way_out(name: str, target: Any, message: str) -> None:
    with pytest.raises(Exception) as theirs:
        getattr(torch.nn.functional, name)(torch.zeros(2, 3), torch.tensor(target))
    with pytest.raises(theirs.type, match=message):
        getattr(nn.functional, name)(pellucid.zeros(2, 3), pellucid.tensor(target))

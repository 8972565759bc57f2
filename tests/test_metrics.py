"""Metrics against scikit-learn and torchmetrics, over batches of uneven size and the cases where definitions part."""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional as tm

from pellucid import from_numpy
from pellucid.train import metrics
from pellucid.train.learner import by_name
from pellucid.train.metrics import AUC, F1, R2, Accuracy, BalancedAccuracy, ConfusionMatrix, MeanAbsoluteError, TopK
from tests.test_train import learner as make_learner

CUTS = {"one batch": [], "uneven": [1, 2, 9, 22], "with an empty batch": [4, 4]}


def over(metric: Any, output: np.ndarray, target: np.ndarray, cuts: list[int]) -> Any:
    """The metric over the batches between the cuts, given as Tensors."""
    for x, y in zip(np.split(output, cuts), np.split(target, cuts), strict=True):
        metric.update(from_numpy(np.ascontiguousarray(x)), from_numpy(np.ascontiguousarray(y)))
    return metric.value()


def outputs(samples: int, classes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples, classes)).astype(np.float32)


def targets(samples: int, among: list[int], seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).choice(among, samples).astype(np.int64)


# output, target
CLASSES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "four classes": (outputs(23, 4), targets(23, [0, 1, 2, 3])),
    "a class missing in the target": (outputs(23, 5), targets(23, [0, 1, 3, 4])),
    "a class never predicted": (outputs(23, 4) - np.float32([0, 9, 0, 0]), targets(23, [0, 1, 2, 3])),
    "a class neither there nor predicted": (outputs(23, 4) - np.float32([0, 9, 0, 0]), targets(23, [0, 2, 3])),
    "ties": (np.round(outputs(23, 3)), targets(23, [0, 1, 2])),
    "two classes": (outputs(23, 2), targets(23, [0, 1])),
    "one class only": (outputs(23, 3), targets(23, [2])),
    "all right": (np.eye(3, dtype=np.float32)[targets(23, [0, 1, 2])], targets(23, [0, 1, 2])),
    "all wrong": (np.eye(3, dtype=np.float32)[targets(23, [0, 1])], 1 - targets(23, [0, 1])),
}
SINGLE: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "logits": (outputs(23, 1)[:, 0], targets(23, [0, 1])),
    "ties": (np.round(outputs(23, 1)[:, 0]), targets(23, [0, 1])),
    "all equal": (np.full(23, 0.5, np.float32), targets(23, [0, 1])),
    "rare": (outputs(23, 1)[:, 0] - 1, (np.arange(23) == 5).astype(np.int64)),
    "never positive": (outputs(23, 1)[:, 0], np.zeros(23, np.int64)),
    "always positive": (outputs(23, 1)[:, 0], np.ones(23, np.int64)),
    "nothing predicted positive": (-np.abs(outputs(23, 1)[:, 0]) - 1, targets(23, [0, 1])),
}


@pytest.fixture(autouse=True)
def _references_may_warn() -> Iterator[None]:
    """scikit-learn and torchmetrics warn where a score is undefined."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn|torchmetrics")
        warnings.filterwarnings("ignore", category=UserWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("case", CLASSES)
def test_metrics_of_several_classes(case: str, cuts: list[int]) -> None:
    x, y = CLASSES[case]
    classes, predicted = x.shape[1], x.argmax(1)
    torch_x, torch_y = torch.from_numpy(x), torch.from_numpy(y)
    common: dict[str, Any] = {"num_classes": classes}

    assert over(Accuracy(), x, y, cuts) == sk.accuracy_score(y, predicted)
    assert over(BalancedAccuracy(), x, y, cuts) == pytest.approx(sk.balanced_accuracy_score(y, predicted), abs=1e-12)
    for average in ("macro", "micro", "weighted"):
        value = over(F1(average), x, y, cuts)
        assert value == pytest.approx(sk.f1_score(y, predicted, average=average, zero_division=0), abs=1e-12)
        reference = tm.classification.multiclass_f1_score(torch_x, torch_y, average=average, **common)
        assert value == pytest.approx(reference.item(), abs=1e-6)
    matrix = over(ConfusionMatrix(), x, y, cuts)
    assert (matrix == sk.confusion_matrix(y, predicted, labels=range(classes))).all() and matrix.dtype == np.int64
    assert (matrix == tm.classification.multiclass_confusion_matrix(torch_x, torch_y, **common).numpy()).all()
    for normalize in ("true", "pred", "all"):
        value = over(ConfusionMatrix(normalize), x, y, cuts)
        reference = sk.confusion_matrix(y, predicted, labels=range(classes), normalize=normalize)
        assert value == pytest.approx(reference, abs=1e-12)


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("case", SINGLE)
@pytest.mark.parametrize("column", [False, True])
def test_metrics_of_a_single_output(case: str, cuts: list[int], column: bool) -> None:
    x, y = SINGLE[case]
    predicted = (x > 0).astype(np.int64)
    given = x[:, None] if column else x  # (N, 1), as a network with one output gives it
    assert over(Accuracy(), given, y, cuts) == sk.accuracy_score(y, predicted)
    assert over(BalancedAccuracy(), given, y, cuts) == sk.balanced_accuracy_score(y, predicted)
    assert over(F1("binary"), given, y, cuts) == pytest.approx(sk.f1_score(y, predicted, zero_division=0), abs=1e-12)
    reference = tm.classification.binary_f1_score(torch.from_numpy(predicted), torch.from_numpy(y)).item()
    assert over(F1("binary"), given, y, cuts) == pytest.approx(reference, abs=1e-6)
    macro = sk.f1_score(y, predicted, average="macro", zero_division=0)
    assert over(F1(), given, y, cuts) == pytest.approx(macro, abs=1e-12)
    assert (over(ConfusionMatrix(), given, y, cuts) == sk.confusion_matrix(y, predicted, labels=[0, 1])).all()
    # A probability is compared with a half, and the target of binary cross entropy is a float.
    probability = 1 / (1 + np.exp(-given.astype(np.float64)))
    assert over(Accuracy(threshold=0.5), probability, y.astype(np.float32), cuts) == sk.accuracy_score(y, predicted)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
def test_top_k(k: int, cuts: list[int]) -> None:
    for case in ("four classes", "a class missing in the target", "one class only"):
        x, y = CLASSES[case]
        value = over(TopK(k), x, y, cuts)
        assert value == pytest.approx(sk.top_k_accuracy_score(y, x, k=k, labels=range(x.shape[1])), abs=1e-12)
        reference = tm.classification.multiclass_accuracy(
            torch.from_numpy(x), torch.from_numpy(y), num_classes=x.shape[1], average="micro", top_k=k
        )
        assert value == pytest.approx(reference.item(), abs=1e-6)


def test_top_k_with_ties_takes_the_first_class_as_accuracy_does() -> None:
    x, y = CLASSES["ties"]
    assert over(TopK(1), x, y, [5]) == over(Accuracy(), x, y, [5])
    equal = np.zeros((4, 4))
    assert [over(TopK(k), equal, np.arange(4), []) for k in (1, 2, 3, 4)] == [0.25, 0.5, 0.75, 1.0]
    assert TopK(3).name == "top3"


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("case", SINGLE)
def test_auc_of_two_classes(case: str, cuts: list[int]) -> None:
    x, y = SINGLE[case]
    value = over(AUC(), x, y, cuts)
    if len(set(y)) == 1:
        assert math.isnan(value)
        return
    assert value == pytest.approx(sk.roc_auc_score(y, x), abs=1e-12)
    # torchmetrics makes probabilities of logits; only in their order they must agree
    assert value == pytest.approx(
        tm.auroc(torch.from_numpy(x).double(), torch.from_numpy(y), "binary").item(), abs=1e-6
    )
    assert over(AUC(), x[:, None], y, cuts) == value
    two = np.stack([np.zeros_like(x), x], 1)  # two outputs whose difference is the logit
    assert over(AUC(), two, y, cuts) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(
    "case", ["four classes", "a class missing in the target", "ties", "all right", "one class only"]
)
def test_auc_of_several_classes(case: str, cuts: list[int]) -> None:
    x, y = CLASSES[case]
    value = over(AUC(), x, y, cuts)
    if case == "one class only":
        assert math.isnan(value)
        return
    probabilities = torch.softmax(torch.from_numpy(x).double(), 1)
    assert over(AUC(probabilities=True), probabilities.numpy(), y, cuts) == pytest.approx(value, abs=1e-12)
    each = [sk.roc_auc_score(y == c, p) for c, p in enumerate(probabilities.numpy().T) if (y == c).any()]
    assert value == pytest.approx(np.mean(each), abs=1e-12)
    reference = tm.auroc(probabilities, torch.from_numpy(y), "multiclass", num_classes=x.shape[1], average="none")
    there = reference.numpy()[np.unique(y)]  # torchmetrics has 0 for a class without samples
    assert value == pytest.approx(there.mean(), abs=1e-6)


def test_auc_tells_probabilities_apart_that_round_to_one() -> None:
    x = np.array([[900.0, 0.0, 1.0], [800.0, 0.0, 2.0], [700.0, 1.0, 0.0], [1.0, 600.0, 0.0], [2.0, 0.0, 500.0]])
    metric = AUC()
    metric.update(x, np.array([0, 0, 1, 1, 2]))
    # The log-odds of class 0 are about 899, 798 > 699, though each probability is 1 in float64. Of class 1 they are
    # −899, −800, −699, 599, −500, where one pair in six is in the wrong order; class 2 comes first.
    assert metric.value() == pytest.approx((1 + 5 / 6 + 1) / 3)


def test_auc_of_nan_is_nan() -> None:
    metric = AUC()
    metric.update(np.array([0.1, math.nan]), np.array([0, 1]))
    assert math.isnan(metric.value())


@pytest.mark.parametrize("cuts", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("columns", [0, 1, 3])
def test_regression(columns: int, cuts: list[int]) -> None:
    """Around 1000, where sums of squares would cancel."""
    rng = np.random.default_rng(3)
    shape = (23, columns) if columns else (23,)
    x, y = rng.normal(size=shape) + 1000, rng.normal(size=shape) + 1000
    assert over(MeanAbsoluteError(), x, y, cuts) == pytest.approx(sk.mean_absolute_error(y, x), rel=1e-12)
    assert over(MeanAbsoluteError(scale=3.0), x, y, cuts) == pytest.approx(3 * sk.mean_absolute_error(y, x), rel=1e-12)
    assert over(R2(), x, y, cuts) == pytest.approx(sk.r2_score(y, x), rel=1e-12)
    reference = tm.r2_score(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert over(R2(), x, y, cuts) == pytest.approx(reference, rel=1e-6)
    if columns == 1:  # (N, 1) against (N,) is the same, and never N × N differences
        assert over(R2(), x, y[:, 0], cuts) == over(R2(), x[:, 0], y, cuts) == over(R2(), x, y, cuts)
        assert over(MeanAbsoluteError(), x, y[:, 0], cuts) == over(MeanAbsoluteError(), x, y, cuts)


def test_r2_of_equal_targets_is_undefined() -> None:
    assert math.isnan(over(R2(), np.array([1.0, 2.0]), np.array([3.0, 3.0]), []))


def test_each_place_of_an_image_is_a_decision() -> None:
    """Scores (N, C, H, W) and classes (N, H, W), as cross entropy takes them."""
    x, y = outputs(24, 3).reshape(2, 3, 4, 3), targets(24, [0, 1, 2]).reshape(2, 4, 3)
    flat, classes = x.transpose(0, 2, 3, 1).reshape(-1, 3), y.reshape(-1)
    for make in (Accuracy, BalancedAccuracy, F1, AUC, lambda: TopK(2)):
        assert over(make(), x, y, [1]) == over(make(), flat, classes, [])
    column = outputs(24, 1).reshape(2, 1, 4, 3)
    binary = (y > 1).astype(np.float32)[:, None]  # (N, 1, H, W)
    assert over(Accuracy(), column, binary, []) == over(Accuracy(), column.reshape(-1), binary.reshape(-1), [])


ALL: dict[str, Callable[[], Any]] = {
    "Accuracy": Accuracy,
    "BalancedAccuracy": BalancedAccuracy,
    "TopK": lambda: TopK(1),
    "F1": F1,
    "AUC": AUC,
    "ConfusionMatrix": ConfusionMatrix,
    "MeanAbsoluteError": MeanAbsoluteError,
    "R2": R2,
}


def test_every_metric_is_in_the_table() -> None:
    assert set(ALL) == set(metrics.__all__) - {"Metric"}


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_no_samples_and_again(make: Callable[[], Any]) -> None:
    metric = make()
    name = type(metric).__name__
    with pytest.raises(ValueError, match=f"{name} has seen no samples.*call update"):
        metric.value()
    x, y = np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]]), np.array([1, 0, 1])
    if name in ("MeanAbsoluteError", "R2"):
        y = x[::-1]
    metric.update(x, y)
    first = metric.value()
    metric.update(x[:1], y[:1])
    metric.reset()
    metric.update(x, y)
    assert np.array_equal(metric.value(), first)
    metric.reset()
    with pytest.raises(ValueError, match="has seen no samples"):
        metric.value()
    assert metric.name.isidentifier()


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_the_batches_memory_may_be_used_again(make: Callable[[], Any]) -> None:
    """A loader may fill the same arrays for each batch."""
    metric, fresh = make(), make()
    x, y = np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]]), np.array([1, 0, 1])
    y = x[::-1].copy() if isinstance(metric, MeanAbsoluteError | R2) else y
    fresh.update(x.copy(), y.copy())
    metric.update(x, y)
    x[:], y[:] = 0, 0
    assert np.array_equal(metric.value(), fresh.value())


@pytest.mark.parametrize(
    ("metric", "output", "target", "message"),
    [
        (Accuracy(), (4, 3), (4, 3), r"received output \(4, 3\) and target \(4, 3\).*argmax"),
        (Accuracy(), (4, 3), (5,), r"output \(4, 3\) and target \(5,\)"),
        (Accuracy(), (4,), (5,), r"output \(4,\) and target \(5,\)"),
        (F1("binary"), (4, 3), (4,), r"of two classes, but the output has 3. Write F1\('macro'\)"),
        (TopK(5), (4, 3), (4,), r"TopK\(5\) needs a score for each of at least 5 classes, but got 3"),
        (TopK(3), (4,), (4,), "at least 3 classes, but got 2"),
        (R2(), (4, 1), (1, 4), r"received output \(4, 1\) and target \(1, 4\)"),
        (MeanAbsoluteError(), (4, 2), (4,), r"received output \(4, 2\) and target \(4,\)"),
    ],
)
def test_shapes_that_do_not_belong_together(
    metric: Any, output: tuple[int, ...], target: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric.update(np.zeros(output), np.zeros(target, np.int64))


@pytest.mark.parametrize("make", [Accuracy, BalancedAccuracy, F1, AUC, ConfusionMatrix], ids=lambda make: make.__name__)
@pytest.mark.parametrize(("wrong", "shown"), [(3, "3"), (-1, "-1"), (0.5, "0.5"), (math.nan, "nan")])
def test_a_target_that_is_no_class(make: Callable[[], Any], wrong: float, shown: str) -> None:
    target = np.array([0, wrong])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=f"class numbers from 0 to 2 as target.*received {shown}"):
            make().update(np.zeros((2, 3)), target)


def test_another_number_of_classes() -> None:
    matrix = ConfusionMatrix()
    matrix.update(np.zeros((2, 3)), np.array([0, 1]))
    with pytest.raises(ValueError, match="outputs for 3 classes, and now one for 4: call reset"):
        matrix.update(np.zeros((2, 4)), np.array([0, 1]))


def test_arguments_out_of_range() -> None:
    for make, message in (
        (lambda: TopK(0), "k must be at least 1"),
        (lambda: F1("mean"), "average is 'binary', 'macro', 'micro' or 'weighted', but it is 'mean'"),
        (lambda: ConfusionMatrix("rows"), "normalize is None, 'true', 'pred' or 'all', but it is 'rows'"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_a_learner_calls_metrics_by_their_names() -> None:
    run = make_learner()
    run.metrics = by_name([Accuracy, TopK(1), F1("micro"), BalancedAccuracy(), ConfusionMatrix])
    first, again = run.evaluate(), run.evaluate()
    assert list(first) == ["loss", "accuracy", "top1", "f1", "balanced_accuracy", "confusion_matrix"]
    assert first["accuracy"] == first["top1"] == first["f1"] == again["accuracy"]
    assert first["confusion_matrix"].sum() == again["confusion_matrix"].sum() == 7  # each evaluation begins anew
    with pytest.raises(ValueError, match="Two metrics are called 'f1'. Give names of your own"):
        by_name([F1("micro"), F1("macro")])
    two = by_name({"micro": lambda: F1("micro"), "macro": F1})
    assert {name: make().average for name, make in two.items()} == {"micro": "micro", "macro": "macro"}


def test_a_metric_without_its_methods_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Metric must define reset"):
        metrics.Metric()

"""The estimators are scikit-learn's by scikit-learn's own checks, and what they add to it does what it says."""

import functools
import os
import pickle
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, make_blobs, make_classification, make_regression
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pellucid
from pellucid import nn, optim
from pellucid.sklearn import Classifier, Regressor

QUICK: dict[str, Any] = {"hidden": (16,), "lr": 0.02, "epochs": 20, "random_state": 0}


def blobs() -> tuple[np.ndarray, np.ndarray]:
    X, y = make_blobs(90, centers=[[-2, 0], [2, 0], [0, 3]], random_state=0)
    return X, np.array(["cat", "dog", "eel"])[y]


def lines() -> tuple[np.ndarray, np.ndarray]:
    """Two targets, far from the size of 1."""
    X = np.random.default_rng(0).normal(size=(120, 3))
    return X, np.stack([1e6 + 5e4 * X[:, 0], 1e-4 * X[:, 1]], axis=1)


class Net(nn.Module):
    """At the top of a module, so that it can be pickled."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(features)
        self.out = nn.Linear(features, outputs)

    def forward(self, x: pellucid.Tensor) -> pellucid.Tensor:
        return self.out(self.norm(x))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
def test_scikit_learns_own_checks_pass_and_none_is_skipped(kind: str) -> None:
    program = f"""
        from sklearn.utils.estimator_checks import check_estimator
        from pellucid.sklearn import {kind}
        results = check_estimator({kind}(hidden=(16,), lr=0.02, epochs=25), on_skip=None)
        print(len(results), {{result["status"] for result in results}})
    """
    # Without this variable, which must be set before SciPy is imported, a check is skipped.
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=environment, capture_output=True, text=True, timeout=300
    )
    number, statuses = done.stdout.split(maxsplit=1)
    assert statuses.strip() == "{'passed'}", done.stdout + done.stderr
    assert int(number) > 50


def test_a_classifier_learns_and_says_its_probabilities() -> None:
    X, y = blobs()
    model = Classifier(**QUICK).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.classes_.tolist() == ["cat", "dog", "eel"]
    probabilities = model.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(X))
    assert len(model.loss_curve_) == model.n_iter_ == 20
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_several_targets_of_any_size_are_learned_in_their_units() -> None:
    X, y = lines()
    model = Regressor(**QUICK | {"epochs": 80}).fit(X, y)
    assert model.score(X, y) > 0.98
    assert model.predict(X).shape == y.shape
    assert Regressor(**QUICK).fit(X, y[:, 0]).predict(X).shape == (120,)
    assert Regressor(**QUICK).fit(X, y[:, :1]).predict(X).shape == (120, 1)


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_the_same_seed_gives_the_same_and_touches_no_other_stream(kind: type) -> None:
    X, y = make_classification(60, random_state=0)
    settings = QUICK | {"dropout": 0.2, "early_stopping": True}
    pellucid.manual_seed(7)
    expected = pellucid.rand(3).tolist()
    pellucid.manual_seed(7)
    first = kind(**settings).fit(X, y).predict(X)
    assert pellucid.rand(3).tolist() == expected
    second = kind(**settings).fit(X, y).predict(X)
    other = kind(**settings | {"random_state": 1}).fit(X, y)
    np.testing.assert_array_equal(first, second)
    assert other.loss_curve_ != kind(**settings).fit(X, y).loss_curve_


@pytest.mark.parametrize("kind", [Classifier, Regressor])
def test_what_was_pickled_predicts_and_goes_on_the_same(kind: type) -> None:
    X, y = make_classification(60, random_state=0)
    model = kind(**QUICK, module=Net).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    np.testing.assert_array_equal(copy.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X))


def test_pipelines_cross_validation_and_searches() -> None:
    X, y = blobs()
    model = make_pipeline(StandardScaler(), Classifier(**QUICK))
    assert cross_val_score(model, 100 * X, y, cv=3).mean() > 0.9
    search = GridSearchCV(model, {"classifier__lr": [1e-6, 0.02], "classifier__hidden": [(), (16,)]}, cv=2).fit(X, y)
    assert search.best_params_["classifier__lr"] == 0.02
    assert clone(model).get_params()["classifier__hidden"] == (16,)
    assert AdaBoostClassifier(Classifier(**QUICK), n_estimators=2).fit(X, y).score(X, y) > 0.9


def test_early_stopping_keeps_the_best_of_a_part_of_each_class() -> None:
    X, y = make_classification(120, n_features=20, n_informative=3, flip_y=0.3, random_state=0)
    model = Classifier(hidden=(64,), lr=0.02, epochs=200, early_stopping=True, patience=4, random_state=0).fit(X, y)
    curve = model.validation_loss_curve_
    assert len(curve) == model.n_iter_ < 200
    assert int(np.argmin(curve)) == model.n_iter_ - 5  # four epochs after the best were waited for
    with pytest.raises(ValueError, match="early_stopping=False"):
        model.partial_fit(X, y)


def test_lbfgs_sees_all_samples_in_each_iteration() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = Regressor(hidden=(), optimizer="lbfgs", epochs=60, batch_size=7, random_state=0).fit(X, y)
    exact = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.predict(X), exact.predict(X), atol=0.5)
    assert model.n_iter_ == 60


def test_partial_fit_goes_on_and_warm_start_too() -> None:
    X, y = blobs()
    model = Classifier(**QUICK)
    with pytest.raises(ValueError, match=r"no output for, \['dog', 'eel'\].*classes="):
        model.partial_fit(X[y == "cat"], y[y == "cat"]).partial_fit(X, y)
    model = Classifier(**QUICK).partial_fit(X[:5], y[:5], classes=["cat", "dog", "eel"])
    for _ in range(20):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.n_iter_ == 21
    warm = Classifier(**QUICK | {"warm_start": True}).fit(X, y)
    before = warm.loss_curve_[-1]
    assert warm.fit(X, y).loss_curve_[20] < 1.2 * before
    assert warm.n_iter_ == 40
    with pytest.raises(ValueError, match="features"):
        warm.fit(X[:, :1], y)


def test_weights_count_samples_as_often() -> None:
    X, y = make_regression(25, 4, random_state=0)
    weights = np.random.default_rng(0).integers(0, 4, 25)
    settings = QUICK | {"batch_size": 100}
    weighted = Regressor(**settings).fit(X, y, weights)
    repeated = Regressor(**settings).fit(X.repeat(weights, axis=0), y.repeat(weights))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-7)
    with pytest.raises(ValueError, match="(?i)sample weights"):
        Regressor(**settings).fit(X, y, 0 * weights)


def test_class_weights_move_the_border() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(220, 1)) + np.repeat([0, 1.5], [200, 20])[:, None], np.repeat([0, 1], [200, 20])
    found = {
        str(weight): (Classifier(**QUICK, class_weight=weight).fit(X, y).predict(X)[y == 1] == 1).mean()
        for weight in (None, "balanced", {1: 10.0})
    }
    assert found["None"] < 0.6 < 0.75 <= min(found["balanced"], found["{1: 10.0}"])
    with pytest.raises(ValueError, match="not known from a part"):
        Classifier(**QUICK, class_weight="balanced").partial_fit(X, y)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd:momentum=0.9", "lr": 0.01},
        {"optimizer": optim.RMSprop},
        {"optimizer": functools.partial(optim.SGD, nesterov=True, momentum=0.9), "weight_decay": 1e-4},
        {"loss": functools.partial(nn.CrossEntropyLoss, label_smoothing=0.1)},
        {"module": Net},
        {"module": lambda features, classes: nn.Linear(features, classes)},
        {"hidden": ()},
        {"activation": "tanh", "dropout": 0.1, "batch_size": 7},
    ],
)
def test_each_part_can_be_chosen(settings: dict[str, Any]) -> None:
    X, y = blobs()
    assert Classifier(**QUICK | settings).fit(X, y).score(X, y) > 0.85


def test_float32_stays_float32() -> None:
    X, y = blobs()
    model = Classifier(**QUICK).fit(X.astype(np.float32), y)
    assert {parameter.dtype for parameter in model.module_.parameters()} == {pellucid.float32}
    assert {parameter.dtype for parameter in Classifier(**QUICK).fit(X, y).module_.parameters()} == {pellucid.float64}


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"activation": "rleu"}, ValueError, "Did you mean relu"),
        ({"optimizer": "adm"}, ValueError, "Did you mean adam"),
        ({"optimizer": "rmsprop:alpha=x"}, ValueError, "^optimizer rmsprop:alpha=x: alpha is 'x'"),
        ({"loss": "hinge"}, ValueError, "There are: cross-entropy, or a class"),
        ({"hidden": 64}, ValueError, r"such as \(64, 32\)"),
        ({"hidden": (64, 0)}, ValueError, "whole number of at least 1"),
        ({"epochs": 0}, ValueError, "epochs is 0"),
        ({"batch_size": 1.5}, ValueError, "batch_size is 1.5"),
        ({"lr": -1}, ValueError, "lr is -1"),
        ({"validation_fraction": 1}, ValueError, "between 0 and 1"),
        ({"module": nn.Linear(2, 3)}, TypeError, "every fit needs a new one"),
        ({"module": lambda features, classes: 3}, TypeError, r"module\(2, 3\) gave int"),
        ({"optimizer": "sgd", "lr": 1e30}, ValueError, "diverged.*StandardScaler"),
        ({"class_weight": {"cow": 2}}, ValueError, "class_weight"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_what_makes_no_sense_is_refused_with_what_would(settings: dict[str, Any], error: type, says: str) -> None:
    X, y = blobs()
    with pytest.raises(error, match=says):
        Classifier(**QUICK | settings).fit(X, y)


def test_without_scikit_learn_the_error_says_what_to_install() -> None:
    program = "import sys; sys.modules['sklearn'] = None\nimport pellucid.sklearn"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert 'pellucid.sklearn needs the package scikit-learn: pip install "pellucid[sklearn]"' in done.stderr


def test_that_few_rows_decide_when_to_stop_is_said() -> None:
    """Of four rows one is held out: whether its loss falls is chance."""
    X = np.arange(4.0)[:, None]
    with pytest.warns(UserWarning, match="^1 row held out decides, of 4, when Regressor stops"):
        Regressor(epochs=1, early_stopping=True).fit(X, X[:, 0])

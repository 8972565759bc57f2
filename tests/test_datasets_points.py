"""Points by formula: where they lie, how they are labelled, split and scaled."""

import dataclasses
import json
import math

import numpy as np
import pytest

from pellucid import datasets
from pellucid.datasets import DataError
from pellucid.datasets.points import check_balance
from pellucid.datasets.record import split

MAKERS = [datasets.circle, datasets.moons, datasets.spirals]


def whole(data):
    """Training and validation part together."""
    if data.x_val is None:
        return data.x_train, data.y_train
    return np.concatenate([data.x_train, data.x_val]), np.concatenate([data.y_train, data.y_val])


@pytest.mark.parametrize("make", MAKERS)
def test_shapes_dtypes_and_split(make):
    data = make(n=500, seed=3, val_fraction=0.3)
    assert data.task == "classification"
    assert data.x_train.shape == (350, 2)
    assert data.x_val.shape == (150, 2)
    assert data.y_train.shape == (350,)
    assert data.y_val.shape == (150,)
    assert data.x_train.dtype == data.x_val.dtype == np.float32
    assert data.y_train.dtype == data.y_val.dtype == np.int64
    assert data.x_test is None
    assert data.sample_shape == (2,)
    assert len(data.feature_names) == 2
    assert set(whole(data)[1]) == set(range(len(data.class_names)))
    json.dumps(dict(data.facts))  # a run's config can hold them
    assert make(n=500, val_fraction=0).x_val is None


@pytest.mark.parametrize("make", MAKERS)
def test_the_seed_decides_everything(make):
    first, same, other = make(n=200, seed=1), make(n=200, seed=1), make(n=200, seed=2)
    np.testing.assert_array_equal(first.x_train, same.x_train)
    np.testing.assert_array_equal(first.y_val, same.y_val)
    assert not np.array_equal(first.x_train, other.x_train)


@pytest.mark.parametrize("make", MAKERS)
def test_the_split_loses_and_repeats_no_point(make):
    data = make(n=300, seed=0, val_fraction=0.25)
    assert len(np.unique(whole(data)[0], axis=0)) == 300


@pytest.mark.parametrize("balance", [0.01, 0.25, 0.5, 0.7, math.pi / 4])
def test_circle_is_what_it_says(balance):
    data = datasets.circle(n=10_000, balance=balance, seed=5)
    x, y = whole(data)
    assert np.abs(x).max() <= 20
    radius = math.sqrt(balance * 1600 / math.pi)
    np.testing.assert_array_equal(y, np.hypot(x[:, 0].astype(float), x[:, 1].astype(float)) <= radius)
    assert data.facts["radius"] == pytest.approx(radius)
    assert data.facts["balance"] == y.mean()
    assert abs(y.mean() - balance) <= 1e-4
    assert "circle of radius" in data.description


def test_circle_is_even_over_the_disc_and_around_it():
    x, y = whole(datasets.circle(n=40_000, balance=0.5, seed=0))
    # Cells of 4 × 4 wholly inside or wholly outside the circle hold 400 points each, give or take 20 (one sigma).
    counts, _, _ = np.histogram2d(x[:, 0], x[:, 1], bins=10, range=[[-20, 20], [-20, 20]])
    inside, _, _ = np.histogram2d(x[y == 1, 0], x[y == 1, 1], bins=10, range=[[-20, 20], [-20, 20]])
    pure = counts[(inside == 0) | (inside == counts)]
    assert len(pure) > 60
    assert np.abs(pure - 400).max() < 5 * 20
    assert pure.mean() == pytest.approx(400, abs=8)


def test_circle_checks_the_balance_it_reached():
    check_balance(0.5001, 0.5, n=10_000)
    with pytest.raises(DataError, match=r"asked for a balance of 0.5 and reached 0.53 of 10000 points"):
        check_balance(0.53, 0.5, n=10_000)


def test_moons_are_those_of_scikit_learn():
    from sklearn.datasets import make_moons

    expected, labels = make_moons(201, shuffle=False, noise=None)
    x, y = whole(datasets.moons(n=201, noise=0))
    order, expected_order = np.lexsort(x.T.round(5)), np.lexsort(expected.astype(np.float32).T.round(5))
    np.testing.assert_allclose(x[order], expected[expected_order], atol=1e-6)
    np.testing.assert_array_equal(y[order], labels[expected_order])


def test_spirals_without_noise_lie_on_their_arms():
    x, y = whole(datasets.spirals(n=400, arms=4, noise=0, turns=1.5))
    r, angle = np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0])
    off = (angle - 2 * math.pi * (1.5 * r + y / 4)) / (2 * math.pi)
    assert np.abs(off - np.round(off)).max() < 1e-4
    assert 0.049 < r.min() < r.max() < 1.001
    assert np.bincount(y).tolist() == [100] * 4


def test_standardised_uses_the_training_part_alone():
    raw = datasets.circle(n=1000, seed=0)
    raw = dataclasses.replace(raw, x_test=raw.x_val + 5, y_test=raw.y_val)
    data = datasets.standardised(raw)
    mean, std = raw.x_train.mean(axis=0, dtype=float), raw.x_train.std(axis=0, dtype=float)
    np.testing.assert_allclose(data.x_val, (raw.x_val - mean) / std, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(data.x_test, (raw.x_test - mean) / std, rtol=1e-5, atol=1e-6)
    assert data.facts["feature_mean"] == mean.tolist()
    assert data.x_train.dtype == np.float32
    flat = dataclasses.replace(raw, x_train=np.full((7, 2), 0.1, np.float32))
    assert not datasets.standardised(flat).x_train.any()


def test_records_cannot_be_reassigned_and_print_shortly():
    data = datasets.moons(n=10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "suns"
    assert repr(data) == "DataSet(moons: classification, 2 classes; 8 train, 2 val; a sample is (2,))"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: datasets.circle(balance=0.9), r"largest circle that fits is π/4 = 0.785 .* received 0.9"),
        (lambda: datasets.circle(balance=0), "must be above 0"),
        (lambda: datasets.circle(balance=math.nan), "received nan"),
        (lambda: datasets.circle(n=10, balance=0.01), "puts 0 inside the circle and 10 outside"),
        (lambda: datasets.circle(n=1), "whole number of at least 2, received 1"),
        (lambda: datasets.moons(n=2.5), "received 2.5"),
        (lambda: datasets.moons(noise=-1), "at least 0 and finite; received -1"),
        (lambda: datasets.spirals(arms=1), "at least 2 arms"),
        (lambda: datasets.moons(seed=-1), "whole number from 0 up, received -1"),
        (lambda: datasets.moons(seed="0"), "received '0'"),
        (lambda: datasets.moons(val_fraction=1.0), "less than 1, received 1.0"),
        (lambda: datasets.moons(val_fraction=-0.1), "at least 0"),
        (lambda: datasets.moons(n=3, val_fraction=0.1), "leaves 3 to train on and 0 to validate on"),
    ],
)
def test_errors_say_what_to_do(act, words):
    with pytest.raises(DataError, match=words):
        act()


def test_split_covers_every_row_once():
    train, val = split(101, 0.2, np.random.default_rng(0))
    assert sorted([*train, *val]) == list(range(101))
    assert len(val) == 20

"""Points in the plane, drawn by formula: problems small enough to see what a network makes of them."""

import math

import numpy as np

from pellucid.datasets.record import DataError, DataSet, generator, split_classes

SIDE = 40.0  # the box of `circle` runs from -20 to 20 in both directions


def circle(n: int = 10_000, balance: float = 0.5, seed: int = 0, val_fraction: float = 0.2) -> DataSet:
    """Points spread evenly over a 40 × 40 box; label 1 inside the circle whose area is `balance` of the box.

    Formula: radius = sqrt(balance · 40² / π), and y = 1 where x₁² + x₂² ≤ radius². Exactly round(balance · n) of the
    points are drawn inside, evenly over the disc, and the rest evenly over what remains of the box, so the share of
    ones is what was asked for and does not wander with the seed. The share reached, counted on the points as they are
    stored, is `facts["balance"]`. Coordinates are those of the box: see `standardised`.

    Raises:
        DataError: a circle of that area does not fit into the box (`balance` above π/4 = 0.785…), or a class would be
            empty.

        >>> data = circle(n=1000, balance=0.25, seed=1)
        >>> data.facts["balance"], round(data.facts["radius"], 2)
        (0.25, 11.28)
    """
    check_count(n)
    if not 0 < balance <= math.pi / 4:
        raise DataError(
            f"the circle's area is `balance` of the box, and the largest circle that fits is π/4 = 0.785 of it: "
            f"balance must be above 0 and at most 0.785, received {balance}"
        )
    inside = round(balance * n)
    if not 0 < inside < n:
        raise DataError(
            f"a balance of {balance} of {n} points puts {inside} inside the circle and {n - inside} outside: "
            f"each needs at least one; ask for more points"
        )
    rng = generator(seed)
    radius = math.sqrt(balance * SIDE**2 / math.pi)
    angle = rng.uniform(0, 2 * math.pi, inside)
    distance = radius * np.sqrt(rng.random(inside))  # the root, as a ring's area grows with its radius
    points = [np.stack([distance * np.cos(angle), distance * np.sin(angle)], axis=1)]
    missing = n - inside
    while missing > 0:
        candidates = rng.uniform(-SIDE / 2, SIDE / 2, (missing, 2))
        outside = candidates[(candidates**2).sum(axis=1) > radius**2]
        points.append(outside)
        missing -= len(outside)
    x = np.concatenate(points).astype(np.float32)
    y = ((x.astype(np.float64) ** 2).sum(axis=1) <= radius**2).astype(np.int64)
    reached = float(y.mean())
    check_balance(reached, balance, n)
    return split_classes(
        "circle",
        f"{n:,} points in a 40 × 40 box, 1 inside a circle of radius {radius:.2f} ({reached:.1%} of the points)",
        x,
        y,
        val_fraction,
        rng,
        feature_names=("x1", "x2"),
        class_names=("outside", "inside"),
        facts={"balance": reached, "balance_asked": balance, "radius": radius, "side": SIDE},
    )


def check_balance(reached: float, asked: float, n: int) -> None:
    """Raise unless the share of ones is the one asked for, within the rounding of two points of `n`."""
    if abs(reached - asked) > 2 / n:
        raise DataError(f"circle: asked for a balance of {asked} and reached {reached} of {n} points")


def moons(n: int = 2_000, noise: float = 0.1, seed: int = 0, val_fraction: float = 0.2) -> DataSet:
    """Two half circles that reach into each other, with normal noise of standard deviation `noise`.

    Formula: (cos t, sin t) for class 0 and (1 − cos t, ½ − sin t) for class 1, t evenly spaced from 0 to π; the points
    of scikit-learn's `make_moons`, drawn with another generator.

        >>> moons(n=200)
        DataSet(moons: classification, 2 classes; 160 train, 40 val; a sample is (2,))
    """
    check_count(n)
    check_noise(noise)
    rng = generator(seed)
    t0, t1 = np.linspace(0, math.pi, n // 2), np.linspace(0, math.pi, n - n // 2)
    x = np.concatenate(
        [np.stack([np.cos(t0), np.sin(t0)], axis=1), np.stack([1 - np.cos(t1), 0.5 - np.sin(t1)], axis=1)]
    )
    y = np.repeat([0, 1], [len(t0), len(t1)])
    x = x + rng.normal(0, noise, x.shape)
    return split_classes(
        "moons",
        f"{n:,} points on two half circles that reach into each other, noise {noise}",
        x.astype(np.float32),
        y.astype(np.int64),
        val_fraction,
        rng,
        feature_names=("x1", "x2"),
        class_names=("upper moon", "lower moon"),
        facts={"noise": noise},
    )


def spirals(
    n: int = 3_000,
    arms: int = 3,
    noise: float = 0.02,
    turns: float = 1.0,
    seed: int = 0,
    val_fraction: float = 0.2,
) -> DataSet:
    """`arms` spirals wound about each other within the unit circle, one class each.

    Formula: arm k at r from 0.05 to 1 is r · (cos a, sin a) with a = 2π (turns · r + k / arms), plus normal noise of
    standard deviation `noise`.

        >>> spirals(n=300, arms=3).class_names
        ('arm 0', 'arm 1', 'arm 2')
    """
    check_count(n)
    check_noise(noise)
    if arms < 2 or arms > n:
        raise DataError(f"spirals needs at least 2 arms and a point for each, received arms={arms} for {n} points")
    rng = generator(seed)
    y = np.arange(n) % arms
    r = np.linspace(0.05, 1, n)
    a = 2 * math.pi * (turns * r + y / arms)
    x = np.stack([r * np.cos(a), r * np.sin(a)], axis=1) + rng.normal(0, noise, (n, 2))
    return split_classes(
        "spirals",
        f"{n:,} points on {arms} spirals of {turns:g} turns, noise {noise}",
        x.astype(np.float32),
        y.astype(np.int64),
        val_fraction,
        rng,
        feature_names=("x1", "x2"),
        class_names=tuple(f"arm {k}" for k in range(arms)),
        facts={"noise": noise, "turns": turns},
    )


def check_count(n: int) -> None:
    """Raise unless `n` is a number of points that can be split."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise DataError(f"the number of points n must be a whole number of at least 2, received {n!r}")


def check_noise(noise: float) -> None:
    """Raise unless `noise` can be a standard deviation."""
    if not 0 <= noise < math.inf:
        raise DataError(f"noise is a standard deviation, at least 0 and finite; received {noise}")

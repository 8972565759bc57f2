"""What the name of a number says of it, or its value: one of the parameters by another name, or a likelihood."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np

from pellucid.doctor.process.watch import Key

Seen = dict[Key, list[np.ndarray]]
ENOUGH_VALUES = 20  # that are those of parameters, to tell another name of one


# What is to rise, whatever its sign: that of numbers, by their density, goes beyond 0.
LIKELIHOOD = re.compile(r"(^|_)(log_?lik(e|elihood)?|m?ll|lml|elbo|evidence|lower_?bound)(_|$)", re.I)


def is_likelihood(key: Key) -> bool:
    """Whether a number is called a likelihood, or what it is bounded by.

    >>> [name for name in ("lml", "log_lik", "self.elbo", "nll", "all", "loss") if is_likelihood(("", name))]
    ['lml', 'log_lik', 'self.elbo']
    """
    return LIKELIHOOD.search(key[1].rpartition(".")[2]) is not None


def is_parameter(
    key: Key,
    seen: Seen,
    moved: Seen,
    parameters: frozenset[float],
    tensors: Sequence[np.ndarray],
    names: Collection[str],
) -> bool:
    """Whether a number is one of those of the parameters, in both passes: another name for it."""
    if not all(float(v) in parameters for value in seen[key][:3] for v in value.ravel()[:ENOUGH_VALUES]):
        return False
    after = [moved["", name][0] for name in names if ("", name) in moved]
    known = [array.ravel()[:2000] for array in (*tensors, *after)] if tensors and key in moved else []
    return not known or bool(
        np.isin([v for m in moved[key][:3] for v in m.ravel()[:ENOUGH_VALUES]], np.concatenate(known)).all()
    )

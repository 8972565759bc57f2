"""The line of the backward pass that computes the first wrong value, where one computes just that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.check.autopsy.diagnose import Diagnosis
from pellucid.check.autopsy.hypothesis import line
from pellucid.check.autopsy.numbers import same
from pellucid.check.mistakes import BATCH_FACTOR, CONSTANT_FACTOR, SIGN
from pellucid.check.record.tape import Array, TapeNode


def point_out(nodes: Sequence[TapeNode], diagnoses: Mapping[str, Diagnosis]) -> None:
    """Look in what a backward pass computed for the first value that is wrong, and say in which line it is made.

    The value is known up to transposition and axes of length 1, and, where no factor is the mistake itself, up to one:
    1/m may come at the end.
    """
    both = [each for own in diagnoses.values() for each in (own, own.then) if each is not None]
    for diagnosis in both:
        wanted = diagnosis.wrong_value
        if wanted is None or wanted.size < 3 or not wanted.any():
            continue
        alike = [n for n in nodes if n.site is not None and n.op != "constant" and n.value.size == wanted.size]
        found = next((node for node in alike if _equal(node.value, wanted)), None)
        if found is None and diagnosis.mistake not in (CONSTANT_FACTOR, BATCH_FACTOR, SIGN):
            found = next((node for node in alike if _equal(_unit(node.value), _unit(wanted))), None)
        if found is None and diagnosis.mistake not in (CONSTANT_FACTOR, BATCH_FACTOR, SIGN):  # y − p in place of p − y
            found = next((node for node in alike if _equal(_unit(node.value), -_unit(wanted))), None)
        if found is not None and found.site is not None:
            diagnosis.backward = found.site
            diagnosis.explanation += f" In the backward pass: {line(found)}"


def _equal(value: Array, wanted: Array) -> bool:
    """Up to a transposition and axes of length 1."""
    return any(same(np.squeeze(turned), np.squeeze(wanted), None, 1e-6) for turned in (value, value.T))


def _unit(value: Array) -> Array:
    size = float(np.sqrt((np.asarray(value, float) ** 2).sum()))
    return value / size if size else value

"""Numbers that are those of the parameters: other names for them, which are no outputs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from pellucid.doctor.process.watch import Key

Seen = dict[Key, list[np.ndarray]]
ENOUGH_VALUES = 20  # that are those of parameters, to tell another name of one


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

"""The record of a calculation with single numbers, `pellucid.scalar.Value`: the same graph, a number to a node."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def is_value(obj: Any) -> bool:
    """Whether `obj` is a Value: it knows its parents and its slope towards each."""
    return all(hasattr(obj, name) for name in ("slopes", "parents", "op", "data"))


def scalar_record(result: Any, limit: int = 1000) -> Any:
    """What `Tensor.__graph__` gives for a Tensor, of a Value: at most `limit` numbers, those nearest to the result."""
    ids = {result: 0}
    found = [result]
    for value in found:  # grows while it is walked
        for parent in value.parents:
            if parent not in ids and len(found) < limit:
                ids[parent] = len(found)
                found.append(parent)
    edges = [
        SimpleNamespace(source=ids[parent], target=ids[value], argument=f"slope {slope:.4g}")
        for value in found
        for parent, slope in zip(value.parents, value.slopes, strict=True)
        if parent in ids
    ]
    cut = any(parent not in ids for value in found for parent in value.parents)
    return SimpleNamespace(
        title="calculation" + (f" (the {limit:,} numbers nearest to the result)" if cut else ""),
        nodes=[_node(number, value) for number, value in enumerate(found)],
        edges=edges,
        groups=[],
        parameters=[],
        outputs=[0],
        left_out=0,
    )


def _node(number: int, value: Any) -> Any:
    return SimpleNamespace(
        id=number,
        kind="op" if value.parents else "leaf",
        name=value.op or value.label or "number",
        variable=value.label if value.parents else "",
        shape=(),
        dtype="float",
        value=_number(value.data),
        gradient=_number(value.grad),
        attributes={},
        formula="",
        line="",
        phase="forward",
        group=None,
        nbytes=0,
        multiply_adds=0,
        trainable=False,
    )


def _number(number: float) -> Any:
    return SimpleNamespace(
        shape=(), dtype="float", numbers=number, minimum=number, maximum=number, mean=number, std=0.0,
        zeros=float(number == 0), not_finite=0, counts=[],
    )  # fmt: skip

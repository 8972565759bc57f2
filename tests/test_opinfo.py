"""PyTorch's own op tests: every sample of every op that pellucid has too (see tests/opinfo)."""

from collections import Counter
from collections.abc import Callable

import pytest

import pellucid
from tests.opinfo.compare import cases, one_thread, run
from tests.opinfo.ops import shared_ops
from tests.opinfo.skips import SKIPS, SLACK, UNDEFINED_VALUES

OPS = {op.full_name: op for op in shared_ops(pellucid)}
CASES = [(name, dtype, kind) for name, op in OPS.items() for dtype, kind in cases(op)]
# Whole, the table takes a quarter of an hour.
QUICK = {("float32", "forward"), ("float64", "grad"), ("any", "error")}
SAMPLES = 10  # of a case that is compared quickly
NARROW = ("add", "cat", "cumsum", "matmul", "mean", "nn.functional.conv2d", "nn.functional.layer_norm", "softmax")
SHOWN = 5  # failures shown of one case

Record = Callable[[str, object], None]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype", "kind"), CASES, ids=map("-".join, CASES))
def test_op(name: str, dtype: str, kind: str, record_property: Record) -> None:
    compared(name, dtype, kind, None, record_property)


def _is_quick(name: str, dtype: str, kind: str) -> bool:
    return (dtype, kind) in QUICK or (dtype == "bfloat16" and name in NARROW)


@pytest.mark.parametrize(
    ("name", "dtype", "kind"), (quick := [case for case in CASES if _is_quick(*case)]), ids=map("-".join, quick)
)
def test_some_samples(name: str, dtype: str, kind: str, record_property: Record) -> None:
    compared(name, dtype, kind, SAMPLES, record_property)


def compared(name: str, dtype: str, kind: str, most: int | None, record_property: Record) -> None:
    with one_thread():
        outcome = run(OPS[name], dtype, kind, pellucid, most=most)
    # The terminal summary (tests/conftest.py) adds these up.
    record_property("opinfo", (name, kind, outcome.compared, dict(outcome.skipped)))
    assert not outcome.failures, (
        f"{name} {dtype} {kind}: {len(outcome.failures)} of {outcome.compared + len(outcome.failures)} differ\n"
        + "\n".join(outcome.failures[:SHOWN])
        + f"\nrepeat with: python -m tests.opinfo {name} --dtype {dtype} --kind {kind}"
    )


def test_the_table_names_ops_that_both_have() -> None:
    known = set(OPS) | {op.name for op in OPS.values()}
    assert not [key for key in SKIPS if key[0] not in OPS]
    assert not (set(SLACK) | UNDEFINED_VALUES) - known


def test_most_of_each_kind_is_compared() -> None:
    """The comparison would pass with nothing to compare: hold it to a floor."""
    kinds = Counter(kind for _, _, kind in CASES)
    assert len(OPS) >= 150
    assert min(kinds.values()) >= 60, kinds

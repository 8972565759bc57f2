"""Who might notice that an op's rule is broken: the project's own tests of the op, and `check.gradients`."""

import functools
import importlib
import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import pellucid
from pellucid.declare import TABLE, Op
from tests import test_ops
from tests.op_samples import Row

Check = tuple[str, Callable[[], object]]


class Noticed(Exception):
    """What a check raises that does not raise by itself."""


@contextmanager
def as_in_a_test() -> Iterator[None]:
    """Seeds, threads and warnings as pytest has them (`tests/conftest.py`, `pyproject.toml`)."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    pellucid.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            yield
        finally:
            torch.set_num_threads(before)


def noticed_by(checks: list[Check]) -> str | None:
    """The name of the first check that fails."""
    for name, check in checks:
        try:
            with as_in_a_test():
                check()
        except BaseException as failure:  # pytest.raises fails with a BaseException
            if isinstance(failure, KeyboardInterrupt | SystemExit):
                raise
            return name
    return None


# --- the project's own tests ------------------------------------------------------------------------------------------


def own_tests(op: Op) -> list[Check]:
    """The tests of an op in `tests/test_ops.py`, its gradients' alone, the quick ones first."""
    found: list[Check] = []
    if op.name in test_ops.SMOOTH:
        tests = [test_ops.test_gradient, test_ops.test_numeric_gradient]
        if op.name not in test_ops.GRADIENT_UNLIKE_AT_EXTREMES:
            tests.append(test_ops.test_gradient_at_extremes)
        found += [(test.__name__, functools.partial(test, op.name)) for test in tests]
    found += [
        (f"test_row[{op.name}-{index}]", functools.partial(test_ops.test_row, op.name, index))
        for index, row in enumerate(test_ops.rows_of(op.name))
        if row.gradient
    ]
    if op.name in ("var", "std"):
        test = test_ops.test_gradient_without_degrees_of_freedom
        found.append((test.__name__, functools.partial(test, op.name)))
    if op.name == "scatter":
        test = test_ops.test_scatter_that_multiplies_has_no_gradient
        found.append((test.__name__, test))
    return found


def opinfo_tests(op: Op) -> list[Check]:
    """The comparisons with PyTorch's own op tests (`tests/test_opinfo.py`) for the PyTorch function of the op."""
    from tests.opinfo.compare import cases, run
    from tests.opinfo.ops import shared_ops

    names = {op.reference.removeprefix("torch."), op.name, op.name.removesuffix("_along")}
    names |= {f"nn.functional.{name}" for name in names}

    def compare(info: Any, kind: str) -> None:
        outcome = run(info, "float64", kind, pellucid)
        if outcome.failures:
            raise Noticed(outcome.failures[0])

    return [
        (f"test_opinfo[{info.full_name}-{kind}]", functools.partial(compare, info, kind))
        for info in shared_ops(pellucid)
        if info.name in names
        for dtype, kind in cases(info)
        if dtype == "float64" and kind in ("grad", "gradgrad")
    ]


# --- check.gradients --------------------------------------------------------------------------------------------------


def gradient_checks(op: Op) -> list[Check]:
    """`check.gradients` to second order, on the inputs that the op's tests have wherever there is a derivative."""
    found: list[Check] = []
    if op.name in test_ops.SMOOTH:
        for shapes in ([(2, 3)], [(2, 1, 3), (2, 1), (3,)]):
            arrays = test_ops.inputs(op.name, *shapes)
            found.append((f"inputs of shape {shapes}", functools.partial(check, op, arrays, {})))
    found += [
        (f"row {index}", functools.partial(check, op, list(sample.args), sample.attributes))
        for index, sample in enumerate(test_ops.rows_of(op.name))
        if sample.gradient is True and has_floats(sample)
    ]
    return found


def has_floats(row: Row) -> bool:
    floats = [leaf for leaf in leaves(row.args) if test_ops.is_float(leaf)]
    return bool(floats) and all(np.isfinite(leaf).all() for leaf in floats)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def check(op: Op, arrays: list[Any], attributes: dict[str, Any]) -> None:
    """Σ seed · op(…), with the seed as one more input: so the second order includes how a rule depends on `g`."""
    given = [test_ops.to_ours(value) for value in arrays]
    kinds = [test_ops.is_float(value) for value in leaves(arrays)]
    flat = list(leaves(given))
    floats = [value for value, kind in zip(flat, kinds, strict=True) if kind]

    def call(tensors: list[Any]) -> Any:
        queue = iter(tensors)
        replaced = iter([next(queue) if kind else value for value, kind in zip(flat, kinds, strict=True)])
        args = filled(given, replaced)
        if op.mutates:
            args[0] = args[0].clone()
        pellucid.manual_seed(0)
        return test_ops.first(op(*args, **attributes))

    out = call(floats)
    if not out.dtype.is_floating_point:
        return
    seed = pellucid.tensor(np.random.default_rng(3).uniform(0.5, 1.5, tuple(out.shape)))
    report = quick_gradients(lambda *tensors: (call(list(tensors[:-1])) * tensors[-1]).sum(), (*floats, seed))
    if report.status != "right":
        raise Noticed(report.status)


def filled(value: Any, parts: Iterator[Any]) -> Any:
    return [filled(item, parts) for item in value] if isinstance(value, list | tuple) else next(parts)


def quick_gradients(function: Any, inputs: Any) -> Any:
    """`check.gradients` as it looks at large tensors, along random directions, and content with the verdict.

    To find the entries that are wrong and to name the mistake takes longer, and does not change the verdict.
    """
    module: Any = importlib.import_module("pellucid.check.gradients")
    measurement = module.Measurement
    kept = module._explain, module.diagnose, measurement._found
    module._explain = module.diagnose = lambda *_, **__: {}
    measurement._found = lambda self, name, result: replace(result, wrong=True)
    try:
        return module.gradients(function, inputs, order=2, every=0)
    finally:
        module._explain, module.diagnose, measurement._found = kept


def table() -> dict[str, Op]:
    """The ops that have rules of their own; an op in place that shares those of another is broken with it."""
    seen: dict[int, str] = {}
    for name, op in sorted(TABLE.items(), key=lambda item: item[0].endswith("_")):
        if op.rules:
            seen.setdefault(id(op.rules), name)
    return {name: TABLE[name] for name in seen.values()}

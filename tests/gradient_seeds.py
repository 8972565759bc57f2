"""Does `check.gradients` raise a false alarm? Every op of the table, at the points that many random seeds give.

    python -m tests.gradient_seeds [--seeds 1000] [--jobs 2] [--op NAME] [--out FILE.json]

The ops are right (`test_ops` compares them with PyTorch), so each verdict "wrong" is a false alarm, or a mistake found.
The points are not chosen to be kind: a third of them is rounded to one decimal, so that there are zeros and ties, where
relu, abs, max and sort have kinks. Each seed checks each op by random directions, each fifth to second order. Exit code
1 if there was a false alarm. The result is in benchmarks/results/gradient_seeds.json; its
"seeds" says how many it is of.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from pellucid import check
from pellucid.declare import TABLE, Op
from tests import op_samples
from tests.op_samples import SAMPLES
from tests.test_ops import SMOOTH, first, in_place, is_float, rows_of, to_ours

SHAPES = [[(3, 4)], [()], [(3, 1, 4), (2, 1), (1,)], [(2, 3), ()]]

# PyTorch gives nextafter the gradient 0 where both inputs are equal, and so do we; the slope is 1 there as elsewhere.
BY_CONVENTION = {"nextafter", "nextafter_"}


def ops() -> list[str]:
    """Those that have a gradient, and points to look at it."""
    if not SAMPLES:
        op_samples.load()
    return [
        name for name, op in TABLE.items() if name not in BY_CONVENTION and op.rules and (name in SMOOTH or _rows(name))
    ]


def _rows(name: str) -> list[Any]:
    # "torch" marks a gradient that is no derivative, by PyTorch's convention.
    return [row for row in rows_of(name) if row.gradient is True and any(is_float(arg) for arg in _flat(row.args))]


def _flat(values: Any) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value)
        else:
            yield value


def case(name: str, seed: int) -> tuple[Any, list[np.ndarray]]:
    """The op as a function of its floating inputs, and a point for it."""
    op = TABLE[name]
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    rows = _rows(name)
    if name in SMOOTH and not (rows and seed % 2):
        shapes = SHAPES[seed % len(SHAPES)]
        shapes = shapes[:1] if in_place(op) else shapes
        args: list[Any] = [_drawn(op, shapes[i % len(shapes)], rng, seed) for i in range(op.required)]
        attributes: dict[str, Any] = {}
    else:
        row = rows[seed % len(rows)]
        args, attributes = [_varied(arg, rng, seed) for arg in row.args], row.attributes

    def function(*tensors: Any) -> Any:
        left = iter(tensors)
        given = [_filled(arg, left) for arg in args]
        if in_place(op):
            given[0] = given[0].clone()
        return first(op(*given, **attributes))

    return function, [arg for arg in _flat(args) if is_float(arg)]


def _filled(arg: Any, tensors: Iterator[Any]) -> Any:
    if isinstance(arg, list):
        return [_filled(entry, tensors) for entry in arg]
    return next(tensors) if is_float(arg) else to_ours(arg)


def _drawn(op: Op, shape: tuple[int, ...], rng: np.random.Generator, seed: int) -> np.ndarray:
    low, high = max(op.domain.low, -3.0), min(op.domain.high, 3.0)
    numbers = rng.uniform(low + 0.01, high - 0.01, shape)
    return np.asarray(numbers.round(1) if seed % 3 == 2 else numbers)


def _varied(arg: Any, rng: np.random.Generator, seed: int) -> Any:
    """Other numbers in the range of a row's: closer to zero by up to a fifth, none on the other side of it."""
    if isinstance(arg, list):
        return [_varied(entry, rng, seed) for entry in arg]
    if not is_float(arg):
        return arg
    numbers = arg * rng.uniform(0.8, 1.0, arg.shape)
    return np.asarray(numbers.round(1) if seed % 3 == 2 and (np.abs(arg) > 1).any() else numbers)


def examine(name: str, seed: int) -> tuple[str, str]:
    """The status for one op at one seed, and the report where it is not "right"."""
    function, inputs = case(name, seed)
    report = check.gradients(function, inputs, order=2 if seed % 5 == 0 else 1, seed=seed, every=0, beside=False)
    return report.status, "" if report.ok else str(report)


def run(seeds: list[int], names: list[str]) -> tuple[Counter[str], Counter[str], list[dict[str, Any]]]:
    """The counts of each status, of what was inconclusive by op, and the false alarms."""
    statuses: Counter[str] = Counter()
    open_: Counter[str] = Counter()
    alarms: list[dict[str, Any]] = []
    for seed in seeds:
        for name in names:
            status, report = examine(name, seed)
            statuses[status] += 1
            if status == "inconclusive":
                open_[name] += 1
            elif status == "wrong":
                alarms.append({"op": name, "seed": seed, "report": report})
    return statuses, open_, alarms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--op", help="this op alone")
    parser.add_argument("--out", type=Path, help="write the result to this file")
    options = parser.parse_args()
    names = [options.op] if options.op and ops() else ops()
    begin = time.perf_counter()
    chunks = [list(range(start, min(start + 10, options.seeds))) for start in range(0, options.seeds, 10)]
    statuses: Counter[str] = Counter()
    open_: Counter[str] = Counter()
    alarms: list[dict[str, Any]] = []
    text = ""
    with ProcessPoolExecutor(options.jobs) as pool:
        for chunk, (own, undecided, wrong) in zip(chunks, pool.map(partial(run, names=names), chunks), strict=True):
            statuses, open_, alarms = statuses + own, open_ + undecided, alarms + wrong
            result = {
                "command": f"python -m tests.gradient_seeds --seeds {options.seeds}",
                "ops": len(names),
                "seeds": chunk[-1] + 1,
                "checks": statuses.total(),
                "right": statuses["right"],
                "false_alarms": len(alarms),
                "inconclusive": statuses["inconclusive"],
                "inconclusive_by_op": dict(open_.most_common()),
                "alarms": alarms,
                "seconds": round(time.perf_counter() - begin, 1),
                "processes": options.jobs,
            }
            print(f"{result['seeds']} seeds: {dict(statuses)}", file=sys.stderr)
            for row in wrong:
                print(f"{row['op']} at seed {row['seed']}:\n{row['report']}", file=sys.stderr)
            text = json.dumps(result, indent=2)
            if options.out:  # at any time, so that a run that was ended says how far it came
                whole = options.out.with_suffix(".partial")
                whole.write_text(text + "\n", encoding="utf-8")
                os.replace(whole, options.out)
    print(text)
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())

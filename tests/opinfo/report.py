"""All ops that both have, compared in every dtype and kind, as a table.

PYTHONPATH=src python -m tests.opinfo.report [--jobs 2] [--out benchmarks/results/opinfo.json] [--failures FILE]
"""

import argparse
import importlib
import json
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from tests.opinfo.compare import KINDS, Outcome, cases, gist, run
from tests.opinfo.ops import op_db, shared_ops

OUT = Path(__file__).parent.parent.parent / "benchmarks" / "results" / "opinfo.json"


def compare_op(index: int, subject: str) -> dict[str, Outcome]:
    """One op of the table in all its dtypes; the outcomes by kind, their failures named by dtype."""
    torch.set_num_threads(1)
    op, module = op_db()[index], importlib.import_module(subject)
    by_kind: dict[str, Outcome] = {}
    for dtype, kind in cases(op):
        outcome = run(op, dtype, kind, module)
        outcome.failures = [f"{dtype} {kind}: {text}" for text in outcome.failures]
        by_kind.setdefault(kind, Outcome()).add(outcome)
    return by_kind


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.opinfo.report", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--failures", type=Path, help="also write the failing ops here, as Markdown")
    parser.add_argument("--subject", default="pellucid", help="the library to compare (`torch` tests the harness)")
    asked = parser.parse_args()

    start = time.perf_counter()
    shared = {op.full_name for op in shared_ops(importlib.import_module(asked.subject))}
    chosen = [index for index, op in enumerate(op_db()) if op.full_name in shared]
    # Not forked: a copy of a process that has used OpenMP threads may wait for them for ever.
    with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as pool:
        outcomes = dict(zip(chosen, pool.map(compare_op, chosen, [asked.subject] * len(chosen)), strict=True))
    table = {op_db()[index].full_name: by_kind for index, by_kind in outcomes.items()}

    samples = Counter[str]()
    skipped = Counter[str]()
    failed = Counter[str]()
    for by_kind in table.values():
        for kind, outcome in by_kind.items():
            samples[kind] += outcome.compared
            failed[kind] += len(outcome.failures)
            skipped += outcome.skipped
    result = {
        "torch": torch.__version__.split("+")[0],
        "ops_in_table": len(op_db()),
        "ops_compared": len(table),
        "samples_compared": {**{kind: samples[kind] for kind in KINDS}, "total": samples.total()},
        "samples_differing": failed.total(),
        "not_compared": dict(skipped.most_common()),
        "by_op": {
            name: {kind: outcome.compared for kind, outcome in by_kind.items()} for name, by_kind in table.items()
        },
    }
    write(asked.out, json.dumps(result, indent=1) + "\n")
    if asked.failures:
        write(asked.failures, failures_text(table))
    print(f"{len(table)} of {len(op_db())} OpInfos in {time.perf_counter() - start:.0f} s; samples compared:")
    for kind in KINDS:
        print(f"  {kind:<14} {samples[kind]:>8,}   differing {failed[kind]:>6,}")
    print(f"  {'total':<14} {samples.total():>8,}   differing {failed.total():>6,}")
    for reason, count in skipped.most_common():
        print(f"  not compared {count:>6,} × {reason}")
    return 1 if failed.total() else 0


def failures_text(table: dict[str, dict[str, Outcome]]) -> str:
    """Markdown: per op the count of failures in each kind, and the first of each sort."""
    lines = []
    for name, by_kind in table.items():
        bad = {kind: outcome for kind, outcome in by_kind.items() if outcome.failures}
        if not bad:
            continue
        counts = ", ".join(f"{kind} {len(o.failures)}/{len(o.failures) + o.compared}" for kind, o in bad.items())
        lines += [f"## {name}: {counts}", ""]
        first = {gist(text): text for outcome in bad.values() for text in reversed(outcome.failures)}
        lines += [f"- {text}" for text in first.values()] + [""]
    return f"{sum(line.startswith('## ') for line in lines)} of {len(table)} ops fail\n\n" + "\n".join(lines)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


if __name__ == "__main__":
    sys.exit(main())

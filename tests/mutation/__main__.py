"""The mutation score: `PYTHONPATH=src python -m tests.mutation [OP ...] [--jobs 2] [--list] [--update]`."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "mutation.json"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", help="ops (all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--out", type=Path, help=f"where the record goes ({RESULT.name}, if all ops are asked for)")
    parser.add_argument("--update", action="store_true", help="renew what the record says of these ops alone")
    parser.add_argument("--list", action="store_true", help="list every mutant, not the survivors alone")
    asked = parser.parse_args()

    from tests.mutation.checks import table
    from tests.mutation.run import work

    names = asked.names or list(table())
    if unknown := [name for name in names if name not in table()]:
        parser.error(f"no op with rules of its own: {', '.join(unknown)}; there are {', '.join(table())}")
    start = time.monotonic()
    rows: list[dict[str, Any]] = []
    failures: list[str] = []
    seconds: dict[str, float] = {}
    with ProcessPoolExecutor(min(asked.jobs, len(names)), multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(work, name) for name in names]):
            try:
                name, took, found = done.result()
            except AssertionError as failure:
                failures.append(str(failure))
                print(failure, flush=True)
                continue
            rows += found
            seconds[name] = took
            for row in found:
                if asked.list or is_survivor(row):
                    print(line(row), flush=True)
    out = asked.out or (RESULT if asked.update or not asked.names else None)
    if asked.update and out is not None:
        before = unpacked(json.loads(out.read_text(encoding="utf-8"))["mutants"])
        rows += [row for row in before if row["op"] not in names and row["op"] in table()]
    noticed_elsewhere(rows)
    order = {name: place for place, name in enumerate(table())}
    rows.sort(key=lambda row: order[row["op"]])
    record = summary(rows)
    print(json.dumps(record, indent=1, ensure_ascii=False))
    print(f"{time.monotonic() - start:.0f} s; longest: {sorted(seconds.items(), key=lambda pair: -pair[1])[:8]}")
    if out is not None:
        text = json.dumps({**record, "mutants": packed(rows)}, indent=1, ensure_ascii=False)
        out.write_text(text + "\n", encoding="utf-8")
    return 1 if record["survivors"] or failures else 0


def noticed_elsewhere(rows: list[dict[str, Any]]) -> None:
    """A helper serves several rules: what is changed in a branch that one rule does not take is noticed at another."""
    noticed: dict[str, set[str]] = {}
    for row in rows:
        if ": " in row["what"] and row["tests"] and (row["gradients"] or row["reason"]):
            noticed.setdefault(row["what"], set()).add(f"{row['op']}.{row['where']}")
    for row in rows:
        if is_survivor(row) and not row["tests"] and not row["gradients"] and row["what"] in noticed:
            row["reason"] = f"in a helper, where this rule does not go; noticed at {min(noticed[row['what']])}"


def is_survivor(row: dict[str, Any]) -> bool:
    """Not noticed by one of the two, without a reason."""
    return (row["tests"] is None or row["gradients"] is None) and row["reason"] is None


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['op']}.{row['where']}: {row['what']}: tests {row['tests'] or '-'}, gradients {row['gradients'] or '-'}"
        + (f" ({row['reason']})" if row["reason"] else "")
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The scores: of the mutants that are a mistake, how many are noticed."""
    mistakes = [row for row in rows if row["tests"] or row["gradients"] or row["reason"] is None]
    visible = [row for row in mistakes if row["gradients"] or row["reason"] is None]
    equivalent = [row for row in rows if not row["tests"] and not row["gradients"] and row["reason"]]
    return {
        "ops": len({row["op"] for row in rows}),
        "in all": len(rows),
        "no mistake": dict(Counter(row["reason"] for row in equivalent).most_common()),
        "mistakes": len(mistakes),
        "noticed by the tests": sum(row["tests"] is not None for row in mistakes),
        "mistakes that a derivative shows": len(visible),
        "noticed by check.gradients": sum(row["gradients"] is not None for row in visible),
        "beyond derivatives": dict(
            Counter(row["reason"] for row in mistakes if not row["gradients"] and row["reason"]).most_common()
        ),
        "survivors": [line(row) for row in rows if is_survivor(row)],
    }


def packed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By op and input: what was changed, and who noticed."""
    made: dict[str, Any] = {}
    for row in rows:
        place = made.setdefault(row["op"], {}).setdefault(row["where"], {})
        place[row["what"]] = row["reason"] if not row["tests"] and not row["gradients"] else (
            [row["tests"], row["gradients"]] + ([row["reason"]] if row["reason"] else [])
        )  # fmt: skip
    return made


def unpacked(record: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for op, inputs in record.items():
        for where, changes in inputs.items():
            for what, fate in changes.items():
                tests, gradients, reason = (None, None, fate) if not isinstance(fate, list) else [*fate, None][:3]
                rows.append(
                    {"op": op, "where": where, "what": what, "tests": tests, "gradients": gradients, "reason": reason}
                )
    return rows


if __name__ == "__main__":
    sys.exit(main())

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
            for one in found:
                if asked.list or is_survivor(one):
                    print(line(one), flush=True)
    out = asked.out or (RESULT if asked.update or not asked.names else None)
    if asked.update and out is not None:
        before = unpacked(json.loads(out.read_text(encoding="utf-8"))["mutants"])
        rows += [one for one in before if one["op"] not in names and one["op"] in table()]
    noticed_elsewhere(rows)
    order = {name: place for place, name in enumerate(table())}
    rows.sort(key=lambda one: order[one["op"]])
    record = summary(rows)
    print(json.dumps(record, indent=1, ensure_ascii=False))
    print(f"{time.monotonic() - start:.0f} s; longest: {sorted(seconds.items(), key=lambda one: -one[1])[:8]}")
    if out is not None:
        text = json.dumps({**record, "mutants": packed(rows)}, indent=1, ensure_ascii=False)
        out.write_text(text + "\n", encoding="utf-8")
    return 1 if record["survivors"] or failures else 0


def noticed_elsewhere(rows: list[dict[str, Any]]) -> None:
    """A helper serves several rules: what is changed in a branch that one rule does not take is noticed at another."""
    noticed: dict[str, set[str]] = {}
    for one in rows:
        if ": " in one["what"] and one["tests"] and (one["gradients"] or one["reason"]):
            noticed.setdefault(one["what"], set()).add(f"{one['op']}.{one['where']}")
    for one in rows:
        if is_survivor(one) and not one["tests"] and not one["gradients"] and one["what"] in noticed:
            one["reason"] = f"in a helper, where this rule does not go; noticed at {min(noticed[one['what']])}"


def is_survivor(one: dict[str, Any]) -> bool:
    """Not noticed by one of the two, without a reason."""
    return (one["tests"] is None or one["gradients"] is None) and one["reason"] is None


def line(one: dict[str, Any]) -> str:
    return (
        f"{one['op']}.{one['where']}: {one['what']}: tests {one['tests'] or '-'}, gradients {one['gradients'] or '-'}"
        + (f" ({one['reason']})" if one["reason"] else "")
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The scores: of the mutants that are a mistake, how many are noticed."""
    mistakes = [one for one in rows if one["tests"] or one["gradients"] or one["reason"] is None]
    visible = [one for one in mistakes if one["gradients"] or one["reason"] is None]
    equivalent = [one for one in rows if not one["tests"] and not one["gradients"] and one["reason"]]
    return {
        "ops": len({one["op"] for one in rows}),
        "in all": len(rows),
        "no mistake": dict(Counter(one["reason"] for one in equivalent).most_common()),
        "mistakes": len(mistakes),
        "noticed by the tests": sum(one["tests"] is not None for one in mistakes),
        "mistakes that a derivative shows": len(visible),
        "noticed by check.gradients": sum(one["gradients"] is not None for one in visible),
        "beyond derivatives": dict(
            Counter(one["reason"] for one in mistakes if not one["gradients"] and one["reason"]).most_common()
        ),
        "survivors": [line(one) for one in rows if is_survivor(one)],
    }


def packed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By op and input: what was changed, and who noticed."""
    made: dict[str, Any] = {}
    for one in rows:
        place = made.setdefault(one["op"], {}).setdefault(one["where"], {})
        place[one["what"]] = one["reason"] if not one["tests"] and not one["gradients"] else (
            [one["tests"], one["gradients"]] + ([one["reason"]] if one["reason"] else [])
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

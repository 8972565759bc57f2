"""`python -m tests.check_programs`: plant every mistake, count how many are named; benchmarks/results/autopsy.json."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.check_programs.planting import HELD_OUT, NAMES, Case, cases, examine, run_case

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "autopsy.json"
SEEDS = range(20)


def main() -> None:
    programs = sys.argv[1:] or NAMES
    wanted = [case for case in cases() if case[0] in programs]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        done = list(pool.map(_run, wanted))
        alarms = [alarm for found in pool.map(_false_alarms, programs) for alarm in found]
    for case in done:
        if not case.strict:
            print(f"{case.program}, {case.planted}: {case.first}  {case.named}  ({case.patch[:70]!r})")
    ids = sorted({case.planted for case in done})
    confused = Counter((case.planted, case.first) for case in done if not case.named_right)
    record = {
        "programs": {name: _score([case for case in done if case.program == name]) for name in programs},
        "mistakes": {name: _score([case for case in done if case.planted == name]) for name in ids},
        # When they were first run; what they showed has been mended since, so that they are held out no longer.
        "held_out_first_run": {"cases": 53, "all_tensors": 47, "unknown": 2, "wrong_name": 4},
        "held_out": _score([case for case in done if case.program in HELD_OUT]),
        "all": _score(done),
        "right_programs": {"checked": len(programs) * len(SEEDS), "not_called_right": alarms},
        "confusions": [[*pair, count] for pair, count in sorted(confused.items())],
        "cases": [case.to_dict() for case in done],
    }
    for title in ("programs", "mistakes"):
        print()
        for name, row in record[title].items():
            print(f"{name:<36} {row['all_tensors']:>3} of {row['cases']:>3}   slowest {row['slowest_s']:.1f} s")
    for name in ("held_out", "all"):
        print(f"\n{name}: {record[name]}")
    print(f"right programs: {len(alarms)} false alarms in {len(programs) * len(SEEDS)} checks {alarms or ''}")
    if not sys.argv[1:]:
        RESULT.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        print(f"written to {RESULT.relative_to(Path.cwd()) if RESULT.is_relative_to(Path.cwd()) else RESULT}")


def _run(case: tuple[str, int]) -> Case:
    return run_case(*case)


def _score(done: list[Case]) -> dict[str, float]:
    """How many cases are named in every wrong tensor, in the tensor that counts most, wrongly, and not at all."""
    unknown = sum(case.first in ("unknown", "right", "inconclusive") for case in done)
    return {
        "cases": len(done),
        "all_tensors": sum(case.strict for case in done),
        "first": sum(case.named_right for case in done),
        "unknown": unknown,
        "wrong_name": len(done) - unknown - sum(case.named_right for case in done),
        "slowest_s": max((case.seconds for case in done), default=0.0),
    }


def _false_alarms(program: str) -> list[str]:
    """The right program at 20 points, the parameters at scales from 0.1 to 2."""
    found: list[str] = []
    for seed in SEEDS:
        report = examine(program, seed=seed, scale=(0.1, 0.5, 1.0, 2.0)[seed % 4])
        if report.status != "right":
            found.append(f"{program}, seed {seed}: {report.status}")
    return found


if __name__ == "__main__":
    main()

"""How well `pellucid doctor` reads programs that train with a framework: PyTorch's names, or pellucid's.

    python -m benchmarks.doctor [--only GLOB] [--sample N] [--seed S] [--budget SECONDS] [--minutes M] [--again]
                                [--out FILE]
    python -m benchmarks.doctor --seeds [N] [--only GLOB]
    python -m benchmarks.doctor --table [--note TEXT]

Each case is written into an empty folder and diagnosed by the command, in a process of its own. What is in
`benchmarks/results/doctor.json` already is not run again, but with `--again`; each row is written when it is there, and
at the end the tables, `doctor.md`. With `--seeds` the programs are run as they are, right and faulty, under five seeds:
a fault that does no harm, by `doctor_twins.json`, does not count. `held_out.txt` lists the programs that no threshold
was set by.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.handwritten.cases import Case, cases, sample

from . import scores, twins
from .diagnosis import diagnose

HERE = Path(__file__).parent
RESULTS = HERE.parent / "results" / "doctor.json"


def held_out() -> set[str]:
    """The stems of programs that no threshold was set by."""
    lines = (HERE / "held_out.txt").read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def is_held_out(name: str) -> bool:
    return name.removeprefix("healthy-").split("+")[0] in held_out()


def counts(name: str, known: dict[str, Any]) -> bool:
    """Whether a fault does harm, as far as that was measured."""
    row = known.get(name, {})
    return bool(row.get("worse", True) or row.get("stated", False))


def summary(rows: dict[str, dict[str, Any]], known: dict[str, Any], note: str = "") -> str:
    """All tables, below a note on how they came about."""
    kept = {name: row for name, row in rows.items() if counts(name, known)}
    without = sorted(set(rows) - set(kept))
    faulty = [name for name in kept if kept[name]["planted"]]
    measured = [name for name in faulty if "worse" in known.get(name, {})]
    seen = [row for name, row in kept.items() if not is_held_out(name)]
    unseen = [row for name, row in kept.items() if is_held_out(name)]
    everything = list(cases(home=HERE))
    left_out = ": " + ", ".join(f"`{name}`" for name in without) if without else ""
    covers = (
        f"`python -m benchmarks.doctor`: {len(rows)} of {len(everything)} cases, {len(faulty)} of them faulty programs "
        f"that count. Five seeds were run of {len(measured)} of these; {len(without)} more did no clear harm and are "
        f"left out{left_out}."
    )
    rules = (
        "Their rules are written anew in `benchmarks/doctor/rivals.py`, over one recorded run of the same programs. "
        "A message counts as naming a cause if it points to it among others."
    )
    parts = [
        *([note] if note else []),
        covers,
        "## All",
        scores.table(list(kept.values())),
        "## Programs by which thresholds were set",
        scores.table(seen),
        "## Held-out programs",
        scores.table(unseen),
        "## Beside the rules of published tools",
        rules,
        scores.rivals(list(kept.values())),
        "## Confusion matrix",
        scores.confusion(list(kept.values())),
        "## What it gets wrong",
        scores.missed(kept),
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", default="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="?", const=5)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--note", default="", help="a paragraph above the tables")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    every = list(cases(home=HERE))
    rights = {case.name: case for case in every if not case.mistakes}
    found = sample(list(cases(given.only, HERE)), given.sample, given.seed)
    if given.seeds:
        stems = {case.name.split("+")[0] for case in found}
        twins.measure([case for case in every if case in found or case.name in stems], HERE, given.seeds)
        return
    out: Path = given.out
    rows: dict[str, dict[str, Any]] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    end = time.monotonic() + 60 * given.minutes
    for case in [] if given.table else found:
        if (case.name in rows and not given.again) or time.monotonic() > end:
            continue
        rows[case.name] = row = diagnosed(case, rights, given.budget)
        mark = "✓" if (row["rank1"] if row["planted"] else row["status"] == "healthy") else "✗"
        print(f"{mark} {case.name}: {row['status']} {row['named']} line {row['line']} {row['seconds']} s", flush=True)
        out.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(summary(rows, twins.known(), given.note), encoding="utf-8")
    print(out.with_suffix(".md").read_text(encoding="utf-8"))


def diagnosed(case: Case, rights: dict[str, Case], budget: float) -> dict[str, Any]:
    stem = case.name.split("+")[0]
    better = twins.direction(HERE, stem) if case.mistakes else "higher"
    return diagnose(case, rights.get(stem) if case.mistakes else None, better, budget)


if __name__ == "__main__":
    main()

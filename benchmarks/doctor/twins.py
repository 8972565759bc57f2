"""Does each fault do harm? The right program and the faulty one, under five seeds, each run as it is.

A fault counts if what its program prints last is worse under each seed, and by more than 2 % in the median. Where the
score cannot show it (a leak makes it better), the fault counts by what it is.
"""

from __future__ import annotations

import json
import math
import statistics
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.handwritten.cases import Case

from .plain import printed

RESULTS = Path(__file__).parent.parent / "results" / "doctor_twins.json"
STATED = ("train-val-leak", "constant-target")


Scores = list[float | None]  # None where a run ended in an error, or in NaN


def clearly_worse(right: Scores, faulty: Scores, better: str) -> bool:
    """Whether the faulty program is worse under each seed, and by more than 2 % in the median.

    A run without a score is worse than any other; where the right program has none, nothing is said.
    """
    sign = 1 if better == "lower" else -1
    pairs = [(a, b) for a, b in zip(right, faulty, strict=True) if a is not None]
    gaps = [math.inf if b is None else sign * (b - a) for a, b in pairs]
    if not pairs:
        return False
    scale = statistics.median(abs(a) for a, _ in pairs)
    return min(gaps) > 0 and statistics.median(gaps) > 0.02 * scale


def direction(home: Path, stem: str) -> str:
    """Whether what a program prints last is to be "higher" or "lower"."""
    path = home / "mistakes" / f"{stem}.toml"
    return str(tomllib.loads(path.read_text(encoding="utf-8")).get("score", "higher"))


def stated(case: Case) -> bool:
    """Whether what a fault does cannot be read from the score of its own program."""
    return any(mistake.id in STATED for mistake in case.mistakes)


def known(path: Path = RESULTS) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def measure(found: list[Case], home: Path, seeds: int, path: Path = RESULTS) -> None:
    """Run what is not in the file yet, and enter it there."""
    rows = known(path)
    rights = {case.name: case for case in found if not case.mistakes}
    for case in found:
        if case.name in rows or case.name.startswith("healthy-"):
            continue
        rows[case.name] = {"scores": _scores(case, seeds)}
        stem = case.name.split("+")[0]
        if case.mistakes and stem in rights:
            better = direction(home, stem)
            right = rows.get(stem, {}).get("scores") or _scores(rights[stem], seeds)
            worse = clearly_worse(right, rows[case.name]["scores"], better)
            rows[case.name] |= {"better": better, "worse": worse, "stated": stated(case)}
        print(case.name, rows[case.name], flush=True)
        path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def _scores(case: Case, seeds: int) -> Scores:
    scores = [printed(case.source, seed).score for seed in range(seeds)]
    return [score if math.isfinite(score) else None for score in scores]

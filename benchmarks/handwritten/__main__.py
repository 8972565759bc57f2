"""How well `pellucid doctor` reads programs that use no framework.

    python -m benchmarks.handwritten [--only GLOB] [--gradients] [--sample K] [--seed S] [--jobs N]
                                     [--budget SECONDS] [--append] [--out FILE]

Writes each case into an empty folder, as the plain script that its author has, runs the doctor on it in a process of
its own, and prints how many faulty programs were detected, how many faults were named at rank 1, how often the line was
right, how many right programs raised an alarm, and the seconds. The processor seconds of each case are counted beside
those of the clock, which other work on the machine lengthens; run with one job.

The cases come in an order by chance in which the kinds of mistakes take turns, so that a run that is broken off is a
sample. Every row says on which commit it was measured, and both result files are written after each case. With
`--append` cases that `benchmarks/results/handwritten.json`, or the other FILE, has from this commit are not run again;
those of other commits are, and their rows stay until then. The table says how many rows each commit has.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.handwritten.cases import HERE, Case, cases, sample
from pellucid.check.mistakes import TABLE

RESULTS = Path(__file__).parent.parent / "results" / "handwritten.json"
PATIENCE = 120  # seconds until a doctor that does not answer is ended


def diagnose(case: Case, budget: float | None) -> dict[str, Any]:
    """One case: what the doctor said, and whether it is right."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "train.py")
        script.write_text(case.source, encoding="utf-8")
        command = [sys.executable, "-m", "pellucid", "doctor", "train.py", "--json", "said.json"]
        if budget is not None:
            command += ["--budget", str(budget)]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=max(PATIENCE, 1.3 * (budget or 0))
            )
            code, text = done.returncode, done.stderr[-400:]
        except subprocess.TimeoutExpired:
            code, text = -1, "no answer in time"
        seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        said = Path(folder, "said.json")
        report = json.loads(said.read_text()) if said.is_file() else {"status": "none", "findings": []}
    alarms = [finding for finding in report["findings"] if finding["severity"] in ("error", "warning")]
    names = [finding.get("mistake") or finding["cause"] for finding in alarms]
    right = {name for mistake in case.mistakes for name in mistake.names()}
    if case.mistakes and "wrong-backward" in right:
        right |= {finding["cause"] for finding in alarms}
    first = alarms[0] if alarms else {}
    line = first.get("line")
    return {
        "name": case.name,
        "planted": [mistake.id for mistake in case.mistakes],
        "status": report["status"],
        "exit": code,
        "named": names,
        "line": line,
        "detected": report["status"] == "faults" and bool(alarms),
        "rank1": bool({first.get("mistake"), first.get("cause")} & right) if first else False,
        "top3": any({finding.get("mistake"), finding.get("cause")} & right for finding in alarms[:3]),
        "line right": case.is_right(line),
        "commit": commit(),
        "budget": budget,
        "seconds": round(seconds, 1),
        "cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
        "stderr": text if code not in (0, 1) else "",
    }


def backward(case: Case) -> bool:
    """Whether the case has mistakes, and all are of the vocabulary of `pellucid check`."""
    return bool(case.mistakes) and all(mistake.id in TABLE for mistake in case.mistakes)


@functools.cache
def commit() -> str:
    """The commit that is measured; `+` where files of the library differ from it."""
    git = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    changed = ["git", "-C", str(HERE), "status", "--porcelain", "--untracked-files=no", "--", "../../src"]
    said = [subprocess.run(command, capture_output=True, text=True, check=False).stdout for command in (git, changed)]
    return (said[0].strip() or "unknown") + ("+" if said[1].strip() else "")


def wilson(hits: int, of: int) -> str:
    """A share with its 95 % interval after Wilson."""
    if not of:
        return "–"
    z, p = 1.96, hits / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
    return f"{hits} of {of}, {100 * p:.0f} % ({100 * max(low, 0.0):.0f} to {100 * high:.0f})"


def table(rows: list[dict[str, Any]]) -> str:
    """The scores and the confusion matrix, as Markdown."""
    faulty, sound = [row for row in rows if row["planted"]], [row for row in rows if not row["planted"]]
    seconds, spent = [row["seconds"] for row in rows], [row.get("cpu", math.nan) for row in rows]
    lines = [
        "| | |",
        "|---|---|",
        f"| faulty programs detected | {wilson(sum(row['detected'] for row in faulty), len(faulty))} |",
        f"| named at rank 1 | {wilson(sum(row['rank1'] for row in faulty), len(faulty))} |",
        f"| named in the top three | {wilson(sum(row['top3'] for row in faulty), len(faulty))} |",
        f"| line right (within one) | {wilson(sum(row['line right'] for row in faulty), len(faulty))} |",
        f"| false alarms on right programs | {wilson(sum(row['detected'] for row in sound), len(sound))} |",
        f"| right programs called healthy | {wilson(sum(row['status'] == 'healthy' for row in sound), len(sound))} |",
        f"| seconds, median and worst | {statistics.median(seconds):.1f}, {max(seconds):.1f} |",
        f"| processor seconds, median and worst | {statistics.median(spent):.1f}, {max(spent):.1f} |",
        "",
        "| planted | cases | named at rank 1 | said instead |",
        "|---|---|---|---|",
    ]
    kinds = Counter(" + ".join(row["planted"]) or "nothing" for row in rows)
    single = [kind for kind in kinds if " + " not in kind]
    for kind in sorted(single):
        here = [row for row in rows if (" + ".join(row["planted"]) or "nothing") == kind]
        good = (
            sum(row["rank1"] for row in here) if kind != "nothing" else sum(row["status"] == "healthy" for row in here)
        )
        wrong = Counter((row["named"] or [row["status"]])[0] for row in here if not row["rank1"])
        if kind == "nothing":
            wrong.pop("healthy", None)
        instead = ", ".join(f"{name} {count}" for name, count in wrong.most_common())
        lines.append(f"| {kind} | {len(here)} | {good} | {instead} |")
    measured = Counter(str(row.get("commit", "not noted")) for row in rows)
    lines[2:2] = [f"| rows by commit | {', '.join(f'{name}: {count}' for name, count in measured.most_common())} |"]
    pairs = [row for row in faulty if len(row["planted"]) > 1]
    if pairs:
        lines.append(f"| two at once | {len(pairs)} | {sum(row['rank1'] for row in pairs)} | |")
    return "\n".join(lines) + "\n"


def main(about: str = __doc__ or "", folder: Path = HERE, results: Path = RESULTS) -> None:
    """The command, for the programs of a folder."""
    parser = argparse.ArgumentParser(description=about.split("\n")[0])
    parser.add_argument("--only", default="*")
    parser.add_argument("--gradients", action="store_true", help="those with mistakes of the backward pass alone")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--budget", type=float)
    parser.add_argument("--append", action="store_true")
    parser.add_argument("--no-save", action="store_true")
    parser.add_argument("--out", type=Path, default=results)
    given = parser.parse_args()
    out: Path = given.out
    known = {row["name"]: row for row in json.loads(out.read_text())} if given.append and out.is_file() else {}
    found = [case for case in cases(given.only, folder) if not given.gradients or backward(case)]
    found = sample(found, given.sample, given.seed)
    todo = [case for case in found if known.get(case.name, {}).get("commit") != commit()]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ThreadPoolExecutor(given.jobs) as pool:
        for row in pool.map(lambda case: diagnose(case, given.budget), todo):
            known[row["name"]] = row
            mark = "✓" if (row["rank1"] if row["planted"] else row["status"] == "healthy") else "✗"
            took = f"{row['seconds']} s (processor {row['cpu']})"
            print(f"{mark} {row['name']}: {row['status']} {row['named']} line {row['line']} {took}", flush=True)
            if not given.no_save:
                out.write_text(json.dumps(list(known.values()), indent=1) + "\n")
                out.with_suffix(".md").write_text(table(list(known.values())))
    if known:
        print("\n" + table(list(known.values())))


if __name__ == "__main__":
    main()

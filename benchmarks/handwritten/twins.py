"""Does each fault of `conditions/` do harm? The right program and the faulty one, over five seeds.

    python -m benchmarks.handwritten.twins [GLOB] [--seeds N]

Prints the last number that each program prints, and marks a fault whose median is not worse than the worst right run.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from benchmarks.handwritten.cases import HERE, cases

SEED = re.compile(r"(seed|default_rng|RandomState)\(0\)")
NUMBER = re.compile(r"-?(?:\d+\.?\d*(?:e-?\d+)?|nan|inf)", re.IGNORECASE)


def score(source: str, seed: int) -> float:
    """The last number that the program prints under a seed."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "train.py")
        script.write_text(SEED.sub(rf"\1({seed})", source), encoding="utf-8")
        command = [sys.executable, "-W", "ignore", "train.py"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    found = NUMBER.findall(done.stdout)
    return float(found[-1]) if found and done.returncode == 0 else float("nan")


def harmful(right: list[float], faulty: list[float], better: str) -> bool:
    """Whether the faulty runs are worse in the median than the worst right run; NaN is worse than any number."""
    sign = 1 if better == "lower" else -1
    worst = max(sign * value for value in right)
    costs = [sign * value if value == value else float("inf") for value in faulty]
    return statistics.median(costs) > worst + 0.02 * abs(worst)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("only", nargs="?", default="*")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    right: list[float] = []
    for case in cases(f"condition-{given.only}"):
        values = [score(case.source, seed) for seed in range(given.seeds)]
        shown = " ".join(f"{value:.4g}" for value in values)
        if not case.mistakes:
            right = values
            print(f"  {case.name}: {shown}", flush=True)
            continue
        stem = case.name.removeprefix("condition-").split("+")[0]
        table = tomllib.loads((HERE / "conditions" / f"{stem}.toml").read_text(encoding="utf-8"))
        mark = "✓" if harmful(right, values, table["score"]) else "✗"
        print(f"{mark} {case.name}: {shown}", flush=True)


if __name__ == "__main__":
    main()

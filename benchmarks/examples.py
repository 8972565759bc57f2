"""The example programs under PyTorch and under pellucid: how far the losses are apart, and the CPU time of each.

    python -m benchmarks.examples [NAME…] [--steps 50]

Needs torch. Each program runs in a process of its own, on one thread. The CPU time of a run of two steps, most of
which is that of the imports, is taken off that of the whole.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/train.py"))


def run(name: str, steps: int, pellucid: bool) -> tuple[list[float], float]:
    """The losses that a program prints, and the CPU seconds that it took."""
    script = str(ROOT / "examples" / name / "train.py")
    start = ["-c", "from pellucid_command import main; main()", "run"] if pellucid else []
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    environment = {**os.environ, **threads, "PYTHONPATH": str(ROOT / "src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *start, script, "--steps", str(steps), "--every", "1"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")
    losses = [
        float(line.split(" loss ")[1].split()[0]) for line in done.stdout.splitlines() if line.startswith("step ")
    ]
    return losses, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def apart(ours: list[float], theirs: list[float]) -> float:
    """The largest relative difference of two curves; of a loss near 0, to a hundredth of the largest so far."""
    size = 0.0
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        size = max(size, abs(b))
        worst = max(worst, abs(a - b) / max(abs(b), 0.01 * size))
    return worst


def main() -> None:
    """Run the programs and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=EXAMPLES)
    parser.add_argument("--steps", type=int, default=50)
    asked = parser.parse_args()
    print(f"{'program':12} {'losses apart':>12} {'torch s':>8} {'pellucid s':>10} {'ratio':>6}")
    for name in asked.names:
        curves, seconds = [], []
        for pellucid in (False, True):
            _, start = run(name, 2, pellucid)
            losses, whole = run(name, asked.steps, pellucid)
            curves.append(losses)
            seconds.append(max(whole - start, 1e-3))
        ratio = seconds[1] / seconds[0]
        print(
            f"{name:12} {apart(curves[1], curves[0]):12.1e} {seconds[0]:8.2f} {seconds[1]:10.2f} {ratio:6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""The example programs under PyTorch and under pellucid: how far the losses are apart, and the CPU time of each.

    python -m benchmarks.examples [NAME…] [--steps 50] [--rounds 3] [--out benchmarks/results/examples.md]

Needs torch. Each program runs in a process of its own, on one thread, as many steps as it takes by itself unless
`--steps` says otherwise. The CPU time of a run of two steps, most of which is that of the imports, is taken off that of
the whole. Rounds are interleaved; the times are medians, the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

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


def own_steps(name: str) -> int:
    """How many steps a program takes by itself."""
    text = (ROOT / "examples" / name / "train.py").read_text(encoding="utf-8")
    found = re.search(r'"--steps", type=int, default=(\d+)', text)
    if found is None:
        raise ValueError(f"examples/{name}/train.py does not say how many steps it takes: --steps has no default")
    return int(found[1])


def main() -> None:
    """Run the programs and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=EXAMPLES)
    parser.add_argument("--steps", type=int, help="steps of each program; its own number, if not said")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="also write the table here, as Markdown")
    asked = parser.parse_args()
    rows = ["| program | steps | losses apart | torch s | pellucid s | ratio |", "|---|---|---|---|---|---|"]
    print(*rows, sep="\n", flush=True)
    for name in asked.names:
        steps = asked.steps or own_steps(name)
        curves: list[list[float]] = [[], []]
        seconds: list[list[float]] = [[], []]
        for _ in range(asked.rounds):
            for at, pellucid in enumerate((False, True)):
                _, start = run(name, 2, pellucid)
                curves[at], whole = run(name, steps, pellucid)
                seconds[at].append(max(whole - start, 1e-3))
        ratio = median(ours / theirs for theirs, ours in zip(*seconds, strict=True))
        torch_s, pellucid_s = (median(found) for found in seconds)
        apart_by = apart(curves[1], curves[0])
        rows.append(f"| {name} | {steps} | {apart_by:.1e} | {torch_s:.2f} | {pellucid_s:.2f} | {ratio:.2f} |")
        print(rows[-1], flush=True)
    if asked.out:
        begin = "# Example programs\n\nCPU seconds on one thread, by `python -m benchmarks.examples`.\n\n"
        asked.out.write_text(begin + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

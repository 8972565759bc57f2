"""How time grows with the work: more layers, larger batches, more ops; pellucid beside PyTorch, forward and backward.

    python -m benchmarks.scaling [depth|batch|ops …] [--rounds 3]

- depth: 1 to 1,000 layers of width 32 with ReLU, batch 16, a step of SGD.
- batch: the step of the MLP 784-128-10 on 1 to 4,096 rows.
- ops: graphs of 1,000 to 1,000,000 ops on single numbers, forward and backward apart.

Both are on one thread, in processes of their own, in turns; the seconds are those of the processor, medians over the
rounds. The slope is that of the line through the logarithms of size and time from the third size from the end on: 1 is
linear, 0 is time that does not grow. The result goes to benchmarks/results/scaling.md and scaling.json.
"""

import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
SIZES = {
    "depth": (1, 10, 100, 1000),
    "batch": (1, 16, 256, 4096),
    "ops": (1_000, 10_000, 100_000, 1_000_000),
}


def step_of(torch: Any, kind: str, size: int) -> Any:
    """A training step; depth and batch."""
    nn = torch.nn
    if kind == "depth":
        layers = [layer for _ in range(size) for layer in (nn.Linear(32, 32), nn.ReLU())]
        model, rows, width = nn.Sequential(*layers, nn.Linear(32, 10)), 16, 32
    else:
        model, rows, width = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), size, 784
    x, y = torch.randn(rows, width), torch.randint(0, 10, (rows,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def seconds(torch: Any, kind: str, size: int) -> dict[str, float]:
    """The processor's seconds of a step, or of forward and backward through a graph of single numbers."""
    if kind != "ops":
        step = step_of(torch, kind, size)
        step()
        count = max(1, round(2000 / size)) if kind == "depth" else max(1, round(4000 / (size + 20)))
        start = time.process_time()
        for _ in range(count):
            step()
        return {"step": (time.process_time() - start) / count}
    x, factor = torch.tensor(0.5, requires_grad=True), torch.tensor(0.999)
    gc.collect()  # each graph pays for its own garbage
    start = time.process_time()
    y = x
    for _ in range(size // 2):
        y = y * factor + x
    forward = time.process_time()
    y.backward()
    return {"forward": forward - start, "backward": time.process_time() - forward}


def serve(side: str) -> None:
    """Answer each job on the standard input with its times."""
    if side == "torch":
        import torch

        torch.set_num_threads(1)
    else:
        import pellucid as torch
    for line in sys.stdin:
        print(json.dumps(seconds(torch, *json.loads(line))), flush=True)


def slope(sizes: tuple[int, ...], times: list[float]) -> float:
    """How the logarithm of the time grows with that of the size, by least squares."""
    xs, ys = [math.log(size) for size in sizes], [math.log(found) for found in times]
    return statistics.linear_regression(xs, ys).slope


def measure(kinds: list[str], rounds: int) -> dict[str, Any]:
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    environment = {**os.environ, **threads, "PYTHONPATH": str(ROOT / "src")}
    servers = {
        side: subprocess.Popen(
            [sys.executable, __file__, "--serve", side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment,
        )
        for side in ("pellucid", "torch")
    }  # fmt: skip

    def ask(side: str, kind: str, size: int) -> dict[str, float]:
        server = servers[side]
        if server.stdin is None or server.stdout is None:
            raise RuntimeError("the pipes are missing")
        server.stdin.write(json.dumps([kind, size]) + "\n")
        server.stdin.flush()
        return json.loads(server.stdout.readline())

    found: dict[str, Any] = {}
    try:
        for kind in kinds:
            for size in SIZES[kind]:
                turns = [{side: ask(side, kind, size) for side in servers} for _ in range(rounds)]
                for part in turns[0]["torch"]:
                    rows = found.setdefault(kind if part == "step" else f"{kind}, {part}", {})
                    rows[size] = {
                        side: statistics.median(turn[side][part] for turn in turns) for side in servers
                    }  # fmt: skip
                print(kind, size, turns[-1], flush=True)
    finally:
        for server in servers.values():
            server.communicate()
    return found


def page(found: dict[str, Any]) -> str:
    lines = ["# As the work grows", "", "Processor milliseconds, one thread, by `python -m benchmarks.scaling`.", ""]
    for kind, rows in found.items():
        sizes = [*rows]
        lines += [f"| {kind} | " + " | ".join(f"{int(size):,}" for size in sizes) + " | slope |"]
        lines += ["|---" * (len(sizes) + 2) + "|"]
        for side in ("pellucid", "torch"):
            times = [rows[size][side] for size in sizes]
            grown = slope(tuple(int(size) for size in sizes[-3:]), times[-3:])
            lines += [f"| {side} | " + " | ".join(f"{1e3 * each:,.3g}" for each in times) + f" | {grown:.2f} |"]
        ratios = " | ".join(f"{rows[size]['torch'] / rows[size]['pellucid']:.2f}" for size in sizes)
        lines += [f"| torch / pellucid | {ratios} | |", ""]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(SIZES)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=("pellucid", "torch"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    if wrong := [kind for kind in asked.kinds if kind not in SIZES]:
        parser.error(f"no kind of work is named {', '.join(wrong)}; there are {', '.join(SIZES)}")
    place = RESULTS / "scaling.json"
    before = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
    new = json.loads(json.dumps(measure(asked.kinds or [*SIZES], asked.rounds)))  # sizes as JSON has them
    found = {**before, **new}  # those that were not asked for stay
    place.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "scaling.md").write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What it costs to train by several processes: sums of many sizes, and steps on 1 and 2 ranks, on this machine.

    python benchmarks/distributed.py

starts itself by `pellucid launch` with 1 and 2 ranks, and writes `benchmarks/results/distributed.md`. A rank has a
thread of its own. Times are the least of many, which a shared machine disturbs least; those of two ranks are the longer
of the two.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "distributed.md"
SIZES = [4, 1024, 16 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024, 16 * 1024 * 1024]  # bytes
NETWORKS = {"784-128-10": (784, 128, 10), "784-1024-1024-10": (784, 1024, 1024, 10)}
BATCH = 512


def least(function: Callable[[], object], repeats: int) -> float:
    """The least time of a call, in seconds."""
    from pellucid import distributed as dist

    times: list[float] = []
    for _ in range(repeats):
        dist.barrier()
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return min(times)


def measure(path: str) -> None:
    """What a rank does; rank 0 writes the times."""
    import pellucid as torch
    from pellucid import distributed as dist
    from pellucid import nn

    dist.init_process_group("mpi")
    rank, size = dist.get_rank(), dist.get_world_size()
    found: dict[str, dict[str, float]] = {"sums": {}, "steps": {}}
    for count in SIZES if size > 1 else ():
        tensor = torch.zeros(count // 4)
        found["sums"][str(count)] = least(lambda tensor=tensor: dist.all_reduce(tensor), 30 if count > 1e6 else 100)
    for name, widths in NETWORKS.items():
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        model = nn.parallel.DistributedDataParallel(nn.Sequential(*layers[:-1]))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        x, y = torch.randn(BATCH // size, widths[0]), torch.randint(0, 10, (BATCH // size,))

        def step(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> None:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

        found["steps"][name] = least(step, 30)
    every: list[Any] = [None] * size
    dist.all_gather_object(every, found)
    if rank == 0:
        slowest = {
            part: {name: max(times[part][name] for times in every) for name in values} for part, values in found.items()
        }
        Path(path).write_text(json.dumps(slowest), encoding="utf-8")


def run(ranks: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        environment = dict(os.environ, PYTHONPATH=str(ROOT / "src"))
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [sys.executable, "-m", "pellucid", "launch", "-n", str(ranks), __file__, "--measure", str(path)]
        subprocess.run(command, env=environment, check=True)
        return json.loads(path.read_text(encoding="utf-8"))


def fitted(sums: dict[str, float]) -> tuple[float, float]:
    """Latency in seconds and bandwidth in bytes a second, of time = latency + bytes / bandwidth."""
    sizes = sorted(map(int, sums))
    latency = min(sums.values())
    return latency, sizes[-1] / max(sums[str(sizes[-1])] - latency, 1e-9)


def parameters(widths: tuple[int, ...]) -> int:
    return sum(a * b + b for a, b in pairwise(widths))


def report(single: dict[str, dict[str, float]], two: dict[str, dict[str, float]]) -> str:
    latency, bandwidth = fitted(two["sums"])
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    lines = [
        "# Training by several processes", "",
        f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} meanwhile; MPICH in shared memory.",
        "Each rank has a single thread; times are the least of many. Written by benchmarks/distributed.py.", "",
        "## The sum of a tensor over 2 ranks", "", "| bytes | time, µs | MB/s |", "|---:|---:|---:|",
        *(f"| {int(n):,} | {t * 1e6:,.0f} | {int(n) / t / 1e6:,.0f} |" for n, t in two["sums"].items()), "",
        f"That is {latency * 1e6:.0f} µs and {bandwidth / 1e6:,.0f} MB/s.", "",
        f"## A step with {BATCH} samples in all", "",
        "| network | parameters | 1 rank, ms | 2 ranks, ms | ratio |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, widths in NETWORKS.items():
        before, after = single["steps"][name], two["steps"][name]
        lines.append(
            f"| {name} | {parameters(widths):,} | {before * 1e3:.2f} | {after * 1e3:.2f} | {before / after:.2f} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    if "--measure" in sys.argv:
        measure(sys.argv[-1])
        return
    RESULTS.write_text(report(run(1), run(2)), encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

"""What it costs to train by several processes: messages of many sizes, steps on 1 and 2 ranks, and a cluster on paper.

    python -m benchmarks.distributed
    python -m benchmarks.distributed --draw    # the table and the chart anew, from what was measured

starts itself by `pellucid launch` with 1 and 2 ranks, in turns, and writes `benchmarks/results/distributed.json`, the
table `distributed.md` beside it, and the chart `docs/pictures/distributed.png`. A rank has a thread of its own. Times
are medians, with the least beside them, which a shared machine disturbs least; those of two ranks are the longer of the
two. What a cluster would see follows from a formula, with what a single rank has measured.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "distributed.json"
CHART = ROOT / "docs" / "pictures" / "distributed.png"
ROUNDS = 3
SIZES = [4, 1024, 16 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024, 16 * 1024 * 1024]  # bytes
# Gbit/s, latency in µs, bandwidth in bytes a second: assumed.
NETWORKS = [(1, 50e-6, 0.11e9), (10, 30e-6, 1.1e9), (100, 2e-6, 11e9)]
RANKS = 8
STEPS = 12

Times = dict[str, dict[str, Any]]


def timed(function: Callable[[], object], repeats: int) -> tuple[float, float]:
    """The median and the least time of a call, in seconds."""
    from pellucid import distributed as dist

    function()
    times: list[float] = []
    for _ in range(repeats):
        dist.barrier()
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return statistics.median(times), min(times)


def models(rows: int) -> dict[str, tuple[Any, Any, Any]]:
    """Networks with inputs and labels, of `1 / rows` of the batch."""
    import pellucid as torch
    from pellucid import nn

    def perceptron(*widths: int) -> Any:
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*layers[:-1])

    class Transformer(nn.Module):
        def __init__(self, words: int = 65, width: int = 128, length: int = 64) -> None:
            super().__init__()
            self.word, self.place = nn.Embedding(words, width), nn.Embedding(length, width)
            block = nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
            self.blocks = nn.TransformerEncoder(block, 4, enable_nested_tensor=False)
            self.head = nn.Linear(width, words)
            self.mask = nn.Transformer.generate_square_subsequent_mask(length)

        def forward(self, x: Any) -> Any:
            y = self.blocks(self.word(x) + self.place(torch.arange(x.shape[1])), mask=self.mask)
            return self.head(y).flatten(0, 1)

    convolutions = nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(800, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    n = 512 // rows
    return {
        "MLP 784-128-10": (perceptron(784, 128, 10), torch.randn(n, 784), torch.randint(0, 10, (n,))),
        "MLP 784-1024-1024-10": (perceptron(784, 1024, 1024, 10), torch.randn(n, 784), torch.randint(0, 10, (n,))),
        "CNN 16-32 on 28 × 28": (convolutions, torch.randn(n // 4, 1, 28, 28), torch.randint(0, 10, (n // 4,))),
        "GPT 4 × 128": (
            Transformer(), torch.randint(0, 65, (n // 32, 64)), torch.randint(0, 65, (n // 32 * 64,)),
        ),
    }  # fmt: skip


def measure(path: str) -> None:
    """What a rank does; rank 0 writes the times."""
    import pellucid as torch
    from pellucid import distributed as dist

    dist.init_process_group("mpi")
    rank, size = dist.get_rank(), dist.get_world_size()
    found: Times = {"sums": {}, "messages": {}, "steps": {}}
    for count in SIZES if size > 1 else ():
        tensor, repeats = torch.zeros(count // 4), 20 if count > 1e6 else 60
        found["sums"][str(count)] = timed(lambda tensor=tensor: dist.all_reduce(tensor), repeats)

        def there_and_back(tensor: Any = tensor) -> None:
            for sender in (0, 1):
                dist.send(tensor, 1) if rank == sender == 0 else None
                dist.recv(tensor, 0) if rank == 1 and sender == 0 else None
                dist.send(tensor, 0) if rank == sender == 1 else None
                dist.recv(tensor, 1) if rank == 0 and sender == 1 else None

        both = timed(there_and_back, repeats)
        found["messages"][str(count)] = (both[0] / 2, both[1] / 2)
    found["steps"] = {name: steps(*given) for name, given in models(size).items()}
    every: list[Any] = [None] * size
    dist.all_gather_object(every, found)
    if rank == 0:
        Path(path).write_text(json.dumps(slowest(every)), encoding="utf-8")


def steps(model: Any, x: Any, y: Any) -> dict[str, Any]:
    """Times of steps, in turns: gradients are sent during backward, after it, and not at all."""
    import pellucid as torch
    from pellucid import distributed as dist
    from pellucid import nn
    from pellucid.distributed.reducer import Reducer

    size = dist.get_world_size()
    parallel = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    later = Reducer([*model.named_parameters()], dist.group.WORLD, by_caller=True, hooks=False)  # type: ignore[arg-type]
    later.factor = 1 / size
    parts: dict[str, list[float]] = {"overlap": [], "later": [], "alone": [], "cpu": [], "backward": []}

    def step(how: str) -> None:
        optimizer.zero_grad()
        dist.barrier()
        begun, cpu = time.perf_counter(), time.process_time()
        parallel.require_backward_grad_sync = how == "overlap"
        loss = nn.functional.cross_entropy(parallel(x), y)
        if how == "later":
            later.arm()
        half = time.process_time()
        loss.backward()
        backward = time.process_time() - half
        if how == "later" and size > 1:
            later.complete()
        optimizer.step()
        parts[how].append(time.perf_counter() - begun)
        if how == "alone":
            parts["cpu"].append(time.process_time() - cpu)
            parts["backward"].append(backward)

    for turn in range(STEPS + 1):
        for how in ("overlap", "later", "alone"):
            step(how)
        if not turn:  # the first is slower
            for times in parts.values():
                times.clear()
    sizes = [bucket.length * 4 for bucket in later.buckets]
    found = {how: (statistics.median(times), min(times)) for how, times in parts.items()}
    return {**found, "bytes": sum(sizes), "last": sizes[-1]}


def slowest(every: Any) -> Any:
    """Of the times of all ranks the longest."""
    first = every[0]
    if isinstance(first, dict):
        return {name: slowest([times[name] for times in every]) for name in first}
    if isinstance(first, list | tuple):
        return [slowest([times[i] for times in every]) for i in range(len(first))]
    return max(every)


def together(rounds: list[Any]) -> Any:
    """Of several rounds the median of the medians and the least of the least."""
    first = rounds[0]
    if isinstance(first, dict):
        return {name: together([times[name] for times in rounds]) for name in first}
    if isinstance(first, list | tuple):
        return [statistics.median(times[0] for times in rounds), min(times[1] for times in rounds)]
    return first


def run(ranks: int) -> Times:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "times.json"
        environment = dict(os.environ, PYTHONPATH=str(ROOT / "src"))
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        command = [sys.executable, "-m", "pellucid", "launch", "-n", str(ranks), __file__, "--measure", str(path)]
        subprocess.run(command, env=environment, check=True)
        return json.loads(path.read_text(encoding="utf-8"))


def ring(count: float, latency: float, bandwidth: float, ranks: int) -> float:
    """Seconds in which a ring of ranks sums `count` bytes."""
    return 2 * (ranks - 1) * latency + 2 * count * (ranks - 1) / (ranks * bandwidth)


def on_paper(step: dict[str, Any], latency: float, bandwidth: float, ranks: int, share: float) -> float:
    """The time of a step in which each rank has `share` of the batch that was measured on a single rank."""
    computing, backward = step["cpu"][0] * share, step["backward"][0] * share
    hidden = ring(step["bytes"], latency, bandwidth, ranks) - backward
    return computing + max(hidden, ring(step["last"], latency, bandwidth, ranks))


def report(found: dict[str, Any]) -> str:
    single, two, load = found["ranks"]["1"], found["ranks"]["2"], found["load"]

    def milliseconds(pair: Any) -> str:
        return f"{pair[0] * 1e3:.2f} ({pair[1] * 1e3:.2f})"

    lines = [
        "# Training by several processes", "",
        f"{found['machine']}, {found['cores']} cores, load {load:.1f} before it began; MPICH in shared memory.",
        f"A rank has a single thread; times are medians of {ROUNDS} rounds of processes, in brackets the least.",
        "Written by `python -m benchmarks.distributed`.",
        "", "## Between 2 ranks", "",
        "| bytes | all_reduce, µs | MB/s | send, µs | MB/s |", "|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for count in map(str, SIZES):
        row = [f"{int(count):,}"]
        for median, least in (two["sums"][count], two["messages"][count]):
            row += [f"{median * 1e6:,.0f} ({least * 1e6:,.0f})", f"{int(count) / median / 1e6:,.0f}"]
        lines.append(f"| {' | '.join(row)} |")
    lines += [
        "", "## A step, with the same samples in all", "",
        "| network | parameters | 1 rank, ms | 2 ranks, ms | times as fast | CPU of 1, ms | of each of 2, unsent, ms |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, step in single["steps"].items():
        before, after = step["alone"], two["steps"][name]["overlap"]
        lines.append(
            f"| {name} | {step['bytes'] // 4:,} | {milliseconds(before)} | {milliseconds(after)} | "
            f"{before[0] / after[0]:.2f} ({before[1] / after[1]:.2f}) | {milliseconds(step['cpu'])} | "
            f"{milliseconds(two['steps'][name]['cpu'])} |"
        )
    lines += [
        "", "## Sending during backward, and after it, on 2 ranks", "",
        "| network | not sent, ms | during backward, ms | after it, ms | after / during |", "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, step in two["steps"].items():
        row = [milliseconds(step[how]) for how in ("alone", "overlap", "later")]
        ratios = [step["later"][i] / step["overlap"][i] for i in (0, 1)]
        lines.append(f"| {name} | {' | '.join(row)} | {ratios[0]:.2f} ({ratios[1]:.2f}) |")
    lines += [
        "", f"## On paper: {RANKS} machines", "",
        "As docs/distributed.md says, with the CPU time of 1 rank above; latencies (50, 30, 2 µs) and bandwidths",
        "(0.11, 1.1, 11 GB/s) are assumed. First the batch is divided among them, then each has a whole one.", "",
        "| network | gradients, MB | Gbit/s | sum, ms | divided: step, ms | times as fast | whole: step, ms | of 8 × |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, step in single["steps"].items():
        for speed, latency, bandwidth in NETWORKS:
            strong = on_paper(step, latency, bandwidth, RANKS, 1 / RANKS)
            weak = on_paper(step, latency, bandwidth, RANKS, 1)
            total = ring(step["bytes"], latency, bandwidth, RANKS)
            lines.append(
                f"| {name} | {step['bytes'] / 1e6:.2f} | {speed} | {total * 1e3:.1f} | {strong * 1e3:.1f} | "
                f"{step['cpu'][0] / strong:.1f} | {weak * 1e3:.1f} | {step['cpu'][0] / weak:.0%} |"
            )
    return "\n".join([*lines, ""])


def chart(found: dict[str, Any]) -> None:
    """Two ranks against one, a cluster on paper, and messages by their size."""
    from matplotlib import pyplot as plt

    from pellucid.viz import style

    single, two = found["ranks"]["1"], found["ranks"]["2"]
    names, colours = list(single["steps"]), (style.SKY, style.BLUE, style.GREEN)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4.2), layout="constrained")
    ones = [single["steps"][name] for name in names]
    twos = [two["steps"][name] for name in names]
    sides = {
        "computing alone (CPU time)": [a["cpu"][0] / b["cpu"][0] for a, b in zip(ones, twos, strict=True)],
        "whole steps": [a["alone"][0] / b["overlap"][0] for a, b in zip(ones, twos, strict=True)],
    }
    bars(left, sides, names, colours)
    left.set(title="2 ranks on 2 cores", xlabel="times as fast as 1 (the line: 1)")
    paper = {
        f"{speed} Gbit/s": [step["cpu"][0] / on_paper(step, latency, width, RANKS, 1 / RANKS) for step in ones]
        for speed, latency, width in NETWORKS
    }
    bars(middle, paper, names, colours)
    middle.set(title=f"{RANKS} machines, on paper", xlabel="times as fast as 1, of the same batch")
    middle.set_yticklabels([])
    for kind, said, marker, colour in (
        ("sums", "all_reduce", "o", style.BLUE), ("messages", "send", "s", style.ORANGE),
    ):  # fmt: skip
        right.plot(SIZES, [two[kind][str(n)][0] * 1e6 for n in SIZES], marker=marker, color=colour, label=said)
    right.set(xscale="log", yscale="log", title="between 2 ranks", xlabel="bytes", ylabel="µs, median")
    right.legend(frameon=False)
    for ax in (left, middle, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(CHART, dpi=100)
    plt.close(figure)


def bars(ax: Any, sides: dict[str, list[float]], names: list[str], colours: tuple[str, ...]) -> None:
    height = 0.8 / len(sides)
    for turn, (side, values) in enumerate(sides.items()):
        places = [place + (turn - (len(sides) - 1) / 2) * height for place in range(len(names))]
        ax.barh(places, values, 0.9 * height, color=colours[turn], label=side)
        for place, value in zip(places, values, strict=True):
            ax.text(value + 0.02 * max(values), place, f"{value:.2f}", va="center", fontsize=7)
    ax.axvline(1, color="black", linewidth=1)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=len(sides), frameon=False, fontsize=8)


def main() -> None:
    if "--measure" in sys.argv:
        measure(sys.argv[-1])
        return
    if "--draw" not in sys.argv:
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        rounds = [(run(1), run(2)) for _ in range(ROUNDS)]
        ranks = {str(1 + i): together([each[i] for each in rounds]) for i in (0, 1)}
        found = {"machine": platform.machine(), "cores": os.cpu_count(), "load": load, "ranks": ranks}
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    found = json.loads(RESULTS.read_text(encoding="utf-8"))
    RESULTS.with_suffix(".md").write_text(report(found), encoding="utf-8")
    chart(found)
    print(RESULTS.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

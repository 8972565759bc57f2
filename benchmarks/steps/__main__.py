"""Whole training steps: pellucid compiled, eager with its kernels and without, and their peers.

    python -m benchmarks.steps [NAME…] [--threads 1] [--processes 5] [--rounds 3] [--minutes 12]

The peers are PyTorch (eager; compiled where this machine has a C++ compiler, which it needs), JAX's jit, which donates
weights and states, and for the MLP NumPy by hand, autograd, MyGrad and tinygrad (where clang is, which its CPU needs).
Peers that are not installed are left out, and named: `pip install ".[test,bench]"` has them.

The same weights and batches; the losses of three steps must agree before anything is timed. Each side runs in a process
of its own, which does a few steps when it is its turn; after some rounds all processes are begun anew, since how a
process happens to lie in memory makes some per cent. The steps take turns, too: each has had a set of processes before
the first has its second, and after each set what is known is written. Five sets of all steps take about ten minutes on
an idle machine; after `--minutes` no other set is begun. A step that fails is named at the end, and left as it was.

Ratios are medians over all rounds of the ratio within a round, so that a machine that slows down for a while slows all
of them. On one thread the seconds are those of the processor, so that other programs count less; on more they are those
of the clock. The result goes to benchmarks/results/steps.json, as tables to steps.md and as a chart to
docs/pictures/speed.png.
"""

import argparse
import importlib.util
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.steps.programs import PROGRAMS
from benchmarks.steps.report import RESULTS, write

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = ("compiled", "pellucid", "without")  # `pellucid` is eager with its kernels
SMALL = ("numpy", "autograd", "mygrad", "tinygrad")
SIDES = (*OURS, *SMALL, "jax", "torch.compile", "torch")
BESIDE = ("without", "autograd", "mygrad", "tinygrad")


def sides_of(name: str) -> list[str]:
    """Those that can be measured here."""

    def is_here(side: str) -> bool:
        if side == "torch.compile":
            return any(map(shutil.which, ("g++", "clang++")))
        if side == "tinygrad" and not shutil.which("clang"):
            return False
        return side in OURS or importlib.util.find_spec(side) is not None

    return [side for side in SIDES if (side not in SMALL or name.startswith("MLP")) and is_here(side)]


class Failed(Exception):
    """A step could not be measured."""


class Side:
    """A process that does steps when it is asked to."""

    def __init__(self, side: str, name: str, threads: int) -> None:
        counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
        if threads == 1:
            counts["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        kernels = "0" if side == "without" else "1"
        path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.steps.serve", side, name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **counts, "PYTHONPATH": path, "PELLUCID_KERNELS": kernels},
        )  # fmt: skip

    def says(self) -> Any:
        """The next line, or None where the process has ended."""
        if self.process.stdout is None:
            raise RuntimeError("the pipe is missing")
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def ask(self, what: int | str) -> Any:
        if self.process.stdin is None:
            raise RuntimeError("the pipe is missing")
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.says()


@contextmanager
def begun(name: str, sides: list[str], threads: int) -> Iterator[tuple[dict[str, Side], dict[str, Any]]]:
    """The sides' processes, and what each said of its first steps, whose losses agree."""
    servers = {side: Side(side, name, threads) for side in sides}
    try:
        said = {side: server.says() for side, server in servers.items()}
        if broken := [side for side in sides if said[side] is None]:
            print(f"{name}: left out, since no step came of it: {', '.join(broken)}")
        said = {side: found for side, found in said.items() if found}
        if "torch" not in said:
            raise Failed("no step came of torch, which the others are compared with")
        for side, found in said.items():
            pairs = zip(found["losses"], said["torch"]["losses"], strict=True)
            if any(abs(a - b) > 1e-4 * abs(b) for a, b in pairs):
                raise Failed(f"{side} and torch do not compute the same: {said}")
        yield {side: servers[side] for side in said}, said
    finally:
        for server in servers.values():
            server.process.communicate()


def spread(ratios: list[float]) -> list[float]:
    """Median, and the quartiles on both sides of it."""
    if len(ratios) < 2:
        return [round(ratios[0], 3)] * 3
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return [round(middle, 3), round(low, 3), round(high, 3)]


class Race:
    """The times of one step by all sides, as sets of processes are begun one after the other."""

    def __init__(self, name: str, threads: int) -> None:
        self.name, self.threads = name, threads
        self.sides = sides_of(name)
        self.times: list[dict[str, float]] = []  # a round each
        self.memory: dict[str, list[float]] = {side: [] for side in self.sides}
        self.first: dict[str, list[float]] = {side: [] for side in self.sides}
        self.losses: dict[str, list[float]] = {}

    def run(self, rounds: int) -> None:
        """Begin all processes, do the rounds, end them. Those that no ratio is made of do so in the first set alone."""
        sides = [side for side in self.sides if not self.times or side not in BESIDE]
        with begun(self.name, sides, self.threads) as (servers, said):
            sides = list(servers)
            self.losses |= {side: found["losses"] for side, found in said.items()}
            for side, found in said.items():
                self.first[side].append(found["first"])
            each = max(1, round(0.15 / max(servers["torch"].ask(2)[1], 1e-4)))
            for turn in range(rounds):
                order = sides[turn % len(sides) :] + sides[: turn % len(sides)]
                found = {side: servers[side].ask(each) for side in order}
                self.times.append({side: found[side][0 if self.threads == 1 else 1] for side in sides})
            for side in sides:
                if (most := servers[side].ask("memory")) is not None:
                    self.memory[side].append(most)

    def row(self) -> dict[str, Any]:
        """The times of all, what they held, and how many times as fast as PyTorch's eager step they are."""

        def middle(side: str) -> float:
            return statistics.median(turn[side] for turn in self.times if side in turn)

        def over(side: str, other: str) -> list[float]:
            return spread([turn[side] / turn[other] for turn in self.times if side in turn and other in turn])

        sides = [side for side in self.sides if any(side in turn for turn in self.times)]
        best = min((side for side in ("jax", "torch.compile") if side in sides), key=middle, default=None)
        return {
            "name": self.name, "threads": self.threads, "rounds": len(self.times), "losses": self.losses,
            "ms": {side: round(1e3 * middle(side), 4) for side in sides},
            "MB": {side: round(statistics.median(self.memory[side]), 1) for side in sides if self.memory[side]},
            "first step, s": {side: round(statistics.median(self.first[side]), 2) for side in sides},
            "torch over": {side: over("torch", side) for side in sides},
            "best peer": best,
            "best peer over compiled": over(best, "compiled") if best else None,
        }  # fmt: skip


def about() -> dict[str, Any]:
    """The machine and the versions, as they stand in each row."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    changed = git("status", "--porcelain", "src")  # what is written here while it measures does not count
    versions = {"python": platform.python_version()}
    for name in ("numpy", "llvmlite", "torch", "jax", "autograd", "mygrad", "tinygrad"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "commit": f"{commit}-dirty" if changed else commit,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "versions": versions,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(PROGRAMS)}; all by default")
    parser.add_argument("--threads", type=int, default=1, help="of each side; with 2, seconds are those of the clock")
    parser.add_argument("--processes", type=int, default=5, help="how often all processes are begun anew")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that each of them does")
    parser.add_argument("--minutes", type=float, default=12, help="after which no other set of processes is begun")
    asked = parser.parse_args()
    if wrong := [name for name in asked.names if name not in PROGRAMS]:
        parser.error(f"no step is named {', '.join(map(repr, wrong))}; there are: {', '.join(map(repr, PROGRAMS))}")
    place = RESULTS / "steps.json"
    rows = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    races = {name: Race(name, asked.threads) for name in asked.names or PROGRAMS}
    failed: dict[str, str] = {}
    end = time.monotonic() + 60 * asked.minutes
    for turn in range(asked.processes):
        for name, race in races.items():
            if name in failed or (turn and time.monotonic() > end):
                continue
            try:
                race.run(asked.rounds)
            except (Failed, OSError, ValueError, TypeError) as failure:  # a process may end in between
                failed[name] = str(failure)
                continue
            row = {**race.row(), **about()}
            print(f"{name}: " + ", ".join(f"{side} {value:.3f} ms" for side, value in row["ms"].items()), flush=True)
            rows = [old for old in rows if (old["name"], old["threads"]) != (name, asked.threads)] + [row]
            rows.sort(key=lambda row: (row["threads"], [*PROGRAMS].index(row["name"])))
            write(rows)  # those that were not asked for stay
    if failed:
        raise SystemExit("\n".join(f"{name}: {reason}" for name, reason in failed.items()))


if __name__ == "__main__":
    main()

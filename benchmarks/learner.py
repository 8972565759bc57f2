"""What the Learner costs over a bare loop: epochs of the MLP 784-128-10 on batches of 64.

    python benchmarks/learner.py [--rounds 10] [--threads 1] [--cpu]

An epoch has 860 steps, as MNIST's 55,000 training images have. Twenty of them go through the Learner, the same twenty
through the five verbs written out (which record nothing), and so on in turns, so that a machine that slows down slows
both. The Learner's time is an epoch's less that of the bare loop within it: what happens once per epoch is in it. Both
begin with the same weights and must reach the same loss.

Measured are the Learner without callbacks; with its default ones (Recorder, Progress; on a terminal); with those of
`pellucid train` (Recorder that writes history.csv, NaNGuard, a checkpoint per epoch, the bar on a terminal), without
and with its statistics of activations and gradients, as often as in ten epochs of MNIST. What is reported is the median
of an epoch's ratio over the rounds. With `--cpu` it is the processor's time, for a machine that has other work: waiting
for the disk is then not in it.
"""

import argparse
import gc
import inspect
import io
import json
import os
import platform
import statistics
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
STEPS, BATCH, CHUNK = 860, 64, 20


class Terminal(io.StringIO):
    """A terminal that nobody looks at: what is written for one is computed, and costs what it costs."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


class InTurns:
    """The batches of an epoch; each twenty of them go through the bare loop first, whose time is counted."""

    def __init__(self, batches: Any, clock: Callable[[], float]) -> None:
        self.batches, self.clock, self.seconds = batches, clock, 0.0
        self.begun: list[tuple[float, float]] = []  # when each epoch began, and the bare loop's time until then
        self.parts = parts()

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        self.begun.append((self.clock(), self.seconds))
        for place in range(0, len(self.batches), CHUNK):
            chunk = self.batches[place : place + CHUNK]
            start = self.clock()
            self.loss = bare_loop(*self.parts, chunk)
            self.seconds += self.clock() - start
            yield from chunk


def bare_loop(model: Any, loss_function: Any, optimizer: Any, batches: Any) -> Any:
    for inputs, target in batches:
        output = model(inputs)
        loss = loss_function(output, target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return loss


def parts() -> tuple[Any, Any, Any]:
    """Model, loss and optimiser, the same each time."""
    import pellucid

    pellucid.manual_seed(0)
    model = pellucid.nn.Sequential(pellucid.nn.Linear(784, 128), pellucid.nn.ReLU(), pellucid.nn.Linear(128, 10))
    return model, pellucid.nn.CrossEntropyLoss(), pellucid.optim.SGD(model.parameters(), lr=0.1)


def contestants(batches: Any, folder: Path, each: bool, clock: Callable[[], float]) -> dict[str, Any]:
    """Learners by what they are hung with."""
    from rich.console import Console

    from pellucid.cli.screen import Screen
    from pellucid.experiments.session import statistics_every
    from pellucid.train import ActivationStats, Checkpoint, GradientStats, Learner, NaNGuard, Progress, Recorder

    def learner(*callbacks: Any, **options: Any) -> Any:
        model, loss, optimizer = parts()
        return Learner(model, InTurns(batches, clock), loss, optimizer, callbacks=callbacks, **options)

    def screen() -> Any:
        return Screen(Console(file=Terminal(), force_terminal=True, width=100), "accuracy")

    def of_the_command(name: str) -> list[Any]:
        place = folder / name
        place.mkdir()
        return [Recorder(50, place / "history.csv"), NaNGuard(), Checkpoint(place / "checkpoints"), screen()]

    every = statistics_every(10 * STEPS)
    found = {
        "without callbacks": learner(defaults=()),
        "default callbacks": learner(),
        "without statistics": learner(*of_the_command("a"), defaults=()),
        "pellucid train": learner(*of_the_command("b"), ActivationStats(every), GradientStats(every), defaults=()),
    }
    if each:
        alone = [*of_the_command("c"), Recorder(), Progress(), ActivationStats(every), GradientStats(every)]
        names = [
            "Recorder with a file",
            "NaNGuard",
            "Checkpoint",
            "Screen",
            *(type(callback).__name__ for callback in alone[4:]),
        ]
        found |= {
            f"  {name} alone": learner(callback, defaults=()) for name, callback in zip(names, alone, strict=True)
        }
    return found


def measure(learners: dict[str, Any], rounds: int) -> dict[str, dict[str, float]]:
    result: dict[str, dict[str, float]] = {}
    for name, learner in learners.items():
        loader = learner.loader
        gc.collect()
        gc.disable()
        learner.fit(rounds + 2)  # the first epoch is to warm up, and the last has no next one to end it
        gc.enable()
        if learner.loss_value != loader.loss.item():
            raise SystemExit(f"{name}: the loss is {learner.loss_value}, in the bare loop {loader.loss.item()}")
        bare = [end - start for (_, start), (_, end) in pairwise(loader.begun[1:])]
        own = [
            end - start - less for ((start, _), (end, _)), less in zip(pairwise(loader.begun[1:]), bare, strict=True)
        ]
        result[name] = {
            "bare, microseconds per step": round(1e6 * statistics.median(bare) / len(loader), 1),
            "microseconds per step": round(1e6 * statistics.median(own) / len(loader), 1),
            "over the bare loop": round(statistics.median(a / b for a, b in zip(own, bare, strict=True)) - 1, 4),
        }
    return result


def lines_of_the_loop() -> dict[str, int]:
    """Lines of code, without docstrings, comments and empty lines."""
    from pellucid.train.loop import Loop

    def lines(name: str) -> int:
        source = textwrap.dedent(inspect.getsource(getattr(Loop, name)))
        text = source.replace(getattr(Loop, name).__doc__ or "\0", "").replace('""""""', "")
        return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())

    counted = {name: lines(name) for name in ("fit", "fit_epoch", "fit_batch")}
    counted["the five verbs"] = sum(map(lines, ("forward", "get_loss", "backward", "update", "zero_grad")))
    return {**counted, "in all": sum(counted.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--cpu", action="store_true", help="measure the processor's time")
    parser.add_argument("--each", action="store_true", help="each callback alone, too")
    asked = parser.parse_args()
    # Before NumPy is imported: its BLAS reads these once.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(asked.threads)
    import numpy as np

    import pellucid

    random = np.random.default_rng(0)
    some = [
        (
            pellucid.from_numpy(random.random((BATCH, 784), dtype=np.float32)),
            pellucid.from_numpy(random.integers(0, 10, BATCH)),
        )
        for _ in range(50)
    ]
    batches = [some[step % len(some)] for step in range(STEPS)]
    clock = time.process_time if asked.cpu else time.perf_counter
    stderr, sys.stderr = sys.stderr, Terminal()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(contestants(batches, Path(folder), asked.each, clock), asked.rounds)
    finally:
        sys.stderr = stderr
    for name, row in rows.items():
        own, bare = row["microseconds per step"], row["bare, microseconds per step"]
        print(f"{name:<30} {own:>7.1f} µs a step, bare {bare:>7.1f} µs   {row['over the bare loop']:>+7.2%}")
    lines = lines_of_the_loop()
    print("lines of the loop: " + ", ".join(f"{name} {count}" for name, count in lines.items()))
    result = {
        "threads": asked.threads,
        "rounds": asked.rounds,
        "python": platform.python_version(),
        "clock": "processor" if asked.cpu else "wall",
        "batch": BATCH,
        "steps": STEPS,
        "rows": rows,
        "lines of the loop": lines,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "learner.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

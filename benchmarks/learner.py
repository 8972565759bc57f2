"""What the Learner costs over a bare loop: epochs of the MLP 784-128-10 on batches of 64, in turns in one run.

    python benchmarks/learner.py [--rounds 20] [--threads 1]

An epoch has 860 steps, as MNIST's 55,000 training images have, and a turn two epochs. Contestants: the five verbs
written out, which record nothing; the Learner without callbacks; with its default ones (Recorder, Progress; on a
terminal); with those of `pellucid train` (Recorder that writes history.csv, NaNGuard, a checkpoint per epoch, the bar
on a terminal), without and with its statistics of activations and gradients, as often as in ten epochs of MNIST. All
begin with the same weights, so all must reach the same loss. What is reported is the median over rounds of the ratio
within a round.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
STEPS, BATCH, EPOCHS = 860, 64, 2


class Terminal(io.StringIO):
    """A terminal that nobody looks at: what is written for one is computed, and costs what it costs."""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def parts(library: Any) -> tuple[Any, Any, Any]:
    """Model, loss and optimiser, the same each time."""
    library.manual_seed(0)
    model = library.nn.Sequential(library.nn.Linear(784, 128), library.nn.ReLU(), library.nn.Linear(128, 10))
    return model, library.nn.CrossEntropyLoss(), library.optim.SGD(model.parameters(), lr=0.1)


def bare_loop(model: Any, loss_function: Any, optimizer: Any, batches: Any) -> Callable[[], float]:
    def turn() -> float:
        model.train()
        for _ in range(EPOCHS):
            for inputs, target in batches:
                output = model(inputs)
                loss = loss_function(output, target)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
        return loss.item()

    return turn


def with_learner(learner: Any) -> Callable[[], float]:
    def turn() -> float:
        learner.fit(EPOCHS)
        return learner.loss_value

    return turn


def contestants(batches: Any, folder: Path) -> dict[str, Callable[[], float]]:
    from rich.console import Console

    import pellucid
    from pellucid.cli.screen import Screen
    from pellucid.cli.train import statistics_every
    from pellucid.train import ActivationStats, Checkpoint, GradientStats, Learner, NaNGuard, Recorder

    def learner(*callbacks: Any, **options: Any) -> Any:
        model, loss, optimizer = parts(pellucid)
        return Learner(model, batches, loss, optimizer, callbacks=callbacks, **options)

    def of_the_command(folder: Path) -> tuple[Any, ...]:
        folder.mkdir()
        screen = Screen(Console(file=Terminal(), force_terminal=True, width=100), "accuracy")
        return Recorder(50, folder / "history.csv"), NaNGuard(), Checkpoint(folder / "checkpoints"), screen

    every = statistics_every(10 * STEPS)
    statistics = ActivationStats(every), GradientStats(every)
    return {
        "bare loop": bare_loop(*parts(pellucid), batches),
        "without callbacks": with_learner(learner(defaults=())),
        "default callbacks": with_learner(learner()),
        "without statistics": with_learner(learner(*of_the_command(folder / "without"), defaults=())),
        "pellucid train": with_learner(learner(*of_the_command(folder / "with"), *statistics, defaults=())),
    }


def one_by_one(batches: Any, folder: Path) -> dict[str, Callable[[], float]]:
    """The bare loop, and the Learner with each callback alone."""
    from rich.console import Console

    import pellucid
    from pellucid.cli.screen import Screen
    from pellucid.train import Checkpoint, Learner, NaNGuard, Progress, Recorder

    console = Console(file=Terminal(), force_terminal=True, width=100)
    alone = {
        "Recorder": Recorder(),
        "Progress": Progress(),
        "Screen": Screen(console, "accuracy"),
        "NaNGuard": NaNGuard(),
        "Checkpoint": Checkpoint(folder / "checkpoints"),
    }
    result = {"bare loop": bare_loop(*parts(pellucid), batches)}
    for name, callback in alone.items():
        model, loss, optimizer = parts(pellucid)
        result[name] = with_learner(Learner(model, batches, loss, optimizer, callbacks=[callback], defaults=()))
    return result


def lines_of_the_loop() -> dict[str, int]:
    """Lines of code, without docstrings, comments and empty lines."""
    from pellucid.train.loop import Loop

    def lines(name: str) -> int:
        source = textwrap.dedent(inspect.getsource(getattr(Loop, name)))
        text = source.replace(getattr(Loop, name).__doc__ or "\0", "").replace('""""""', "")
        return sum(bool(line.strip()) and not line.strip().startswith("#") for line in text.splitlines())

    verbs = ("forward", "get_loss", "backward", "update", "zero_grad")
    counted = {name: lines(name) for name in ("fit", "fit_epoch", "fit_batch")}
    return {
        **counted,
        "the five verbs": sum(map(lines, verbs)),
        "in all": sum(counted.values()) + sum(map(lines, verbs)),
    }


def measure(contenders: dict[str, Callable[[], float]], rounds: int) -> dict[str, dict[str, float]]:
    losses = {name: turn() for name, turn in contenders.items()}
    if len(set(losses.values())) > 1:
        raise SystemExit(f"they do not compute the same: losses after a turn {losses}")
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    gc.disable()
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            start = time.perf_counter()
            contenders[name]()
            taken[name].append(time.perf_counter() - start)
        gc.collect()
    gc.enable()
    return {
        name: {
            "microseconds per step": round(1e6 * statistics.median(times) / (STEPS * EPOCHS), 1),
            "over the bare loop": round(
                statistics.median(a / b for a, b in zip(times, taken["bare loop"], strict=True)) - 1, 4
            ),
        }
        for name, times in taken.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
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
    lines = lines_of_the_loop()
    stderr, sys.stderr = sys.stderr, Terminal()
    try:
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(contestants(batches, Path(folder)), asked.rounds)
            each = measure(one_by_one(batches, Path(folder) / "each"), asked.rounds) if asked.each else {}
    finally:
        sys.stderr = stderr
    for name, row in (*rows.items(), *((f"  {name} alone", row) for name, row in each.items() if name in row or each)):
        print(f"{name:<22} {row['microseconds per step']:>7.1f} µs a step   {row['over the bare loop']:>+7.2%}")
    print("lines of the loop: " + ", ".join(f"{name} {count}" for name, count in lines.items()))
    result = {"threads": asked.threads, "rounds": asked.rounds, "python": platform.python_version()}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "learner.json").write_text(
        json.dumps(
            {**result, "batch": BATCH, "steps": STEPS, "epochs": EPOCHS, "rows": rows, "lines of the loop": lines},
            indent=2,
        )
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()

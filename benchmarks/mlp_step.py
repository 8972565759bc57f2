"""One training step of the MLP 784-128-10: hand-written NumPy, pellucid, and PyTorch eager, in turns in one run.

    python benchmarks/mlp_step.py [--threads 1] [--rounds 60]

The same weights, batches and learning rate (float32, ReLU, softmax cross-entropy, plain SGD); the three must reach the
same loss before anything is timed. What is reported is the median over rounds of the ratio within a round, so that
a machine that slows down for a while slows all three.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LEARNING_RATE = 0.1
WARM_UP = 20


def numpy_step(weights: list[Any], x: Any, y: Any) -> Callable[[], float]:
    """The step as one who knows NumPy writes it: each array made once, changed in place where it can be."""
    import numpy as np

    w1, b1, w2, b2 = weights  # (128, 784), (128,), (10, 128), (10,)
    rows = np.arange(len(y))
    rate = np.float32(LEARNING_RATE)
    n = np.float32(len(y))

    def step() -> float:
        h = x @ w1.T
        h += b1
        np.maximum(h, 0, out=h)
        z = h @ w2.T
        z += b2
        z -= z.max(axis=1, keepdims=True)
        chosen = z[rows, y]
        p = np.exp(z, out=z)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - chosen).mean())
        p /= total
        p[rows, y] -= 1
        p /= n  # p is now the gradient by the logits
        dw2 = p.T @ h
        db2 = p.sum(axis=0)
        dh = p @ w2
        dh *= h > 0
        dw1 = dh.T @ x
        db1 = dh.sum(axis=0)
        for weight, gradient in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
            gradient *= rate
            weight -= gradient
        return loss

    return step


def library_step(torch: Any, weights: list[Any], x: Any, y: Any) -> Callable[[], float]:
    """The step in PyTorch's words; `torch` is PyTorch or pellucid."""
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(weight))
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    cross_entropy = nn.functional.cross_entropy
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def seconds_per_step(step: Callable[[], float], steps: int) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - start) / steps


def measure(batch: int, rounds: int) -> dict[str, Any]:
    import numpy as np
    import torch

    import pellucid

    random = np.random.default_rng(0)
    weights = [
        random.uniform(-1, 1, shape).astype(np.float32) / np.float32(fan_in**0.5)
        for shape, fan_in in (((128, 784), 784), ((128,), 784), ((10, 128), 128), ((10,), 128))
    ]
    x = random.random((batch, 784), dtype=np.float32)
    y = random.integers(0, 10, batch)
    steps = {
        "numpy": numpy_step([weight.copy() for weight in weights], x, y),
        "pellucid": library_step(pellucid, weights, x, y),
        "torch": library_step(torch, weights, x, y),
    }
    losses = {name: [step() for _ in range(WARM_UP)][-1] for name, step in steps.items()}
    if not np.allclose(list(losses.values()), losses["numpy"], rtol=1e-4):
        raise SystemExit(f"the three do not compute the same: losses after {WARM_UP} steps {losses}")

    per_round = max(1, int(0.02 / seconds_per_step(steps["numpy"], 10)))
    taken: dict[str, list[float]] = {name: [] for name in steps}
    gc.disable()
    for turn in range(rounds):
        names = list(steps)
        for name in names[turn % 3 :] + names[: turn % 3]:
            taken[name].append(seconds_per_step(steps[name], per_round))
        gc.collect()
    gc.enable()

    def ratio(over: str, under: str) -> float:
        return round(statistics.median(a / b for a, b in zip(taken[over], taken[under], strict=True)), 3)

    return {
        "batch": batch,
        "microseconds": {name: round(1e6 * statistics.median(times), 1) for name, times in taken.items()},
        "pellucid/numpy": ratio("pellucid", "numpy"),
        "torch/numpy": ratio("torch", "numpy"),
        "pellucid/torch": ratio("pellucid", "torch"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--batch", type=int, nargs="+", default=[16, 64, 512])
    asked = parser.parse_args()
    # Before NumPy is imported: its BLAS reads these once.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(asked.threads)
    import torch

    torch.set_num_threads(asked.threads)

    print(f"{'batch':>5}  {'numpy':>9}  {'pellucid':>9}  {'torch':>9}   pellucid/numpy  torch/numpy  pellucid/torch")
    rows = []
    for batch in asked.batch:
        row = measure(batch, asked.rounds)
        rows.append(row)
        times = "  ".join(f"{row['microseconds'][name]:>6.0f} µs" for name in ("numpy", "pellucid", "torch"))
        print(
            f"{batch:>5}  {times}   {row['pellucid/numpy']:>14.2f}  {row['torch/numpy']:>11.2f}"
            f"  {row['pellucid/torch']:>14.2f}"
        )
    result = {"threads": asked.threads, "rounds": asked.rounds, "python": platform.python_version(), "rows": rows}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "mlp_step.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

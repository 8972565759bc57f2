"""pellucid.scalar against micrograd, on micrograd's own moons demo. One command:

    python benchmarks/scalar.py

A step is the demo's: 100 points, an MLP 2-16-16-1, max-margin loss plus 1e-4 times the sum of squared parameters,
backward and update. Both start from the same weights and take turns, a step each, so that a busy machine slows both;
after each step the parameters of the two are compared. The points are Python floats, where the demo has NumPy
scalars: that spares micrograd slow arithmetic. Needs micrograd and scikit-learn (`pip install ".[bench]"`).
"""

import argparse
import gc
import json
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import micrograd.engine
import micrograd.nn
from sklearn.datasets import make_moons

import pellucid.scalar

RESULT = Path(__file__).parent / "results" / "scalar.json"


def train_step(Value, model, points, labels, lr):
    """One step of the demo, word for word but for the accuracy that it prints; returns the loss."""
    inputs = [list(map(Value, point)) for point in points]
    scores = list(map(model, inputs))
    losses = [(1 + -label * score).relu() for label, score in zip(labels, scores, strict=True)]
    data_loss = sum(losses) * (1.0 / len(losses))
    reg_loss = 1e-4 * sum(p * p for p in model.parameters())
    loss = data_loss + reg_loss
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= lr * p.grad
    return loss.data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15, help="steps timed, after one to warm up")
    steps = parser.parse_args().steps

    points, labels = make_moons(n_samples=100, noise=0.1, random_state=1337)
    points, labels = points.tolist(), (labels * 2 - 1).tolist()

    ours = pellucid.scalar.MLP(2, [16, 16, 1])
    theirs = micrograd.nn.MLP(2, [16, 16, 1])
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        q.data = p.data

    contestants = {
        "micrograd": (micrograd.engine.Value, theirs),
        "pellucid.scalar": (pellucid.scalar.Value, ours),
    }
    seconds = {name: [] for name in contestants}
    for step in range(steps + 1):
        for name, (value, model) in contestants.items():
            gc.collect()  # each pays for its own garbage
            start = time.perf_counter()
            train_step(value, model, points, labels, lr=1.0 - 0.9 * step / 100)
            if step > 0:
                seconds[name].append(time.perf_counter() - start)
        apart = max(abs(p.data - q.data) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))
        if apart > 1e-9:
            raise SystemExit(f"after step {step} the two models differ by {apart}: the timing would compare nothing")

    medians = {name: statistics.median(times) for name, times in seconds.items()}
    result = {
        "task": "one training step of micrograd's moons demo (100 points, MLP 2-16-16-1)",
        "steps": steps,
        "median_seconds": medians,
        "fastest_seconds": {name: min(times) for name, times in seconds.items()},
        "ratio_of_medians": medians["micrograd"] / medians["pellucid.scalar"],
        "largest_difference_of_a_parameter": apart,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "micrograd": version("micrograd"),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for name, median in medians.items():
        print(f"{name:16} {1e3 * median:8.1f} ms a step")
    print(f"ratio of medians: {result['ratio_of_medians']:.1f}")


if __name__ == "__main__":
    main()

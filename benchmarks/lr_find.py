"""Do the rates that the learning rate finder suggests train well? Each of them, over many seeds.

    python -m benchmarks.lr_find [--seeds 20] [--data digits,circle,moons,table,digits-cnn] [--optimizers sgd,adam]
        [--mnist DIR]

For each seed, data set and optimiser the finder is asked as `pellucid find-lr` asks it, and the network is trained anew
with each rate that it suggests, for as many epochs as are given below. They are compared with the best of nine fixed
rates on seed 0. A rate trains badly where its run ends with a loss that is no number, or where the mean validation loss
of its last two epochs has made less than three quarters of the way from the loss of the untrained network to that best
one.
Results go to benchmarks/results/lr_find.json; no timing is in them, so other work beside them does no harm.
"""

import argparse
import dataclasses
import json
import math
import tempfile
from pathlib import Path

import numpy as np

from pellucid.cli.find_lr import make_learner
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.train import Recorder

RESULTS = Path(__file__).parent / "results" / "lr_find.json"
FIXED = [float(rate) for rate in np.geomspace(1e-4, 1, 9)]
PART = 0.75

# The options of `pellucid train`, and the epochs of a training: some hundreds of steps each.
SETTINGS = {
    "digits": ({"dataset": "digits"}, 6),
    "circle": ({"dataset": "circle"}, 8),
    "moons": ({"dataset": "moons"}, 20),
    "table": ({"dataset": "table.csv", "target": "price"}, 20),
    "digits-cnn": ({"dataset": "digits", "model": "cnn", "batch_size": 64}, 10),
}


def write_table(path: Path) -> None:
    """400 houses: a real target of two columns and their product, noise, and a column that says nothing."""
    draw = np.random.default_rng(7)
    area, rooms, idle = draw.uniform(30, 200, 400), draw.integers(1, 7, 400), draw.normal(size=400)
    price = 1000 * area + 8000 * rooms + 100 * area * rooms + draw.normal(scale=9000, size=400)
    rows = [f"{a:.1f},{r},{i:.3f},{p:.0f}" for a, r, i, p in zip(area, rooms, idle, price, strict=True)]
    path.write_text("\n".join(["area,rooms,idle,price", *rows]) + "\n")


def learner_of(options, samples):
    config = settings.complete(options, source.classes_of(samples))
    return make_learner(config, samples)


def trained(options, samples, rate: float, epochs: int) -> tuple[float, float]:
    """The validation loss before, and the mean of the last two epochs."""
    learner = learner_of(options, samples)
    learner.add(Recorder())
    before = float(learner.evaluate()["loss"])
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    with np.errstate(all="ignore"):
        learner.fit(epochs)
    losses = [row["val_loss"] for row in learner.recorder.epochs[-2:]]
    return before, float(np.mean(losses))


def measure(name: str, optimizer: str, seeds: int) -> dict:
    given, epochs = SETTINGS[name]
    best, rows = math.inf, []
    for seed in range(seeds):
        options = settings.check({**given, "optimizer": optimizer, "seed": seed})
        samples = source.load({**options, "quiet": True})
        if name == "mnist":
            first = {"x_train": 3000, "y_train": 3000, "x_val": 1000, "y_val": 1000}
            samples = dataclasses.replace(samples, **{part: getattr(samples, part)[:n] for part, n in first.items()})
        if seed == 0:
            best = min(loss for rate in FIXED if (loss := trained(options, samples, rate, epochs)[1]) == loss)
        found = learner_of(options, samples).lr_find()
        rates = {kind: rate for kind, rate in found.suggestions.items() if rate}
        row = {"seed": seed, "usable": found.usable, "reason": found.reason, "rates": rates, "gained": {}}
        known: dict[float, float] = {}
        for kind, rate in rates.items():
            if rate not in known:
                before, after = trained(options, samples, rate, epochs)
                known[rate] = round((before - after) / (before - best), 4) if math.isfinite(after) else -math.inf
            row["gained"][kind] = known[rate]
        rows.append(row)
    kinds = list(dict.fromkeys(kind for row in rows for kind in row["gained"]))
    worst = {kind: min(row["gained"].get(kind, math.inf) for row in rows) for kind in kinds}
    bad = {kind: sum(row["gained"].get(kind, 1) < PART for row in rows) for kind in kinds}
    return {
        "best_fixed": best,
        "worst": worst,
        "bad": bad,
        "none": sum(not row["usable"] for row in rows),
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--data", default=",".join(SETTINGS))
    parser.add_argument("--optimizers", default="sgd,adam")
    parser.add_argument("--mnist", help="a folder with the files of MNIST: 3,000 of its digits are one more data set")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_table(Path(folder) / "table.csv")
        SETTINGS["table"][0]["dataset"] = str(Path(folder) / "table.csv")
        if chosen.mnist:
            SETTINGS["mnist"] = {"dataset": "mnist", "data": chosen.mnist, "model": "mlp:64"}, 4
        results = {}
        for name in dict.fromkeys([*chosen.data.split(","), *(["mnist"] if chosen.mnist else [])]):
            for optimizer in chosen.optimizers.split(","):
                found = results[f"{name} {optimizer}"] = measure(name, optimizer, chosen.seeds)
                print(
                    f"{name} {optimizer}: bad {found['bad']}, worst {found['worst']}, none {found['none']}", flush=True
                )
                chosen.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

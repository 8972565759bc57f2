"""Batches of a DataLoader, beside NumPy's own indexing of the same rows, and PyTorch's DataLoader.

    python -m benchmarks.loader [--rounds 15]

An epoch of 20,000 shuffled rows of 784 numbers with a label each, in batches of 16, 64 and 512, on one thread, in
turns. NumPy's side draws the permutation, and indexes both arrays by a part of it for each batch. The seconds are those
of the
processor; the ratios are medians over the rounds. The result goes to benchmarks/results/loader.json.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
import torch

import pellucid

RESULT = Path(__file__).parent / "results" / "loader.json"
ROWS = 20_000


def epochs(batch: int) -> dict[str, Callable[[], None]]:
    """An epoch of each."""
    draws = np.random.default_rng(0)
    x, y = draws.standard_normal((ROWS, 784), np.float32), draws.integers(0, 10, ROWS)

    def by_numpy() -> None:
        order = draws.permutation(ROWS)
        for start in range(0, ROWS, batch):
            rows = order[start : start + batch]
            x[rows], y[rows]

    def by_loader(library: Any) -> Callable[[], None]:
        data = library.utils.data
        parts = data.TensorDataset(library.from_numpy(x), library.from_numpy(y))
        loader = data.DataLoader(parts, batch_size=batch, shuffle=True)

        def epoch() -> None:
            for _ in loader:
                pass

        return epoch

    return {"numpy": by_numpy, "pellucid": by_loader(pellucid), "torch": by_loader(torch)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    result = {}
    for batch in (16, 64, 512):
        sides = epochs(batch)
        turns = []
        for _ in range(rounds):
            turn = {}
            for side, epoch in sides.items():
                start = time.process_time()
                epoch()
                turn[side] = 1e6 * (time.process_time() - start) / -(-ROWS // batch)
            turns.append(turn)
        result[batch] = {
            "microseconds a batch": {side: round(statistics.median(turn[side] for turn in turns), 1) for side in sides},
            "pellucid / numpy": round(statistics.median(turn["pellucid"] / turn["numpy"] for turn in turns), 2),
            "torch / pellucid": round(statistics.median(turn["torch"] / turn["pellucid"] for turn in turns), 2),
        }
        print(batch, result[batch], flush=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

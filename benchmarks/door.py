"""What the door costs: ops on tiny tensors, where all that is measured is the way in and out.

    python benchmarks/door.py [--rounds 40]

`x * y` and `tanh(x)` on four numbers, in NumPy, in pellucid with and without recording for backward, and in PyTorch,
in turns. The cost of the door is pellucid's time less NumPy's.
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

RESULTS = Path(__file__).parent / "results"
CALLS = 5000


def calls(library: Any, recording: bool) -> dict[str, Callable[[], Any]]:
    x, y = (library.ones(4, requires_grad=recording) for _ in range(2))
    tanh = library.tanh
    return {"mul": lambda: x * y, "tanh": lambda: tanh(x)}


def numpy_calls() -> dict[str, Callable[[], Any]]:
    x, y = np.ones(4, np.float32), np.ones(4, np.float32)
    tanh = np.tanh
    return {"mul": lambda: x * y, "tanh": lambda: tanh(x)}


def nanoseconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter_ns()
    for _ in range(CALLS):
        call()
    return (time.perf_counter_ns() - start) / CALLS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    contestants = {
        "numpy": numpy_calls(),
        "pellucid": calls(pellucid, recording=False),
        "pellucid recording": calls(pellucid, recording=True),
        "torch": calls(torch, recording=False),
        "torch recording": calls(torch, recording=True),
    }
    result: dict[str, dict[str, float]] = {}
    for op in ("mul", "tanh"):
        taken: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, ops in contestants.items():
                taken[name].append(nanoseconds(ops[op]))
        result[op] = {name: round(statistics.median(times)) for name, times in taken.items()}
        print(op)
        for name, time_taken in result[op].items():
            over = time_taken - result[op]["numpy"]
            print(f"  {name:<20} {time_taken:>6.0f} ns" + (f"   {over:>+6.0f} ns to NumPy" if name != "numpy" else ""))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "door.json").write_text(json.dumps({"nanoseconds": result}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

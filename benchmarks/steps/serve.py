"""One side of the benchmark in a process of its own: `python -m benchmarks.steps.serve SIDE NAME THREADS`.

It prints the losses of three steps, and then answers each line of the standard input: a number with the seconds of a
step among so many, of the processor and of the clock; `memory` with the most that steps held, in MB, over what the
process held before its first one (weights, batch and library; None where the system does not say it).
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.steps.programs import PROGRAMS


def step_of(side: str, name: str, threads: int) -> Callable[[], Any]:
    if side.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    else:
        import pellucid as torch
    torch.manual_seed(0)
    model, x, y, optimizer = PROGRAMS[name](torch)
    if side == "jax":
        from benchmarks.steps import in_jax

        return in_jax.step_of(name, model, x, y)
    if side in ("numpy", "autograd", "mygrad", "tinygrad"):
        from benchmarks.steps import small

        return getattr(small, f"in_{side}")(model, x, y)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    compile: Any = torch.compile
    return compile(step) if side in ("compiled", "torch.compile") else step


def held(what: str) -> float | None:
    """What the process holds now (VmRSS), or at most since it was asked to forget (VmHWM), in MB; Linux says it."""
    place = Path("/proc/self/status")
    if not place.exists():
        return None
    return next(int(line.split()[1]) / 1024 for line in place.read_text().splitlines() if line.startswith(what))


def forget() -> None:
    """Let the mark of the most that was held begin anew."""
    place = Path("/proc/self/clear_refs")
    if place.exists():
        place.write_text("5")


def main() -> None:
    side, name, threads = sys.argv[1], sys.argv[2], int(sys.argv[3])
    step = step_of(side, name, threads)
    before = held("VmRSS")
    start = time.perf_counter()
    losses = [float(step().item())]
    first = time.perf_counter() - start
    losses += [float(step().item()) for _ in range(2)]
    if side == "compiled" and getattr(step, "fallback", None):
        raise SystemExit(f"{name} is not compiled: {step.fallback}")  # pyright: ignore[reportFunctionMemberAccess]
    print(json.dumps({"losses": losses, "first": first}), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            forget()
            for _ in range(3):
                step()
            most = held("VmHWM")
            print(json.dumps(None if most is None or before is None else most - before), flush=True)
            continue
        count, processor, clock = int(line), time.process_time(), time.perf_counter()
        for _ in range(count):
            step()
        times = ((time.process_time() - processor) / count, (time.perf_counter() - clock) / count)
        print(json.dumps(times), flush=True)


if __name__ == "__main__":
    main()

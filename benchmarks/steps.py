"""Whole training steps: pellucid compiled, eager with its kernels and without, NumPy and JAX by hand, and PyTorch.

    python benchmarks/steps.py [--threads 1] [--rounds 9] [NAME…]

The same weights and batches; the losses of three steps must agree before anything is timed. Each side runs in a
process of its own, which does a few steps when it is its turn. NumPy by hand is there for the MLP, whose forward and
backward fit on half a page, and so is JAX's jit, which donates the weights; torch.compile where this machine has a C++
compiler (g++ or clang), which it needs. A side that ends before its first step is left out, and named.

What is reported is the median over rounds of the ratio within a round, so that a machine that slows down for a while
slows all of them; the seconds are those of the processor, so that other programs on the machine count less. The result
goes to benchmarks/results/steps.json, and as a table to steps.md.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SIDES = (
    "compiled",
    "pellucid",
    "without",
    "numpy",
    "jax",
    "torch.compile",
    "torch",
)  # `pellucid` with kernels is eager


def mlp(torch: Any, batch: int) -> Any:
    nn = torch.nn
    model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return model, torch.rand(batch, 784), torch.randint(0, 10, (batch,)), torch.optim.SGD(model.parameters(), lr=0.1)


def cnn(torch: Any) -> Any:
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    return model, torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,)), torch.optim.SGD(model.parameters(), lr=0.01)


def residual(torch: Any) -> Any:
    nn, relu = torch.nn, torch.nn.functional.relu

    class Block(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.norms = nn.ModuleList([nn.BatchNorm2d(out), nn.BatchNorm2d(out)])
            self.past = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, stride, bias=False)

        def forward(self, x: Any) -> Any:
            inner = relu(self.norms[0](self.first(x)))
            return relu(self.norms[1](self.second(inner)) + self.past(x))

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), Block(16, 16, 1), Block(16, 32, 2),
        Block(32, 64, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    return model, torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,)), optimizer


def gpt(torch: Any) -> Any:
    nn = torch.nn
    width, heads, context, batch, letters = 128, 4, 64, 12, 65

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
            self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.think = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            parts = self.attend(self.norms[0](x)).split(width, dim=2)
            q, k, v = (part.view(batch, context, heads, -1).transpose(1, 2) for part in parts)
            seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.project(seen.transpose(1, 2).contiguous().view(batch, context, width))
            return x + self.think(self.norms[1](x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(context, width)
            self.blocks = nn.Sequential(*[Block() for _ in range(4)], nn.LayerNorm(width))
            self.head = nn.Linear(width, letters)

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(self.letters(x) + self.places(torch.arange(context)))).view(-1, letters)

    model = GPT()
    x, y = torch.randint(0, letters, (batch, context)), torch.randint(0, letters, (batch * context,))
    return model, x, y, torch.optim.AdamW(model.parameters(), lr=1e-3)


def lstm(torch: Any) -> Any:
    nn = torch.nn

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.past = nn.Embedding(65, 64), nn.LSTM(64, 128, batch_first=True)
            self.head = nn.Linear(128, 65)

        def forward(self, x: Any) -> Any:
            return self.head(self.past(self.letters(x))[0]).reshape(-1, 65)

    model = Letters()
    x, y = torch.randint(0, 65, (32, 64)), torch.randint(0, 65, (32 * 64,))
    return model, x, y, torch.optim.Adam(model.parameters(), lr=1e-3)


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "MLP, batch 16": lambda torch: mlp(torch, 16),
    "MLP, batch 64": lambda torch: mlp(torch, 64),
    "MLP, batch 512": lambda torch: mlp(torch, 512),
    "CNN": cnn,
    "residual net": residual,
    "char-GPT": gpt,
    "LSTM": lstm,
}


def by_hand(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    """The step of the MLP in NumPy alone, from the weights of the model."""
    import numpy as np

    w1, b1, w2, b2 = (parameter.detach().numpy().copy() for parameter in model.parameters())
    x, y = x.numpy(), y.numpy()
    rows = np.arange(len(x))

    def step() -> Any:
        hidden = np.maximum(x @ w1.T + b1, 0)
        scores = hidden @ w2.T + b2
        scores -= scores.max(axis=1, keepdims=True)
        exp = np.exp(scores)
        total = exp.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - scores[rows, y]).mean()
        slope = exp / total
        slope[rows, y] -= 1
        slope /= len(x)
        before = (slope @ w2) * (hidden > 0)
        for weight, gradient in (
            (w2, slope.T @ hidden), (b2, slope.sum(axis=0)), (w1, before.T @ x), (b1, before.sum(axis=0)),
        ):  # fmt: skip
            gradient *= 0.1
            weight -= gradient
        return loss

    return step


def in_jax(model: Any, x: Any, y: Any) -> Callable[[], Any]:
    """The step of the MLP by JAX's jit, from the weights of the model."""
    import jax

    weights = [jax.numpy.asarray(parameter.detach().numpy()) for parameter in model.parameters()]
    x, y = jax.numpy.asarray(x.numpy()), jax.numpy.asarray(y.numpy())

    def loss_of(weights: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = weights
        scores = jax.nn.log_softmax(jax.nn.relu(x @ w1.T + b1) @ w2.T + b2)
        return -jax.numpy.take_along_axis(scores, y[:, None], axis=1).mean()

    def update(weights: Any, x: Any, y: Any) -> Any:
        loss, slopes = jax.value_and_grad(loss_of)(weights, x, y)
        return [weight - 0.1 * slope for weight, slope in zip(weights, slopes, strict=True)], loss

    compiled = jax.jit(update, donate_argnums=0)

    def step() -> Any:
        nonlocal weights
        weights, loss = compiled(weights, x, y)
        return loss.block_until_ready()

    return step


def sides_of(name: str) -> list[str]:
    """Those that can be measured here."""
    found = [side for side in SIDES if side not in ("numpy", "jax") or name.startswith("MLP")]
    compiler = any(map(shutil.which, ("g++", "clang++")))
    return [side for side in found if side != "torch.compile" or compiler]


def serve(side: str, name: str, threads: int) -> None:
    """Do steps as they are asked for on the standard input: print the losses of three, then the time of each number."""
    if side.startswith("torch"):
        import torch

        torch.set_num_threads(threads)
    else:
        import pellucid as torch
    torch.manual_seed(0)
    model, x, y, optimizer = PROGRAMS[name](torch)

    def step() -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if side == "numpy":
        step = by_hand(model, x, y)
    elif side == "jax":
        step = in_jax(model, x, y)
    elif side in ("compiled", "torch.compile"):
        compile: Any = torch.compile
        step = compile(step)
    print(json.dumps([step().item() for _ in range(3)]), flush=True)
    if side == "compiled" and getattr(step, "fallback", None):
        raise SystemExit(f"{name} is not compiled: {step.fallback}")
    for line in sys.stdin:
        start = time.process_time()
        for _ in range(int(line)):
            step()
        print((time.process_time() - start) / int(line), flush=True)


def measure(name: str, rounds: int, threads: int) -> dict[str, Any]:
    """The times of all, and their ratios to PyTorch's."""
    sides = sides_of(name)
    counts = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    if threads == 1:
        counts["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    root = str(Path(__file__).resolve().parent.parent / "src")
    servers = {
        side: subprocess.Popen(
            [sys.executable, __file__, "--serve", side, "--threads", str(threads), name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **counts, "PYTHONPATH": root, "PELLUCID_KERNELS": "0" if side == "without" else "1"},
        )
        for side in sides
    }  # fmt: skip

    def ask(side: str, count: int) -> float:
        server = servers[side]
        if server.stdin is None or server.stdout is None:
            raise RuntimeError("the pipes are missing")
        server.stdin.write(f"{count}\n")
        server.stdin.flush()
        return float(server.stdout.readline())

    try:
        said = {side: server.stdout.readline() for side, server in servers.items() if server.stdout}
        losses = {side: json.loads(line) for side, line in said.items() if line}
        if broken := [side for side in sides if side not in losses]:
            print(f"{name}: left out, since no step came of it: {', '.join(broken)}")
            sides = [side for side in sides if side in losses]
        for side, found in losses.items():
            if any(abs(a - b) > 1e-4 * abs(b) for a, b in zip(found, losses["torch"], strict=True)):
                raise SystemExit(f"{name}: {side} and torch do not compute the same: {losses}")
        each = max(1, round(0.15 / max(ask("torch", 2), 1e-4)))
        times: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(rounds):
            for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
                times[side].append(ask(side, each))
    finally:
        for server in servers.values():
            server.communicate()
    ratios = {
        f"{side}/torch": round(statistics.median(a / b for a, b in zip(times[side], times["torch"], strict=True)), 3)
        for side in sides[:-1]
    }
    return {"name": name, "losses": losses, "cpu ms": {side: round(1e3 * statistics.median(found), 3)
            for side, found in times.items()}, **ratios}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[*PROGRAMS])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve, asked.names[0], asked.threads)
        return
    rows = []
    print(f"{'processor ms':15}" + "".join(f"{side:>14}" for side in SIDES) + f"{'torch/compiled':>16}")
    for name in asked.names:
        row = {**measure(name, asked.rounds, asked.threads), "commit": commit()}
        rows.append(row)
        times = "".join(f"{row['cpu ms'].get(side, float('nan')):14.3f}" for side in SIDES)
        print(f"{name:15}{times}{1 / row['compiled/torch']:16.2f}", flush=True)
    from importlib.metadata import version

    versions = {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "torch", "llvmlite")}}
    place = RESULTS / "steps.json"
    before = json.loads(place.read_text(encoding="utf-8"))["rows"] if place.exists() else []
    rows += [row for row in before if row["name"] not in asked.names]  # those that were not asked for stay
    rows.sort(key=lambda row: [*PROGRAMS].index(row["name"]))
    result = {
        "threads": asked.threads,
        "rounds": asked.rounds,
        "cores": os.cpu_count(),
        "load of the machine at the end": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions,
        "rows": rows,
    }
    place.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "steps.md").write_text(table(result), encoding="utf-8")


def commit() -> str:
    """The commit that is measured, with a mark where files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=RESULTS, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"


def table(result: dict[str, Any]) -> str:
    """The result in Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    load = result["load of the machine at the end"]
    about = (
        f"Processor milliseconds a step, {result['threads']} thread, medians of interleaved rounds, by `python "
        f"benchmarks/steps.py`; {result['cores']} cores, load {load:.1f} at the end ({versions}). The ratio is the "
        "median of the ratios within the rounds."
    )
    head = f"| step | {' | '.join(SIDES)} | torch / compiled | commit |"
    lines = ["# Whole training steps", "", about, "", head, "|---|" + "---|" * (len(SIDES) + 2)]
    for row in result["rows"]:
        times = [f"{row['cpu ms'][side]:.3f}" if side in row["cpu ms"] else "–" for side in SIDES]
        ratio = f"{1 / row['compiled/torch']:.2f}" if "compiled/torch" in row else "–"
        lines.append(f"| {row['name']} | {' | '.join(times)} | {ratio} | {row.get('commit', 'an earlier one')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()

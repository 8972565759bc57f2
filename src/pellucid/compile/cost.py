"""What each kernel of a graph reads, writes and computes, against what the machine can do: a roofline in text.

A kernel that does few operations for each byte waits for memory, one that does many for the arithmetic units; which it
is depends on the machine's peaks, which are measured (Williams, Waterman and Patterson, Roofline, 2009). Bytes are
those of arguments and results, each once: what a cache saves or spends is not in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pellucid.kernels import winograd

from .graph import Graph, Node, Value
from .passes.descent import Descent
from .passes.fusion import Loop

CONVOLUTIONS = ("convolution", "convolution_input", "convolution_weight")


class Peak(NamedTuple):
    """Operations and bytes a second, on as many threads as NumPy uses."""

    operations: float
    bytes: float


class Cost(NamedTuple):
    """Of one node."""

    name: str
    bytes: int
    operations: int


def measured() -> Peak:
    """The machine's peaks now: a product of two matrices of 512, and a copy of 32 MB; it takes some 50 ms."""
    matrix = np.ones((512, 512), np.float32)
    out = np.empty_like(matrix)
    source = np.ones(1 << 23, np.float32)
    copy = np.empty_like(source)
    product = _best(lambda: np.matmul(matrix, matrix, out))
    moved = _best(lambda: np.copyto(copy, source))
    return Peak(2 * 512**3 / product, 2 * source.nbytes / moved)


def _best(function: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(4):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def cost(node: Node) -> Cost | None:
    """What a node costs; None for a view, which costs nothing."""
    if node.alias:
        return None
    values = {id(value): value for value in (*node.reads(), *node.outputs)}
    size = sum(_bytes(value) for value in values.values()) + sum(_bytes(value) for value in node.writes)
    made = ", ".join(map(repr, node.outputs or node.writes))
    if isinstance(node, Loop):
        count = int(np.prod(node.shape))
        return Cost(f"loop for {made}", size, count * (len(node.body) + len(node.sums)))
    name = f"{made} = {node.name}"
    if isinstance(node, Descent) or node.name == "matmul":
        a, b = node.args[:2]
        return Cost(name, size, 2 * int(np.prod(a.shape)) * int(b.shape[-1]) if len(b.shape) > 1 else 2 * a.size)
    if node.name in CONVOLUTIONS:
        return Cost(name, size, 2 * filtering(node)[1])
    return Cost(name, size, max((value.size for value in values.values()), default=0))


def filtering(node: Node) -> tuple[int, int]:
    """The tile of a convolution, 0 for direct loops, and its multiply-adds."""
    made = node.outputs[0]
    shapes = [value.shape for value in node.args[:2]]
    return winograd.of_op(node.name, shapes, made.shape, node.kwargs, made.dtype)


def _bytes(value: Value) -> int:
    return value.size * value.dtype.itemsize


def costs(graph: Graph) -> list[Cost]:
    """What each kernel costs, in order."""
    return [found for node in graph.nodes if (found := cost(node)) is not None]


def roofline(graph: Graph, peak: Peak) -> str:
    """A line for each kernel, in order: bytes, operations, the least time, and what it waits for."""
    rows = costs(graph)
    head = (
        f"peak: {peak.operations / 1e9:.0f} billion operations and {peak.bytes / 1e9:.1f} GB a second, so a kernel "
        f"below {peak.operations / peak.bytes:.1f} operations a byte waits for memory"
    )
    lines = [head, f"{'kB':>10} {'1000 ops':>10} {'ops/byte':>9} {'least µs':>9}  bound by    kernel"]
    total = 0.0
    for row in rows:
        moving, computing = row.bytes / peak.bytes, row.operations / peak.operations
        total += max(moving, computing)
        lines.append(
            f"{row.bytes / 1e3:10.1f} {row.operations / 1e3:10.1f} {row.operations / max(row.bytes, 1):9.2f} "
            f"{1e6 * max(moving, computing):9.1f}  {'memory' if moving > computing else 'arithmetic':10}  {row.name}"
        )
    lines.append(f"all: {1e6 * total:.1f} µs at the least, with one operation a number for a layer that runs whole")
    return "\n".join(lines)

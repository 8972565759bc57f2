"""A fused loop as machine code: the kernels' emitter with one line for each application, or None without llvmlite.

Dimensions that lie one behind the other in all arrays are run through as one, so that most loops have one dimension,
and one with a bias two. Lengths and strides are constants of the code.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from pellucid.kernels import compiler
from pellucid.kernels.emitter import Emitter
from pellucid.kernels.emitter import Value as Scalar

from . import scalars
from .graph import Value
from .passes.fusion import Loop, is_number

_made: dict[str, Callable[..., None] | None] = {}  # by the text of the kernel
_TYPES = {"float32": "float", "float64": "double"}


class Native(NamedTuple):
    """The function `(start, stop, addresses of reads…, addresses of outputs…)` of a loop, and its range.

    An output that lies over what is read has no address of its own.
    """

    function: Callable[..., None]
    total: int  # of the first dimension
    row: int  # numbers in each
    splits: bool  # whether threads may share it


def steps_of(value: Value, shape: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """How far the value's element moves, in elements, with each index of the loop; 0 where it is broadcast."""
    missing = len(shape) - len(value.shape)
    found = [0] * missing
    for length, stride in zip(value.shape, strides, strict=True):
        found.append(0 if length == 1 else stride // value.dtype.itemsize)
    return found


def collapsed(shape: tuple[int, ...], steps: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Lengths and steps with neighbouring dimensions made one wherever every array allows it."""
    lengths: list[int] = []
    kept: list[list[int]] = [[] for _ in steps]
    for d, length in enumerate(shape):
        if length == 1:
            continue
        if lengths and all(own[-1] == each[d] * length for own, each in zip(kept, steps, strict=True)):
            lengths[-1] *= length
            for own, each in zip(kept, steps, strict=True):
                own[-1] = each[d]
            continue
        lengths.append(length)
        for own, each in zip(kept, steps, strict=True):
            own.append(each[d])
    return (lengths, kept) if lengths else ([1], [[0] for _ in steps])


def emit(
    loop: Loop, strides: dict[int, tuple[int, ...]], over: dict[int, Value] | None = None
) -> tuple[Emitter, list[int]] | None:
    """The kernel of a loop, and its lengths; `strides` has those of what it reads, by the value's id.

    `over` says, by an output's id, in place of which argument it is written: the two are one parameter.
    """
    over = over or {}
    type = _TYPES[str(loop.body[0].outputs[0].dtype)]
    summed = {id(out) for _, out in loop.sums}
    steps: list[list[int]] = []
    for value in loop.args:
        steps.append(steps_of(value, loop.shape, strides[id(value)]))
    for value in loop.outputs:
        value.made_dense()
        steps.append(steps_of(value, loop.shape, value.strides))
    lengths, steps = collapsed(loop.shape, steps)
    names = [*(f"x{i}" for i in range(len(loop.args))), *(f"out{i}" for i in range(len(loop.outputs)))]
    of_sums = [own for value, own in zip(loop.outputs, steps[len(loop.args) :], strict=True) if id(value) in summed]
    if any(own[-1] != 1 or any(own[:-1]) for own in of_sums):
        return None
    values = dict(zip([*map(id, loop.args), *map(id, loop.outputs)], zip(names, steps, strict=True), strict=True))
    for out, old in over.items():
        names.remove(values[out][0])
        values[out] = values[id(old)]
    k = Emitter("loop", dict.fromkeys(names, "ptr"))
    for _, out in loop.sums:
        with k.loop(0, k.constant("i64", lengths[-1])) as j:
            k.store(k.constant(type, 0.0), getattr(k, values[id(out)][0]), j)
    with ExitStack() as stack:
        indices = [stack.enter_context(k.loop(k.start, k.stop))]
        for length in lengths[1:]:
            indices.append(stack.enter_context(k.loop(0, k.constant("i64", length))))

        def place(own: list[int]) -> Scalar:
            total = None
            for index, step in zip(indices, own, strict=True):
                if step:
                    moved = index if step == 1 else index * step
                    total = moved if total is None else total + moved
            return total if total is not None else k.constant("i64", 0)

        known: dict[int, Any] = {}
        for value in loop.args:
            name, own = values[id(value)]
            known[id(value)] = k.load(type, getattr(k, name), place(own))

        scalars.through(k, type, loop.body, known, is_number)
        for node in loop.body:
            out = node.outputs[0]
            if id(out) in values:
                name, own = values[id(out)]
                k.store(known[id(out)], getattr(k, name), place(own))
        for source, out in loop.sums:
            name, own = values[id(out)]
            at = place(own)
            k.store(k.load(type, getattr(k, name), at) + known[id(source)], getattr(k, name), at)
    return k, lengths


def sum_of_rows(rows: int, columns: int, type: str) -> Callable[..., None] | None:
    """The function `(0, columns, address of a matrix, address of the sums of its columns)`."""
    key = f"sum_of_rows_{rows}_{columns}_{type}"
    if key not in _made:
        k = Emitter("sum_of_rows", {"x": "ptr", "out": "ptr"})
        with k.loop(k.start, k.stop) as j:
            k.store(k.load(type, k.x, j), k.out, j)
        with k.loop(1, k.constant("i64", rows)) as i, k.loop(k.start, k.stop) as j:
            k.store(k.load(type, k.out, j) + k.load(type, k.x, i * columns + j), k.out, j)
        _made[key] = compiler.function(k)
    return _made[key]


def native(loop: Loop, strides: dict[int, tuple[int, ...]], over: dict[int, Value] | None = None) -> Native | None:
    """Machine code for a loop; None where there is none, and then its applications run one by one."""
    if compiler.target() is None:
        return None
    emitted = emit(loop, strides, over)
    if emitted is None:
        return None
    kernel, lengths = emitted
    text = kernel.text()
    if text not in _made:
        _made[text] = compiler.function(kernel)
    function = _made[text]
    row = 1
    for length in lengths[1:]:
        row *= length
    return None if function is None else Native(function, lengths[0], row, not loop.sums)

"""The summary of a model as a table: layers, shapes, parameters, multiply-adds, memory."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LayerRow:
    """One row. All numbers are the module's own, without those of the modules in it: the columns add up."""

    path: str  # "" for the model itself
    type: str
    depth: int
    outputs: list[tuple[int, ...]]  # shapes that the first call returned; none if it was not called
    calls: int
    trainable: int = 0  # how many numbers its trained parameters have; those it shares count where they come first
    frozen: int = 0
    multiply_adds: int = 0
    parameter_bytes: int = 0
    buffer_bytes: int = 0
    activation_bytes: int = 0  # of the results of its ops; a view takes none
    shared: list[str] = field(default_factory=list[str])  # parameters that it has from another module

    @property
    def parameters(self) -> int:
        """Trainable and frozen."""
        return self.trainable + self.frozen

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


class Summary:
    """The table: `print` it, or leave it at the end of a notebook's cell.

    Attributes:
        rows: a `LayerRow` for each module, in the order of the model.
        inputs: names and shapes of the inputs.
        trainable, frozen, multiply_adds, parameter_bytes, buffer_bytes, activation_bytes: sums over the rows.
    """

    def __init__(self, title: str, rows: list[LayerRow], inputs: list[tuple[str, tuple[int, ...]]]) -> None:
        self.title, self.rows, self.inputs = title, rows, inputs
        self.trainable = sum(row.trainable for row in rows)
        self.frozen = sum(row.frozen for row in rows)
        self.multiply_adds = sum(row.multiply_adds for row in rows)
        self.parameter_bytes = sum(row.parameter_bytes for row in rows)
        self.buffer_bytes = sum(row.buffer_bytes for row in rows)
        self.activation_bytes = sum(row.activation_bytes for row in rows)

    @property
    def parameters(self) -> int:
        """Trainable and frozen."""
        return self.trainable + self.frozen

    def cells(self) -> list[list[str]]:
        """The table as text: a heading, a row for each module, and the totals."""
        heading = ["layer", "output shape", "parameters", "multiply-adds", "activations"]
        found = [heading]
        last = _last_children(self.rows)
        for index, row in enumerate(self.rows):
            name = f"{row.name}: {row.type}" if row.path else row.type
            called = f" × {row.calls}" if row.calls > 1 else ""
            shapes = ", ".join(_shape(output) for output in row.outputs) if row.calls else "not called"
            found.append(
                [
                    last[index] + name + called,
                    shapes,
                    _parameters(row),
                    _number(row.multiply_adds),
                    _bytes(row.activation_bytes) if row.activation_bytes else "–",
                ]
            )
        found.append(
            ["total", "", _number(self.parameters), _number(self.multiply_adds), _bytes(self.activation_bytes)]
        )
        return found

    def notes(self) -> list[str]:
        """What stands below the table."""
        given = ", ".join(f"{name} {_shape(shape)}" for name, shape in self.inputs)
        frozen = f", {self.trainable:,} trained and {self.frozen:,} frozen" if self.frozen else ", all trained"
        memory = f"memory: parameters {_bytes(self.parameter_bytes)}"
        memory += f", buffers {_bytes(self.buffer_bytes)}" if self.buffer_bytes else ""
        return [
            f"inputs: {given}" if given else "no tensor among the inputs",
            f"parameters: {self.parameters:,}{frozen if self.parameters else ''}",
            f"{memory}, activations {_bytes(self.activation_bytes)} for these inputs",
        ]

    def __str__(self) -> str:
        cells = self.cells()
        widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]

        def line(row: list[str]) -> str:
            left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
            right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
            return "  ".join([*left, *right]).rstrip()

        rule = "─" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join(
            [line(cells[0]), rule, *(line(row) for row in cells[1:-1]), rule, line(cells[-1]), *self.notes()]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = self.cells()

        def row(texts: list[str], kind: str) -> str:
            made = [
                f'<{kind} style="text-align: {"left" if column < 2 else "right"}; white-space: pre">'
                f"{html.escape(text)}</{kind}>"
                for column, text in enumerate(texts)
            ]
            return f"<tr>{''.join(made)}</tr>"

        body = "".join(row(cell, "td") for cell in cells[1:-1])
        notes = "<br>".join(html.escape(note) for note in self.notes())
        return (
            f"<table><thead>{row(cells[0], 'th')}</thead><tbody>{body}</tbody>"
            f"<tfoot>{row(cells[-1], 'th')}</tfoot></table><p>{notes}</p>"
        )


def summary(model: Any, *inputs: Any, **keywords: Any) -> Summary:
    """What a Module consists of, as a table, from one forward on `inputs`, which leaves no trace in the model.

    Multiply-adds are counted from the operations that ran, whatever layer or function called them: matrix products,
    convolutions, contractions, and one per element that is normalised. They, and the memory of activations, are for
    the batch that is given. A parameter that several modules share counts once.

    Args:
        model: a Module.
        inputs: what it is called with; `keywords` too.

    Raises:
        TypeError: `model` is not a Module, or cannot be called with these inputs.

    >>> import pellucid as torch
    >>> from pellucid import nn, viz
    >>> table = viz.summary(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.ones(16, 4))
    >>> table.trainable, table.multiply_adds
    (58, 768)
    >>> print(table)
    layer         output shape  parameters  multiply-adds  activations
    ──────────────────────────────────────────────────────────────────
    Sequential    16 × 2                 –              –            –
    ├─ 0: Linear  16 × 8                40            512        512 B
    ├─ 1: ReLU    16 × 8                 –              –        512 B
    └─ 2: Linear  16 × 2                18            256        128 B
    ──────────────────────────────────────────────────────────────────
    total                               58            768      1.1 KiB
    inputs: input 16 × 4
    parameters: 58, all trained
    memory: parameters 232 B, activations 1.1 KiB for these inputs
    """
    if not hasattr(model, "named_modules") or isinstance(model, type):
        what = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"viz.summary takes a Module and its inputs, received {what}: viz.summary(model, x)")
    record = model.__graph__(*inputs, values=False, **keywords)
    rows = {
        path: LayerRow(path, type(module).__name__, path.count(".") + bool(path), [], 0)
        for path, module in model.named_modules()
    }
    for parameter in record.parameters:
        row = rows[_owner(parameter.name, rows)]
        if parameter.shared:
            row.shared += [] if parameter.buffer else [parameter.name]
        elif parameter.buffer:
            row.buffer_bytes += parameter.nbytes
        else:
            row.parameter_bytes += parameter.nbytes
            size = math.prod(parameter.shape)
            if parameter.trainable:
                row.trainable += size
            else:
                row.frozen += size
    for group in record.groups:
        if group.kind == "module":
            row = rows.setdefault(group.path, LayerRow(group.path, group.type, group.path.count(".") + 1, [], 0))
            row.calls += 1
            row.outputs = row.outputs or group.outputs
    for node in record.nodes:
        if node.kind == "op":
            row = rows[_module_of(record, node.group)]
            row.multiply_adds += node.multiply_adds
            row.activation_bytes += node.nbytes
    inputs_seen = [(node.name, node.shape) for node in record.nodes if node.kind == "input"]
    return Summary(record.title, list(rows.values()), inputs_seen)


def _owner(name: str, rows: dict[str, LayerRow]) -> str:
    """The module that a parameter's name leads to; one that is registered twice has its row at its first name."""
    path = name.rpartition(".")[0]
    while path not in rows:
        path = path.rpartition(".")[0]
    return path


def _module_of(record: Any, group: int | None) -> str:
    """The path of the innermost module around a group."""
    while group is not None:
        if record.groups[group].kind == "module":
            return record.groups[group].path
        group = record.groups[group].parent
    return ""


def _last_children(rows: list[LayerRow]) -> list[str]:
    """For each row the lines of the tree that stand before its name."""
    found: list[str] = []
    open_below: set[int] = set()  # depths at which another row comes
    for row in reversed(rows):
        open_below = {depth for depth in open_below if depth <= row.depth}
        if row.depth == 0:
            found.append("")
            continue
        stems = "".join("│  " if depth in open_below else "   " for depth in range(1, row.depth))
        found.append(stems + ("├─ " if row.depth in open_below else "└─ "))
        open_below.add(row.depth)
    return found[::-1]


def _parameters(row: LayerRow) -> str:
    if row.parameters:
        return f"{row.parameters:,}" + (f" ({row.frozen:,} frozen)" if row.frozen else "")
    return "shared" if row.shared else "–"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if shape else "number"


def _number(value: int) -> str:
    return f"{value:,}" if value else "–"


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"

"""The kernels that a plan runs, as LLVM reads them and as the processor does."""

from __future__ import annotations

from pellucid.kernels import compiler

from .segment import Segment


def listing(segments: list[Segment], ir: bool, assembly: bool) -> list[str]:
    """A part for each kernel: what it is called for, then its text; one that is called for more stands once."""
    purposes: dict[int, list[str]] = {}
    for segment in segments:
        for call in segment.calls:
            purposes.setdefault(call.address, []).append(call.label)
    parts: list[str] = []
    for address, labels in purposes.items():
        kernel = compiler.source(address)
        if kernel is None:
            parts.append("\n".join([*_heading(labels), "; of NumPy's BLAS, whose code is not pellucid's"]))
            continue
        texts = [*([kernel.text().strip()] if ir else []), *([compiler.assembly(kernel).strip()] if assembly else [])]
        parts.append("\n\n".join(["\n".join(_heading(labels)), *texts]))
    return parts or ["there is no machine code in it"]


def _heading(labels: list[str]) -> list[str]:
    return [f"; {label}" for label in dict.fromkeys(labels)]

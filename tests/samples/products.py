"""Rows for `ops/products.py` and `ops/einsum.py`."""

import torch

from tests.op_samples import integers, real, row

SAMPLES = {
    "matmul": [
        row(real(3, 4), real(4, 2)), row(real(4), real(4)), row(real(4), real(4, 2)), row(real(3, 4), real(4)),
        row(real(2, 3, 4), real(4, 5)), row(real(2, 1, 3, 4), real(5, 4, 2)), row(real(4), real(2, 4, 3)),
        row(real(1, 2, 3), real(4, 2, 3, 2)), row(real(4, 2, 2, 3), real(1, 3, 2)),
        row(real(1, 1, 1, 2, 3), real(1, 1, 1, 4, 3, 2)), row(real(1, 1, 1, 4, 2, 3), real(1, 1, 1, 3, 2)),
        row(real(2, 3, 4), real(4)), row(real(0, 4), real(4, 2)), row(real(3, 0), real(0, 2)),
        row(real(4, 3).T, real(2, 4).T), row(integers(3, 4), integers(4, 2)),
    ],
    "matrix_transpose": [row(real(2, 3), reference=lambda x: x.mT), row(real(2, 3, 4), reference=lambda x: x.mT)],
    "linear": [
        row(real(5, 3), real(2, 3), real(2)), row(real(5, 3), real(2, 3), None), row(real(3), real(2, 3), real(2)),
        row(real(2, 5, 3), real(4, 3), real(4)), row(real(0, 3), real(2, 3), real(2)),
        row(real(3, 5).T, real(2, 3), real(2)),
    ],
    "contract": [
        row(*operands, inputs=inputs, output=output, reference=lambda *x, inputs, output: torch.einsum(
            ",".join(inputs) + "->" + output, *x))
        for operands, inputs, output in (
            ((real(3, 4), real(4, 2)), ("ij", "jk"), "ik"),
            ((real(2, 3, 4), real(2, 4, 5)), ("bij", "bjk"), "kbi"),
            ((real(3, 4), real(2)), ("ij", "k"), "k"),
            ((real(3, 4),), ("ij",), "j"),
            ((real(2, 3), real(3)), ("ij", "k"), "jk"),
            ((real(3), real(3, 2), real(2)), ("i", "ij", "j"), ""),
        )
    ],
}  # fmt: skip

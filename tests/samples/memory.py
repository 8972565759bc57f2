"""Rows for `ops/memory.py`: casts, copies, and the parts of a base that views are."""

import torch

import pellucid
from pellucid.declare import TABLE
from tests.op_samples import real, row

CHAIN = ((TABLE["reshape"], {"shape": (3, 2)}),)
LAST = ((TABLE["part"], {"key": (slice(1, None), ...)}), (TABLE["reshape"], {"shape": (2,)}))


SAMPLES = {
    "cast": [
        row(real(2, 3), dtype=pellucid.float64, reference=lambda x, dtype: x.to(dtype)),
        row(real(2, 3), dtype=pellucid.int64, reference=lambda x, dtype: x.to(dtype), gradient=False),
    ],
    "to_device": [row(real(2, 3), device=pellucid.device("cpu"), reference=lambda x, device: x)],
    "clone": [row(real(2, 3)), row(real())],
    "kinked": [row(real(2, 3), reference=lambda x: x)],
    "along": [row(real(2, 3), real(4), reference=lambda x, other: x + 0 * other.sum())],
    "copy_": [row(real(2, 3), real(3)), row(real(2, 3), real(2, 3))],
    "view_replay": [
        row(real(2, 3), chain=CHAIN, reference=lambda x, chain: x.view(3, 2)),
        row(real(3, 1), chain=LAST, reference=lambda x, chain: x[1:].view(2)),
    ],
    "view_embed": [
        row(real(3, 2), shape=(2, 3), chain=CHAIN, reference=lambda x, shape, chain: x.view(2, 3)),
        row(real(2), shape=(3, 1), chain=LAST, reference=lambda x, shape, chain: torch.cat((0 * x[:1], x)).view(3, 1)),
    ],
    "view_zero": [
        row(real(3, 2), chain=CHAIN, reference=lambda x, chain: 0 * x),
        row(real(3, 2), chain=LAST[:1], reference=lambda x, chain: torch.cat((x[:1], 0 * x[1:]))),
    ],
}

STRIDED = {"size": (2, 2), "stride": (1, 2), "offset": 1, "geometry": (4, 1)}
SAMPLES["as_strided"] = [
    row(real(3, 4), **STRIDED,
        reference=lambda x, size, stride, offset, geometry: torch.as_strided(x.contiguous(), size, stride, offset)),
]  # fmt: skip
SAMPLES["strided_embed"] = [row(real(2, 2), shape=(3, 4), **STRIDED, skip="the gradient of as_strided")]
SAMPLES["strided_read"] = [row(real(3, 4), **STRIDED, skip="what as_strided reads, no view")]

"""Rows for `ops/fourier.py`; more, with gradients by complex numbers, in tests/test_fft.py."""

import torch

from tests.op_samples import real, row

Z = real(3, 4) + 1j * real(3, 4)


def half(x, dims, norm):
    return torch.fft.rfftn(x, dim=dims, norm=norm)


SAMPLES = {
    "fourier": [
        row(Z, dims=(0, 1), norm=norm, inverse=False, gradient=False,
            reference=lambda x, dims, norm, inverse: torch.fft.fftn(x, dim=dims, norm=norm))
        for norm in ("backward", "ortho", "forward")
    ],
    "half_spectrum": [row(real(3, n), dims=(0, 1), norm="ortho", reference=half, gradient=False) for n in (4, 5)],
    "from_half_spectrum": [
        row(Z, dims=(0, 1), n=n, norm="backward", gradient=False,
            reference=lambda x, dims, n, norm: torch.fft.irfftn(x, (x.shape[0], n), dim=dims, norm=norm))
        for n in (6, 7)
    ],
}  # fmt: skip

"""Rows for `ops/complex_parts.py`. Their gradients by complex numbers are in tests/test_complex.py."""

import numpy as np
import torch

from tests.op_samples import real, row

Z = real(2, 3) + 1j * real(2, 3)


SAMPLES = {
    "conj": [row(real(3)), row(Z, gradient=False)],
    "real": [row(Z, gradient=False)],
    "imag": [row(Z, gradient=False)],
    "angle": [row(Z, gradient=False), row(np.array([-1.0, 0.0, 2.0, np.nan]), gradient="torch")],
    "phase": [row(Z, gradient=False)],
    "view_as_real": [row(Z, gradient=False)],
    "view_as_complex": [row(real(3, 2), gradient=False)],
    "make_complex": [row(real(3), real(2, 3), gradient=False, reference=torch.complex)],
}

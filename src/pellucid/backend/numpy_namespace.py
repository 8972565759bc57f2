"""NumPy, with the few functions that deep learning needs and NumPy lacks."""

from __future__ import annotations

import types

import numpy

from . import bessel, polynomials, special

SPECIAL = {
    special: ("erf", "erfc", "erfcx", "erfinv", "gammainc", "gammaincc", "gammaln", "digamma", "log_ndtr", "ndtri",
              "polygamma", "zeta"),
    bessel: ("airy_ai", "i0", "i0e", "i1", "i1e", "j0", "j1", "k0", "k0e", "k1", "k1e", "spherical_j0", "y0", "y1"),
    polynomials: ("chebyshev_t", "chebyshev_u", "chebyshev_v", "chebyshev_w", "hermite_h", "hermite_he", "laguerre_l",
                  "legendre_p", "shifted_chebyshev_t", "shifted_chebyshev_u", "shifted_chebyshev_v",
                  "shifted_chebyshev_w"),
}  # fmt: skip

xp = types.ModuleType("pellucid.backend.numpy", "numpy and the functions it lacks")
xp.__dict__.update({name: value for name, value in vars(numpy).items() if not name.startswith("_")})
for _module, _names in SPECIAL.items():
    for _name in _names:
        setattr(xp, _name, getattr(_module, _name))

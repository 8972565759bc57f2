"""NumPy, with the few functions that deep learning needs and NumPy lacks."""

from __future__ import annotations

import types

import numpy

from . import special

xp = types.ModuleType("pellucid.backend.numpy", "numpy and the functions it lacks")
xp.__dict__.update({name: value for name, value in vars(numpy).items() if not name.startswith("_")})
for _name in ("erf", "erfc", "erfinv", "gammaln", "digamma", "polygamma"):
    setattr(xp, _name, getattr(special, _name))

"""CuPy in place of NumPy, for `device="cuda"`."""

from __future__ import annotations

import importlib
import types
from typing import Any

from .numpy_namespace import SPECIAL


class NoDevice(AssertionError, RuntimeError):
    """A device that is not there: PyTorch raises AssertionError for one that it was built without."""


def load() -> Any:
    """The CuPy backend; an error that names the extra where CuPy is absent or finds no GPU."""
    from .library import Backend

    try:
        cupy: Any = importlib.import_module("cupy")
    except ImportError:
        raise NoDevice(
            'Torch not compiled with CUDA enabled: device "cuda" needs CuPy, which is not installed: '
            'pip install "pellucid[gpu]" (on a machine with an NVIDIA GPU), or use device "cpu"'
        ) from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as failure:  # noqa: BLE001  a driver can be broken in many ways, and the error says in which
        raise NoDevice(f'device "cuda": CuPy is installed but finds no usable GPU ({failure})') from None
    if count == 0:
        raise NoDevice('device "cuda": CuPy is installed but this machine has no GPU; use device "cpu"')
    special: Any = importlib.import_module("cupyx.scipy.special")
    xp = types.ModuleType("pellucid.backend.cupy", "cupy and the functions it lacks")
    xp.__dict__.update({name: value for name, value in vars(cupy).items() if not name.startswith("_")})
    for name in (name for names in SPECIAL.values() for name in names):
        if hasattr(special, name):  # CuPy has most of them, under SciPy's names
            setattr(xp, name, getattr(special, name))
    return Backend("cuda", xp, cupy.ndarray, cupy.asarray, cupy.asnumpy)

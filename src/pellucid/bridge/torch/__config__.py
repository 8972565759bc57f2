"""`torch.__config__`: how the library was built."""

import numpy as np

from pellucid.version import __version__

__all__ = ["parallel_info", "show"]


def show() -> str:
    """What it is built from."""
    return f"pellucid {__version__}, in Python\n  - NumPy {np.__version__}\n"


def parallel_info() -> str:
    """By how many threads work is done."""
    return "The threads are those of NumPy's library of linear algebra\n"

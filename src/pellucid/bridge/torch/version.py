"""`torch.version`: whose names these are, and that there is no CUDA."""

from pellucid import torch_names

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]

__version__ = f"{torch_names.known().version}+pellucid"
debug = False
cuda = hip = xpu = git_version = None

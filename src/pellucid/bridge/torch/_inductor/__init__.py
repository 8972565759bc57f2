"""`torch._inductor`, of which programs set switches: they are kept, and change nothing."""

from types import SimpleNamespace

__all__ = ["config"]

config = SimpleNamespace(coordinate_descent_tuning=False, triton=SimpleNamespace(unique_kernel_names=False))

"""`torch._inductor`, of which programs set switches: they are kept, and change nothing."""

from types import SimpleNamespace

from ..compiler import cudagraph_mark_step_begin

__all__ = ["config", "cudagraph_mark_step_begin"]

config = SimpleNamespace(coordinate_descent_tuning=False, triton=SimpleNamespace(unique_kernel_names=False))
